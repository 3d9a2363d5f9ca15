"""What a worker knows of the registry: for a little while, and what the clients file pauses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause, SwitchBoard
from sluice.dynamo.known_entries import (
    BY_THE_FILE,
    ENTRY_COUNTS_FOR,
    MOST_ENTRIES,
    KnownEntries,
    SwitchesAndFile,
)
from sluice.dynamo.registry import RegistryEntry

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = StreamKey("acme", "cars", "cars")
ENTRY = RegistryEntry(KEY, timedelta(minutes=15), {}, "sluice/acme/cars")
MOMENT = timedelta(milliseconds=1)


@dataclass
class Stand:
    """A registry whose questions are counted, and a clock that stands until it is moved."""

    now: datetime = NOW
    known: dict[StreamKey, RegistryEntry] = field(default_factory=lambda: {KEY: ENTRY})
    pause: Pause | None = None
    asked: int = 0

    def __post_init__(self) -> None:
        self.entries = KnownEntries(self.read, lambda: self.now)
        self.switches = SwitchesAndFile(self, self.entries)

    def read(self, key: StreamKey) -> RegistryEntry:
        self.asked += 1
        if key not in self.known:
            raise StreamUnknown(f"{key} is not in the registry")
        return self.known[key]

    def board(self) -> SwitchBoard:
        return SwitchBoard()

    def pause_of(self, key: StreamKey) -> Pause | None:
        return self.pause

    def file_says(self, *, paused: bool) -> None:
        self.known[KEY] = replace(ENTRY, paused=paused)


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_run_of_slices_asks_once(stand: Stand) -> None:
    for _ in range(3):
        assert stand.entries.get(KEY) == ENTRY
    stand.now += ENTRY_COUNTS_FOR
    stand.entries.get(KEY)
    assert stand.asked == 1
    stand.now += MOMENT
    stand.entries.get(KEY)
    assert stand.asked == 2


def test_under_a_clock_that_was_set_back_it_asks_again(stand: Stand) -> None:
    stand.entries.get(KEY)
    stand.now -= MOMENT
    stand.entries.get(KEY)
    assert stand.asked == 2


def test_what_is_not_there_is_asked_for_each_time(stand: Stand) -> None:
    """It may have been added meanwhile."""
    stand.known.clear()
    for _ in range(2):
        with pytest.raises(StreamUnknown):
            stand.entries.get(KEY)
    assert stand.asked == 2


def test_of_very_many_streams_it_forgets(stand: Stand) -> None:
    keys = [StreamKey(f"c{number}", "cars", "cars") for number in range(MOST_ENTRIES + 1)]
    stand.known = {key: replace(ENTRY, key=key) for key in keys}
    for key in keys:
        stand.entries.get(key)
    stand.entries.get(keys[-1])
    stand.entries.get(keys[0])
    assert stand.asked == MOST_ENTRIES + 2


def test_what_the_file_pauses_is_stopped(stand: Stand) -> None:
    stand.file_says(paused=True)
    assert stand.switches.pause_of(KEY) == Pause(Scope.parse(str(KEY)), NOW, BY_THE_FILE)


def test_it_acts_within_the_time_that_an_entry_counts(stand: Stand) -> None:
    assert stand.switches.pause_of(KEY) is None
    stand.file_says(paused=True)
    assert stand.switches.pause_of(KEY) is None
    stand.now += ENTRY_COUNTS_FOR + MOMENT
    assert stand.switches.pause_of(KEY) is not None


def test_once_it_is_taken_out_no_message_is_thrown_away(stand: Stand) -> None:
    """The stream is due at once, and its message may come before the entry is old."""
    stand.file_says(paused=True)
    assert stand.switches.pause_of(KEY) is not None
    stand.file_says(paused=False)
    assert stand.switches.pause_of(KEY) is None


def test_a_switch_goes_before_the_file(stand: Stand) -> None:
    stand.pause = Pause(Scope.parse("acme"), NOW, "ann")
    assert stand.switches.pause_of(KEY) == stand.pause
    assert stand.asked == 0
    assert stand.switches.board() == SwitchBoard()


def test_a_stream_that_is_not_there_is_not_paused(stand: Stand) -> None:
    """Whoever opens it says that it is unknown; and portions of pushes fill what no stream reads."""
    stand.known.clear()
    assert stand.switches.pause_of(KEY) is None
