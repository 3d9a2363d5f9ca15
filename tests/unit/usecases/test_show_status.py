"""The status page as the widget gets it: a page for each thing it may ask, and one for each thing that fails."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from sluice.core.errors import DatabaseUnavailable, SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.overview.picture import Overview, RunView
from sluice.core.overview.run_details import RunDetails
from sluice.core.steering.acting import Done
from sluice.usecases.show_status import Kept, Kit, show, show_done
from tests.unit.pages import pictures

ORDERS = "acme#shipbob#orders"
OVERVIEW, STREAM, RUN = (
    "1 stalled, 1 failed, 1 late",
    "Act on this stream",
    "Slices, and where their time went",
)
"""What stands on the page of all, on a stream's and on a run's, and on no other."""


@dataclass
class Runs:
    """One run of history, in a database that may be away."""

    is_away: bool = False

    def newest(self, key: StreamKey, limit: int) -> Sequence[RunView]:
        if self.is_away:
            raise DatabaseUnavailable("database: it does not answer")
        return [pictures.run()][:limit]

    def details(self, run_id: str, slices: int) -> RunDetails | None:
        return pictures.details() if run_id == pictures.RUN_ID else None


@pytest.fixture
def kit() -> Kit:
    return Kit(pictures.troubled, Runs(), lambda: pictures.NOW, "arn:status", "arn:steer")


def test_each_page_is_drawn_by_what_is_asked(kit: Kit) -> None:
    overview = show({}, kit)
    assert (overview.view, overview.error) == ("overview", None)
    assert OVERVIEW in str(overview.answer)
    stream = show({"view": "stream", "key": ORDERS}, kit)
    assert (STREAM in str(stream.answer), stream.view) == (True, "stream")
    run = show({"view": "run", "run": pictures.RUN_ID}, kit)
    assert (RUN in str(run.answer), run.view) == (True, "run")


@pytest.mark.parametrize(
    ("view", "drawn"), [("overview", OVERVIEW), ("stream", STREAM), ("run", RUN)]
)
def test_what_the_page_before_was_about_draws_no_page_of_it(
    kit: Kit, view: str, drawn: str
) -> None:
    """A page's form still names its stream or run when a button of it asks for another page."""
    page = show({"view": view, "key": ORDERS, "run": pictures.RUN_ID}, kit).answer
    assert [each in str(page) for each in (OVERVIEW, STREAM, RUN)] == [
        each == drawn for each in (OVERVIEW, STREAM, RUN)
    ]


def test_a_stream_is_shown_as_it_stands_in_the_picture(kit: Kit) -> None:
    page = str(show({"view": "stream", "key": "acme#shipbob#returns"}, kit).answer)
    assert "late</span>" in page
    assert "1h 3m old, 40m allowed" in page
    assert "not configured" not in page


def called(page: object, button: str) -> str:
    """The function that a button of the page calls."""
    found = re.search(rf'{button}</button><cwdb-action action="call" endpoint="([^"]*)"', str(page))
    assert found
    return found[1]


def test_buttons_that_show_call_the_function_that_draws_and_those_that_act_the_other(
    kit: Kit,
) -> None:
    """Fewer people may press than look."""
    page = show({"view": "stream", "key": ORDERS}, kit).answer
    assert called(page, "All streams") == "arn:status"
    assert called(page, "Sync now") == "arn:steer"
    assert called(show({"state": "bad"}, kit).answer, "All streams") == "arn:status"


def test_a_stream_that_left_the_registry_still_has_its_runs(kit: Kit) -> None:
    page = str(show({"view": "stream", "key": "gone#cars#cars"}, kit).answer)
    assert "not configured" in page
    assert "The newest runs" in page


def test_the_widget_says_what_it_is(kit: Kit) -> None:
    """As CloudWatch asks when somebody adds it to a dashboard; without a look at anything."""
    blind = replace(kit, look=lambda: pytest.fail("looked"))
    answer = show({"describe": True}, blind).answer
    assert isinstance(answer, dict)
    assert "### Sluice: status" in answer["markdown"]


def said_on(page: object) -> tuple[str, str]:
    """The title of a page's note, and its line."""
    found = re.search(r'<b class="break">(.*?)</b><p class="break">(.*?)</p>', str(page))
    assert found
    return found[1], html.unescape(found[2])


@pytest.mark.parametrize(
    ("event", "told"),
    [({"view": "run", "run": "x"}, "there is none of this id"), ({"state": "bad"}, "state 'bad'")],
)
def test_what_cannot_be_shown_is_told_on_a_page(kit: Kit, event: dict[str, str], told: str) -> None:
    shown = show(event, kit)
    assert shown.view == "trouble"
    assert told in (shown.error or "")
    title, line = said_on(shown.answer)
    assert (title, told in line) == ("This page cannot be shown now", True)
    assert "All streams" in str(shown.answer)


def test_a_store_that_does_not_answer_is_told_on_a_page(kit: Kit) -> None:
    away = replace(kit, runs=Runs(is_away=True))
    shown = show({"view": "stream", "key": ORDERS}, away)
    assert "database: it does not answer" in str(shown.answer)


def test_an_action_is_answered_either_way() -> None:
    def refused() -> Done:
        raise SettingInvalid("it is <paused>")

    done = show_done({}, lambda: Done("Asked for", ("soon",)))
    assert (done.view, said_on(done.answer)) == ("done", ("Asked for", "soon"))
    not_done = show_done({}, refused)
    assert (not_done.view, not_done.error) == ("refused", "it is <paused>")
    assert said_on(not_done.answer) == ("This was not done", "it is <paused>")
    assert "it is &lt;paused&gt;" in str(not_done.answer)


def test_many_viewers_ask_the_stores_once_in_a_while() -> None:
    """Five seconds; a clock that was set back is no reason to show an old picture for longer."""
    looks: list[Overview] = []
    now = pictures.NOW

    def look() -> Overview:
        looks.append(replace(pictures.healthy(), at=now))
        return looks[-1]

    kept = Kept(look, lambda: now)
    for _ in range(3):
        kept()
    assert len(looks) == 1
    now = pictures.NOW + timedelta(seconds=4.9)
    assert kept() is looks[0]
    now = pictures.NOW + timedelta(seconds=5)
    assert kept().at == now
    now = pictures.NOW
    kept()
    assert len(looks) == 3
