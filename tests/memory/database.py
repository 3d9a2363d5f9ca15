"""What Postgres holds, in plain values: the state behind ``MemoryCommits``.

One object, so that a copy of it is a backup, and putting the copy back is a restore (or a failover
that lost commits).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sluice.core.keys import StreamKey
from sluice.core.records import Fact
from sluice.core.slices import Counts
from tests.oracle import LoggedSlice, Position

Derived = Mapping[str, Mapping[str, Any]]
"""A client's derived rows: by table, then by key."""


@dataclass
class Row:
    """A data row. ``values`` are the typed columns, ``raw`` the document."""

    hash: bytes
    version: int
    raw: bytes
    values: tuple[Any, ...]
    updated_at: datetime
    archived_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted_generation: int | None = None

    @property
    def is_tombstone(self) -> bool:
        """Deleted by the vendor's own word, not by a listing."""
        return self.deleted_at is not None and self.deleted_generation is None


@dataclass
class Counter:
    """A row of ``counter``."""

    total: int
    facts: int
    first_at: datetime
    last_at: datetime


@dataclass
class StoredReject:
    """A row of ``rejects``. ``tried_seq`` is the slice that last met it, read anew or not."""

    reject_id: int
    key: StreamKey
    record_id: str | None
    reason: str
    field: str | None
    raw: str
    seq: int
    tried_seq: int
    times: int = 1
    resolution: str | None = None


@dataclass
class StoredRun:
    """A row of ``run``; also what cleanup sees of one (``core.ports.OpenRun``)."""

    run_id: str
    key: StreamKey
    reason: str
    started_at: datetime
    last_progress_at: datetime
    asked_at: datetime | None = None
    seq: int = 0
    outcome: str = "running"
    ended_at: datetime | None = None
    failures: int = 0
    last_error: str | None = None
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class StoredSlice:
    """A row of ``commit_log``: the link that the oracle checks, and what a look-up answers."""

    link: LoggedSlice
    run_id: str
    kind: str
    has_more: bool
    counts: Counts
    note: str | None
    derived: Mapping[str, int] = field(default_factory=dict)


@dataclass
class StreamPosition:
    """A row of ``sync_commit``."""

    fencing_token: int = 0
    seq: int = 0
    cursor: Mapping[str, Any] = field(default_factory=dict)
    has_more: bool = False
    full_since: datetime | None = None
    slice_id: str | None = None


@dataclass
class MemoryDatabase:
    """All tables. Data rows by table name and client, then by the vendor's id; derived rows by client, table
    and key."""

    streams: dict[StreamKey, StreamPosition] = field(default_factory=dict)
    log: dict[StreamKey, list[StoredSlice]] = field(default_factory=dict)
    data: dict[tuple[str, str], dict[str, Row]] = field(default_factory=dict)
    rejects: list[StoredReject] = field(default_factory=list)
    runs: list[StoredRun] = field(default_factory=list)
    sightings: dict[tuple[StreamKey, int], set[str]] = field(default_factory=dict)
    ledger: dict[tuple[StreamKey, str], Fact] = field(default_factory=dict)
    counters: dict[tuple[StreamKey, str, str], Counter] = field(default_factory=dict)
    inbox: set[tuple[str, str, str]] = field(default_factory=set)
    derived: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def backup(self) -> MemoryDatabase:
        """The state as it is now."""
        return copy.deepcopy(self)

    def restore(self, backup: MemoryDatabase) -> None:
        """Forget everything since ``backup`` was taken."""
        self.__dict__.update(copy.deepcopy(backup).__dict__)

    def count(self, key: StreamKey, facts: Sequence[Fact]) -> None:
        """Take facts into the ledger and add them up."""
        for fact in facts:
            self.ledger[(key, fact.id)] = fact
            at = (key, fact.subject, fact.counter)
            old = self.counters.get(at) or Counter(0, 0, fact.occurred_at, fact.occurred_at)
            self.counters[at] = Counter(
                old.total + fact.amount,
                old.facts + 1,
                min(old.first_at, fact.occurred_at),
                max(old.last_at, fact.occurred_at),
            )

    def rows(self, table: str, client_id: str) -> dict[str, Row]:
        return self.data.setdefault((table, client_id), {})

    def open_run_of(self, key: StreamKey) -> StoredRun | None:
        return next((run for run in self.runs if run.key == key and run.ended_at is None), None)

    def open_rejects_of(self, key: StreamKey) -> Iterator[StoredReject]:
        return (r for r in self.rejects if r.key == key and r.resolution is None)

    def slice_with(self, slice_id: str) -> StoredSlice | None:
        found = (s for slices in self.log.values() for s in slices if s.link.slice_id == slice_id)
        return next(found, None)

    def chain(self, key: StreamKey) -> tuple[list[LoggedSlice], Position]:
        """What the oracle looks at."""
        at = self.streams[key]
        links = [stored.link for stored in self.log.get(key, [])]
        return links, Position(at.seq, at.fencing_token, at.cursor)
