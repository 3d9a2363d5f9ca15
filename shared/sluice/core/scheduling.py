"""Ports of the schedule: which streams are due, what stands of each, and how they move on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sluice.core.keys import StreamKey
from sluice.core.underway import Asked, Standing


class DueStream(Protocol):
    """A stream whose time has come; ``asked`` is the last tick that asked for it, if one ever did, and
    ``resumed_at`` when its last pause ended or will end: workers throw away what is sent before."""

    @property
    def key(self) -> StreamKey: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def cadence(self) -> timedelta: ...
    @property
    def asked(self) -> Asked | None: ...
    @property
    def resumed_at(self) -> datetime | None: ...


class Move(NamedTuple):
    """A due stream moves to the next beat of ``cadence``, but no later than to ``latest``; ``asked`` is
    noted if it was asked for."""

    stream: DueStream
    cadence: timedelta
    asked: Asked | None = None
    latest: datetime | None = None

    def to(self, beat: datetime) -> datetime:
        return beat if self.latest is None else min(beat, self.latest)


class Schedule(Protocol):
    """The registry of clients' streams, queried by when they are due."""

    def due(self, now: datetime, *, most: int) -> Iterator[Sequence[DueStream]]:
        """All streams due, longest waiting first, ``most`` at a time, read as they are asked for."""
        ...

    def advance(self, moves: Sequence[Move], now: datetime) -> int:
        """Make each move if ``due_at`` is still the one seen; how many were. Beats are those after ``now``:
        ticks missed while nothing ran are not made up for."""
        ...


class Standings(Protocol):
    """What the state table says of streams, for planning."""

    def of(self, keys: Sequence[StreamKey]) -> Mapping[StreamKey, Standing]:
        """Streams never worked on are missing. Raises StateUnavailable."""
        ...
