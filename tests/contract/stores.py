"""A Commits implementation and a way to look at what it stored: in memory, or in Postgres."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import psycopg

from sluice.core.keys import StreamKey
from sluice.core.ports import Commits, Pushes, Stream
from sluice.core.records import Record, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Claim, Committed, Draft
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.pushes import PostgresPushes
from tests.contract.dated import CREATE_DATED
from tests.contract.deriving import CREATE_SIZES, SIZED, Sized, programs
from tests.memory.commits import MemoryCommits
from tests.memory.pushes import MemoryPushes
from tests.memory.streams import THINGS, values_of
from tests.oracle import LoggedSlice, Position, read_log

KEY = StreamKey("acme", "shop", "things")
OTHER = StreamKey("bolt", "shop", "things")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

CREATE_TABLE = """
CREATE TABLE public.things (
  client_id text NOT NULL, thing_id text NOT NULL, content_hash uuid NOT NULL, version bigint NOT NULL,
  size integer, document jsonb NOT NULL, inserted_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  archived_at timestamptz, deleted_at timestamptz, deleted_generation integer,
  PRIMARY KEY (client_id, thing_id));
GRANT SELECT, INSERT, UPDATE ON public.things TO sluice_app;
"""


def _nothing(_: Record) -> None:
    return None


@dataclass(frozen=True)
class Things:
    """As much of a stream as a commit needs. ``first`` happens before a record's values are told,
    which is within the transaction: after the comparison, before the writing."""

    table: Table = THINGS
    first: Callable[[Record], object] = _nothing

    def values(self, record: Record) -> Sequence[Any]:
        self.first(record)
        return values_of(record)


STREAM = cast(Stream, Things())
SIZED_STREAM = cast(Stream, Things(SIZED))
"""The same things, with derivations."""


@dataclass(frozen=True)
class Stored:
    """A data row as both implementations show it."""

    hash: bytes
    version: int
    size: int | None
    deleted: bool
    archived: bool


@dataclass(frozen=True)
class Rejected:
    """A row of ``rejects``."""

    record_id: str | None
    reason: str
    times: int
    resolution: str | None


@dataclass(frozen=True)
class Run:
    """A row of ``run``."""

    run_id: str
    outcome: str
    ended: bool
    failures: int
    last_error: str | None
    done: int | None
    total: int | None


class Store(Protocol):
    """What the contract suite is given."""

    @property
    def commits(self) -> Commits: ...
    @property
    def pushes(self) -> Pushes: ...
    def counters(self, key: StreamKey) -> dict[tuple[str, str], tuple[int, int]]: ...
    def rows(self, client_id: str) -> dict[str, Stored]: ...
    def rejects(self) -> list[Rejected]: ...
    def runs(self) -> list[Run]: ...
    def chain(self, key: StreamKey) -> tuple[list[LoggedSlice], Position]: ...
    def sighted(self, key: StreamKey) -> dict[int, set[str]]: ...
    def sizes(self, client_id: str) -> Mapping[str, Sized]: ...


class MemoryStore:
    def __init__(self) -> None:
        self.commits = MemoryCommits(lambda: datetime.now(UTC))
        self.commits.programs = programs()
        self.pushes = MemoryPushes(self.commits)
        self._database = self.commits.database

    def rows(self, client_id: str) -> dict[str, Stored]:
        return {
            record_id: Stored(
                row.hash,
                row.version,
                row.values[0],
                row.deleted_at is not None,
                row.archived_at is not None,
            )
            for record_id, row in self._database.rows(THINGS.name, client_id).items()
        }

    def rejects(self) -> list[Rejected]:
        return [
            Rejected(r.record_id, r.reason, r.times, r.resolution) for r in self._database.rejects
        ]

    def runs(self) -> list[Run]:
        return [
            Run(
                r.run_id,
                r.outcome,
                r.ended_at is not None,
                r.failures,
                r.last_error,
                r.done,
                r.total,
            )
            for r in self._database.runs
        ]

    def chain(self, key: StreamKey) -> tuple[list[LoggedSlice], Position]:
        return self._database.chain(key)

    def counters(self, key: StreamKey) -> dict[tuple[str, str], tuple[int, int]]:
        return {
            at[1:]: (counter.total, counter.facts)
            for at, counter in self._database.counters.items()
            if at[0] == key
        }

    def sizes(self, client_id: str) -> Mapping[str, Sized]:
        return self._database.derived.get(client_id, {}).get("sizes", {})

    def sighted(self, key: StreamKey) -> dict[int, set[str]]:
        return {at[1]: ids for at, ids in self._database.sightings.items() if at[0] == key}


class PostgresStore:
    """``url`` is the application's; ``owner`` looks at everything."""

    def __init__(self, url: str, owner: psycopg.Connection[Any]) -> None:
        self.connection = PostgresConnection(url)
        self.commits = PostgresCommits(self.connection)
        self.pushes = PostgresPushes(self.connection)
        self._owner = owner
        owner.execute(CREATE_TABLE)
        owner.execute(CREATE_SIZES)
        owner.execute(CREATE_DATED)

    def rows(self, client_id: str) -> dict[str, Stored]:
        found = self._owner.execute(
            "SELECT thing_id, content_hash, version, size, deleted_at IS NOT NULL, archived_at IS NOT NULL"
            " FROM public.things WHERE client_id = %s",
            (client_id,),
        )
        return {row[0]: Stored(row[1].bytes, *row[2:]) for row in found}

    def rejects(self) -> list[Rejected]:
        found = self._owner.execute(
            "SELECT record_id, reason, times, resolution FROM sluice.rejects ORDER BY reject_id"
        )
        return [Rejected(*row) for row in found]

    def runs(self) -> list[Run]:
        found = self._owner.execute(
            "SELECT run_id::text, outcome, ended_at IS NOT NULL, failures, last_error, progress_done,"
            " progress_total FROM sluice.run ORDER BY started_at, run_id"
        )
        return [Run(*row) for row in found]

    def chain(self, key: StreamKey) -> tuple[list[LoggedSlice], Position]:
        return read_log(self._owner, str(key))

    def counters(self, key: StreamKey) -> dict[tuple[str, str], tuple[int, int]]:
        found = self._owner.execute(
            "SELECT subject, counter, total, facts FROM sluice.counter WHERE stream_key = %s",
            (str(key),),
        )
        return {(row[0], row[1]): (row[2], row[3]) for row in found}

    def sighted(self, key: StreamKey) -> dict[int, set[str]]:
        found = self._owner.execute(
            "SELECT generation, ids FROM sluice.sighting WHERE stream_key = %s", (str(key),)
        )
        seen: dict[int, set[str]] = {}
        for generation, ids in found:
            seen.setdefault(generation, set()).update(ids)
        return seen

    def sizes(self, client_id: str) -> Mapping[str, Sized]:
        found = self._owner.execute(
            "SELECT thing_id, part, alive, times FROM public.sizes WHERE client_id = %s",
            (client_id,),
        )
        return {row[0]: Sized(*row[1:]) for row in found}


class Worker:
    """Claims and commits with rising tokens, as one worker after another would."""

    def __init__(self, store: Store, key: StreamKey = KEY, stream: Stream = STREAM) -> None:
        self.store, self.key, self.stream, self.token = store, key, stream, 0

    def claim(self) -> Claim:
        self.token += 1
        claim = self.store.commits.claim(self.key, self.token)
        assert claim is not None
        run = self.store.commits.open_run(
            claim, run_id=str(uuid.uuid4()), reason="schedule", now=NOW
        )
        return replace(claim, run_id=run)

    def commit(self, *records: Record, **more: Any) -> Committed:
        claim = self.claim()
        return self.store.commits.commit(claim, draft(claim, records, **more), self.stream)

    def judged(self, *ids: str) -> list[Candidate]:
        """Candidates for removal as they stand now; one that is not there at any version."""
        rows = self.store.rows(self.key.client_id)
        return [Candidate(i, rows[i].version if i in rows else 0) for i in ids]


def draft(claim: Claim, records: Sequence[Record] = (), **more: Any) -> Draft:
    made = Draft(
        slice_id=str(uuid.uuid4()),
        run_id=str(claim.run_id),
        kind="pages",
        cursor_after={"at": claim.seq + 1},
        has_more=True,
        records=records,
    )
    return replace(made, **more)
