"""What steering needs from the outside, and how workers learn of switches without asking each time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sluice.core.budget import Clock
from sluice.core.keys import StreamKey
from sluice.core.ports import Book
from sluice.core.steering.switches import SUBJECT, Pause, Recorded, SwitchBoard

MOST_AGE = timedelta(seconds=20)
"""Of the board that a worker goes by: with the tick's minute, a switch acts within one."""


class Switches(Protocol):
    """The switches in force."""

    def board(self) -> SwitchBoard:
        """As they stood at most ``MOST_AGE`` ago; StateUnavailable when they cannot be read."""
        ...

    def pause_of(self, key: StreamKey) -> Pause | None:
        """What stops the stream now. A pause of before is no reason to throw a message away: after a
        resume nobody sends it again."""
        ...


class BookSwitches:
    """Implements ``Switches`` on a book. Safe to use from threads.

    A board that grew too old is never gone by, not even when the book does not answer: whoever paused
    a stream must be able to rely on it.
    """

    def __init__(self, book: Book, clock: Clock, *, most_age: timedelta = MOST_AGE) -> None:
        self._book = book
        self._clock = clock
        self._most_age = most_age
        self._read: tuple[datetime, SwitchBoard] | None = None
        self._lock = threading.Lock()

    def board(self) -> SwitchBoard:
        with self._lock:
            now = self._clock()
            if self._read is None or not self._is_recent(self._read[0], now):
                # Its age counts from before the reading, which may have taken long.
                self._read = (now, SwitchBoard.of_page(self._book.read(SUBJECT)))
            return self._read[1].at(now)

    def pause_of(self, key: StreamKey) -> Pause | None:
        """One read for each message of a paused stream, of which there are few."""
        if self.board().pause_of(key) is None:
            return None
        with self._lock:
            self._read = None
        return self.board().pause_of(key)

    def _is_recent(self, read_at: datetime, now: datetime) -> bool:
        """A clock that was set back makes a board look younger than it is: that one is read anew."""
        return timedelta(0) <= now - read_at < self._most_age


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody is about to change, for the audit. ``before`` and ``after`` are JSON; None is
    the clients file's own."""

    actor: str
    action: str
    scope: str
    before: str | None
    after: str | None
    why: str | None


class Audit(Protocol):
    """Who changed what: rows that are only ever added (Postgres)."""

    def record(self, change: Change) -> Recorded:
        """Add a row, durably. DatabaseUnavailable when it is not certain that it is there."""
        ...


class SteeredStream(Protocol):
    """A stream as the clients file has it."""

    @property
    def key(self) -> StreamKey: ...
    @property
    def cadence(self) -> timedelta: ...
    @property
    def active(self) -> bool: ...


class Steering(Protocol):
    """The registry, as far as steering changes it."""

    def next_due(self, key: StreamKey, cadence: timedelta, now: datetime) -> datetime:
        """The first beat of this cadence after ``now``."""
        ...

    def due_by(self, moments: Mapping[StreamKey, datetime]) -> int:
        """Make each active stream due at its moment at the latest; how many are due sooner by that.

        Safe to repeat. One that is due sooner, or is not active any more, stays as it is.
        """
        ...

    def resumed(self, moments: Mapping[StreamKey, datetime]) -> int:
        """The same for streams whose pause ends at that moment: messages sent to them before it were
        thrown away, so the dispatcher shall not wait for what those would have done."""
        ...
