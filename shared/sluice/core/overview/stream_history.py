"""What the database remembers of a stream, as far as a look at the whole needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import RunView, Watch

RUNS_KEPT = 6
"""Newest runs that a look knows of each stream."""

CLOCKS = timedelta(seconds=30)
"""How far a worker's clock, which dates the end of a failed run, may be behind the database's."""

BY_PEOPLE = frozenset({"manual", "backfill", "redrive"})
"""Reasons of runs that somebody asked for: how long they take and how much they read is not judged."""

BACKFILL = "backfill"


class LargeRun(NamedTuple):
    """A completed run with slices of 100 rows or more: the sums over those slices."""

    run_id: str
    rows_read: int
    updated: int
    unchanged: int
    stale: int


class Topic(NamedTuple):
    """What a client's source pushes, by the vendor's word for it (``order.shipped``)."""

    client_id: str
    source: str
    name: str


class Silence(NamedTuple):
    """Nothing came within the last ``window``. ``usual_days`` is on how many of the seven days before something
    came in the same hours."""

    window: timedelta
    usual_days: int


@dataclass(frozen=True, slots=True)
class WatchedStream:
    """A stream as the registry has it. ``since`` is when it was entered or last changed, ``resumed_at`` when its
    last pause ended or will end; ``pushed`` says that its client's pushes from that source are received, ``topics``
    which of them are about this stream."""

    key: StreamKey
    cadence: timedelta
    watch: Watch = field(default_factory=Watch)
    enabled: bool = True
    paused: bool = False
    due_at: datetime | None = None
    since: datetime | None = None
    resumed_at: datetime | None = None
    pushed: bool = False
    topics: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StreamHistory:
    """``runs`` are the newest, newest first, the open one included. ``completed_at`` is when the latest completed
    run began. ``claimed_at`` is when a worker last came to the stream, whatever it found to do; ``rested_at`` when one
    that came before it found nothing due; ``advanced_at`` when a commit last moved the cursor. None: never.

    ``broken`` says what does not add up; ``brake`` is the note of a reconcile that removed nothing because its
    brake tripped within a day, ``braked_at`` when, unless a later one was clean. ``large`` are runs with large
    slices, newest first, where the newest such slice wrote all that it read. ``silence``: no rows of late.
    """

    runs: Sequence[RunView] = ()
    completed_at: datetime | None = None
    claimed_at: datetime | None = None
    rested_at: datetime | None = None
    advanced_at: datetime | None = None
    open_rejects: int = 0
    broken: Sequence[str] = ()
    brake: str | None = None
    braked_at: datetime | None = None
    large: Sequence[LargeRun] = ()
    silence: Silence | None = None

    @property
    def running(self) -> RunView | None:
        return next((run for run in self.runs if run.ended_at is None), None)

    @property
    def last(self) -> RunView | None:
        """The run that ended last."""
        return next((run for run in self.runs if run.ended_at is not None), None)

    @property
    def idle_at(self) -> datetime | None:
        """When a worker last came and found nothing due: it leaves neither a run nor a slice. Who begins a run
        does not end the rest before it: what the vendor had then is stored, until more is due."""
        if self.running is not None or self.claimed_at is None:
            return self.rested_at
        ended_at = self.last.ended_at if self.last else None
        if ended_at is not None and self.claimed_at <= ended_at + CLOCKS:
            return self.rested_at
        return self.claimed_at

    @property
    def fresh_at(self) -> datetime | None:
        """What the vendor had at this moment is stored."""
        return max(filter(None, (self.completed_at, self.idle_at)), default=None)

    def is_first_load(self, run: RunView) -> bool:
        """No run had completed before it. (Where six runs are known and none of them did, older ones may.)"""
        if self.completed_at is not None and self.completed_at < run.started_at:
            return False
        older = [each for each in self.runs if each.started_at < run.started_at]
        if any(each.outcome == "completed" for each in older):
            return False
        return len(self.runs) < RUNS_KEPT


class Histories(Protocol):
    """The database, asked about many streams at once. Each raises DatabaseUnavailable."""

    def of(self, keys: Sequence[StreamKey]) -> dict[StreamKey, StreamHistory]:
        """Streams that nobody ever worked on are missing. Without ``silence``."""
        ...

    def silent_streams(self, windows: Mapping[StreamKey, timedelta]) -> dict[StreamKey, Silence]:
        """Those of these streams that read no row within their window."""
        ...

    def silent_pushes(
        self, windows: Mapping[tuple[str, str], timedelta]
    ) -> dict[tuple[str, str], Silence]:
        """Those of these clients' sources that pushed nothing within their window."""
        ...

    def silent_topics(self, windows: Mapping[Topic, timedelta]) -> dict[Topic, Silence]:
        """Those of these topics of which nothing was pushed within their window."""
        ...

    def connections(self) -> int:
        """Connections of the application's login that were in use within a minute, the one that asks aside."""
        ...
