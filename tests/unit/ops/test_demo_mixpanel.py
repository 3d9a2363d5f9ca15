"""What the demo concludes of Mixpanel: from its runs, from answers to a wrong password, and from a stored secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.vendors.mixpanel.models import Pushed
from ops.demo.cohort import credentials_in, is_refused
from ops.demo.course import demo_clients
from ops.demo.mixpanel import EVENTS, PROFILES, MixpanelDemo, passes_sheet, written
from ops.demo.stage import DemoResult, Stage
from ops.runs.figures import RunFigures
from sluice.webhooks.basic import new_secret, user_of
from tests.unit.ops.figures import Pipe, run

NAMES = {
    "VENDOR_CARS_URL": "http://127.0.0.1:4711",
    "VENDOR_SHIPBOB_URL": "http://127.0.0.1:4712",
    "VENDOR_MIXPANEL_URL": "http://127.0.0.1:4713",
}


@pytest.fixture
def demo(tmp_path: Path) -> MixpanelDemo:
    """A demo of the real clients file; the checks of figures need no stack."""
    nothing: Any = None
    clients = demo_clients(NAMES, 2000, tmp_path)
    stage = Stage(nothing, nothing, Pipe().console, clients, nothing, DemoResult(2000))
    return MixpanelDemo(stage, nothing, _wanted={EVENTS: (310, 0, 0), PROFILES: (15, 30, 5)})


def of(stream: str, inserted: int, updated: int = 0, deleted: int = 0, **more: Any) -> RunFigures:
    counts = {"inserted": inserted, "updated": updated, "deleted": deleted}
    return run("folio", stream=stream, **counts, **more)


def missed(demo: MixpanelDemo) -> list[str]:
    return [check.name for check in demo.stage.result.checks if not check.passed]


def test_the_clients_file_has_the_project(demo: MixpanelDemo) -> None:
    """One app, and the project that the vendor's world is made for."""
    assert (demo.client_id, demo.project) == ("folio", 1001)


def test_a_pass_that_wrote_what_there_was_to_write_passes(demo: MixpanelDemo) -> None:
    """By however many runs: a tick may have had its part."""
    demo._check_written("second pass", [of(EVENTS, 300), of(EVENTS, 10), of(PROFILES, 15, 30, 5)])
    assert (len(demo.stage.result.checks), missed(demo)) == (2, [])


@pytest.mark.parametrize("counts", [(311, 0, 0), (309, 0, 0), (310, 1, 0), (310, 0, 1)])
def test_an_event_that_counts_twice_or_not_at_all_is_found(
    demo: MixpanelDemo, counts: tuple[int, int, int]
) -> None:
    """And one that is rewritten, or gone."""
    demo._check_written("second pass", [of(EVENTS, *counts), of(PROFILES, 15, 30, 5)])
    assert missed(demo) == ["folio events: the second pass wrote what there was to write"]


def test_a_profile_written_without_need_is_found(demo: MixpanelDemo) -> None:
    """One that was touched said nothing new."""
    demo._check_written("second pass", [of(EVENTS, 310), of(PROFILES, 15, 31, 5)])
    assert missed(demo) == ["folio profiles: the second pass wrote what there was to write"]


def test_nothing_ran_is_nothing_written() -> None:
    """Not equal by having nothing to compare."""
    assert written([], EVENTS) == (0, 0, 0)


def test_the_sheet_tells_what_was_skipped() -> None:
    """A row for each pass and stream, its runs together."""
    passes = {
        "first load": [of(EVENTS, 7_000, rows_read=7_250, unchanged=250), of(PROFILES, 500)],
        "second pass": [
            of(EVENTS, 300, rows_read=7_800, unchanged=7_500),
            of(EVENTS, 10, rows_read=210, unchanged=200),
            of(PROFILES, 15, 30, 5, rows_read=510, unchanged=465),
        ],
    }
    pipe = Pipe()
    pipe.console.print(passes_sheet(passes))
    assert [line.split()[-6:] for line in pipe.lines[3:]] == [
        ["events", "7,250", "7,000", "0", "250", "0"],
        ["profiles", "10,000", "500", "0", "0", "0"],
        ["events", "8,010", "310", "0", "7,700", "0"],
        ["profiles", "510", "15", "30", "465", "5"],
    ]


def test_credentials_are_taken_from_the_newest_line() -> None:
    """The one before counts until the next is made, and is not what is entered."""
    newest, before = new_secret(), new_secret()
    user, password = credentials_in(f"{newest}\n{before}")
    assert user == user_of(newest)
    assert newest == f"basic:{user}:{password}"


def page(number: int, state: str, *statuses: int) -> Pushed:
    return Pushed.model_validate(
        {
            "project": 1, "cohort": 7, "session_id": "s", "action": "members", "page": number,
            "total_pages": 2, "members": (), "statuses": statuses, "state": state,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pages", "refused"),
    [
        ([page(1, "paused", 401), page(2, "not_sent")], True),
        ([page(1, "paused", 503, 401), page(2, "not_sent")], True),
        ([page(1, "paused", 403), page(2, "not_sent")], False),
        ([page(1, "delivered", 200), page(2, "delivered", 200)], False),
        ([page(1, "given_up", 503), page(2, "not_sent")], False),
        ([page(1, "paused", 401), page(2, "delivered", 200)], False),
        ([], False),
    ],
)
def test_only_a_401_that_pauses_the_sync_is_a_refusal(pages: list[Pushed], refused: bool) -> None:
    """A receiver that was too busy for a moment may have been asked before."""
    assert is_refused(pages) == refused
