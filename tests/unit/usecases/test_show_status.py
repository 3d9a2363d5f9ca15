"""The status page as the widget gets it: a page for each thing it may ask, and one for each thing that fails."""

from __future__ import annotations

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
    assert "1 stalled, 1 failed, 1 late" in str(overview.answer)
    stream = show({"view": "stream", "key": "acme#shipbob#orders"}, kit)
    assert "Act on this stream" in str(stream.answer)
    run = show({"view": "run", "run": pictures.RUN_ID}, kit)
    assert "Slices, and where their time went" in str(run.answer)


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


@pytest.mark.parametrize(
    ("event", "told"),
    [({"view": "run", "run": "x"}, "there is none of this id"), ({"state": "bad"}, "state 'bad'")],
)
def test_what_cannot_be_shown_is_told_on_a_page(kit: Kit, event: dict[str, str], told: str) -> None:
    shown = show(event, kit)
    assert shown.view == "trouble"
    assert told in (shown.error or "")
    assert "All streams" in str(shown.answer)


def test_a_store_that_does_not_answer_is_told_on_a_page(kit: Kit) -> None:
    away = replace(kit, runs=Runs(is_away=True))
    shown = show({"view": "stream", "key": "acme#shipbob#orders"}, away)
    assert "database: it does not answer" in str(shown.answer)


def test_an_action_is_answered_either_way() -> None:
    def refused() -> Done:
        raise SettingInvalid("it is <paused>")

    done = show_done({}, lambda: Done("Asked for", ("soon",)))
    assert (done.view, "Asked for" in str(done.answer)) == ("done", True)
    not_done = show_done({}, refused)
    assert (not_done.view, not_done.error) == ("refused", "it is <paused>")
    assert "This was not done" in str(not_done.answer)
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
