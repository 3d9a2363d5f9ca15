"""How old the board may be that a worker goes by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import StateUnavailable
from sluice.core.keys import StreamKey
from sluice.core.ports import Revised
from sluice.core.steering.ports import MOST_AGE, BookSwitches
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import SUBJECT, Pause, SwitchBoard
from tests.memory.book import MemoryBook

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = StreamKey("acme", "cars", "cars")
ACME = Scope("acme")
MOMENT = timedelta(microseconds=1)


class Stand(MemoryBook):
    """A book that may be away, a clock, and the switches read from both."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.reads = 0
        self.is_away = False
        self.reading_takes = timedelta(0)
        self.switches = BookSwitches(self, lambda: self.now)

    def read(self, subject: str) -> Mapping[str, Any]:
        self.reads += 1
        if self.is_away:
            raise StateUnavailable("table limits: down")
        page = super().read(subject)
        self.now += self.reading_takes
        return page

    def pause(self, until: datetime | None = None) -> None:
        board = SwitchBoard({ACME: Pause(ACME, NOW, "me", until=until)})
        self.revise(SUBJECT, lambda _: Revised(None, board.page()))

    def resume(self) -> None:
        self.revise(SUBJECT, lambda _: Revised(None, SwitchBoard().page()))

    def is_paused(self) -> bool:
        return self.switches.board().pause_of(KEY) is not None


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_switch_is_seen_within_twenty_seconds(stand: Stand) -> None:
    assert not stand.is_paused()
    stand.pause()
    stand.now += timedelta(seconds=20)
    assert stand.is_paused()


def test_within_that_time_the_book_is_read_once(stand: Stand) -> None:
    """Else every message of every worker would cost a read of the same page."""
    for _ in range(20):
        stand.is_paused()
        stand.now += MOST_AGE / 20
    assert stand.reads == 1
    stand.is_paused()
    assert stand.reads == 2


def test_a_board_is_gone_by_for_twenty_seconds(stand: Stand) -> None:
    stand.is_paused()
    stand.now += timedelta(seconds=20) - MOMENT
    stand.is_paused()
    assert stand.reads == 1
    stand.now += MOMENT
    stand.is_paused()
    assert stand.reads == 2


def test_a_book_that_is_away_is_not_noticed_while_the_board_is_recent(stand: Stand) -> None:
    stand.pause()
    assert stand.is_paused()
    stand.is_away = True
    stand.now += MOST_AGE - MOMENT
    assert stand.is_paused()


def test_an_old_board_is_not_gone_by_when_the_book_is_away(stand: Stand) -> None:
    """Somebody may have paused the stream since: it is not worked on until that is known."""
    stand.is_paused()
    stand.is_away = True
    stand.now += MOST_AGE
    for _ in range(2):
        with pytest.raises(StateUnavailable):
            stand.switches.board()
    stand.is_away = False
    assert not stand.is_paused()


def test_without_any_board_nothing_is_assumed(stand: Stand) -> None:
    stand.is_away = True
    with pytest.raises(StateUnavailable):
        stand.switches.board()


def test_a_clock_set_back_does_not_keep_a_board_young(stand: Stand) -> None:
    stand.is_paused()
    stand.pause()
    stand.now -= timedelta(hours=1)
    assert stand.is_paused()


def test_a_board_is_as_old_as_its_reading_began(stand: Stand) -> None:
    """What was switched while the answer was on its way is not in it."""
    stand.reading_takes = MOST_AGE
    stand.is_paused()
    stand.pause()
    assert stand.is_paused()


def test_a_pause_lapses_also_on_a_board_read_before(stand: Stand) -> None:
    stand.pause(until=NOW + timedelta(seconds=5))
    assert stand.is_paused()
    stand.now += timedelta(seconds=5)
    assert not stand.is_paused()
    assert stand.reads == 1


def test_a_message_is_thrown_away_only_by_a_pause_that_is_in_force_now(stand: Stand) -> None:
    """Within the twenty seconds, too: who was sent it after the resume would be left without."""
    stand.pause()
    assert stand.switches.pause_of(KEY) is not None
    stand.resume()
    assert stand.is_paused()
    assert stand.switches.pause_of(KEY) is None


def test_what_is_not_paused_costs_no_read_of_its_own(stand: Stand) -> None:
    for _ in range(10):
        assert stand.switches.pause_of(KEY) is None
    assert stand.reads == 1
