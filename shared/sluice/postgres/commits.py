"""The fenced commit: data, cursor, seq and the log of slices change together or not at all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from sluice.core.errors import CommitUnknown, DatabaseUnavailable, SchemaTooOld, Superseded
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.keys import StreamKey
from sluice.core.overview.stream_history import CLOCKS
from sluice.core.ports import OpenReject, Stream
from sluice.core.records import Reconcile, Table, WorkList
from sluice.core.removal import Candidate, Missing
from sluice.core.slices import Claim, Committed, Counts, Draft, by_endpoint, in_words
from sluice.postgres import derivations, queries, removals, runs, tables
from sluice.postgres.connection import DatabaseTime, PostgresConnection
from sluice.postgres.loader import merge
from sluice.postgres.partitions import make_room
from sluice.postgres.rejects import keep_rejects, name_rejects, settle_rejects, storable
from sluice.postgres.removals import PutAway
from sluice.postgres.runs import FoundRun
from sluice.postgres.shipping import Merged

REQUIRED_MIGRATION = "0036"
"""The newest ``pre`` migration that this code needs."""

REDRIVE = "redrive"


@dataclass(slots=True)
class PostgresCommits:
    """Implements ``core.ports.Commits``. Every method is one short transaction."""

    connection: PostgresConnection
    schema_checked: bool = False
    spent_before: DatabaseTime = field(default_factory=DatabaseTime)
    """On the connection, up to the last claim: what came since is the slice's."""

    def check_schema(self) -> None:
        """SchemaTooOld when the database lacks a migration that this code needs; asked once."""
        if self.schema_checked:
            return
        with self.connection.transaction() as tx:
            row = tx.execute(queries.SCHEMA_VERSION).fetchone()
            found = None
            if row and row[0]:
                newest = tx.execute("SELECT max(version) FROM sluice_migrations").fetchone()
                found = newest[0] if newest else None
        if found is None or found < REQUIRED_MIGRATION:
            raise SchemaTooOld(
                f"the database is at migration {found or 'none'}, this code needs {REQUIRED_MIGRATION}: "
                "deploy the stack again or run `sluice migrate pre`"
            )
        self.schema_checked = True

    def claim(
        self, key: StreamKey, fencing_token: int, *, full_since: datetime | None = None
    ) -> Claim | None:
        """Raise the fence and read the position; None when the fence is already as high."""
        self.spent_before = self.connection.spent()
        self.check_schema()
        parameters = {
            "key": str(key),
            "client_id": key.client_id,
            "source": key.source,
            "stream": key.stream,
            "partition": key.partition,
            "token": fencing_token,
            "full_since": full_since,
            "clocks": CLOCKS,
        }
        with self.connection.transaction() as tx:
            row = tx.execute(queries.CLAIM, parameters).fetchone()
            if row is None:
                tx.execute(queries.FIRST_SEEN, parameters)
                row = tx.execute(queries.CLAIM, parameters).fetchone()
        return None if row is None else Claim(key, fencing_token, *row)

    def fence(self, key: StreamKey) -> int:
        with self.connection.transaction() as tx:
            row = tx.execute(queries.FENCE, {"key": str(key)}).fetchone()
        return int(row[0]) if row else 0

    def commit(self, claim: Claim, draft: Draft, stream: Stream) -> Committed:
        """Store a slice in one transaction. A lost answer to COMMIT is looked up, never replayed."""
        make_room(self.connection, stream.table, draft.records)
        started = time.monotonic()
        try:
            with self.connection.transaction() as tx:
                committed = self._store(tx, claim, draft, stream, started)
        except DatabaseUnavailable as error:
            committed = self._look_up(draft, error)
        return self._timed(committed)

    def _timed(self, committed: Committed) -> Committed:
        spent = self.connection.spent().since(self.spent_before)
        return replace(committed, database_ms=_ms(spent.seconds), begin_ms=_ms(spent.until_begun))

    def _store(
        self,
        tx: psycopg.Connection[Any],
        claim: Claim,
        draft: Draft,
        stream: Stream,
        started: float,
    ) -> Committed:
        _require_ours(tx, claim)
        reach(FaultPoint.MERGE_LOCKED)
        seq = claim.seq + 1
        client_id, table = claim.key.client_id, stream.table
        merged = _merge(tx, claim, draft, stream, seq)
        archived = removals.archive(tx, table, client_id, draft.archived)
        _sight(tx, claim, draft, seq)
        deleted = _delete(tx, claim, draft, table, seq)
        counted = _count_facts(tx, claim, draft, seq)
        derive_began = time.monotonic()
        derived = derivations.derive(tx, client_id, draft.derive)
        derive_s = merged.derive_s + time.monotonic() - derive_began
        counts = _counts(draft, merged, archived.rows, deleted.rows, counted).check()
        reach(FaultPoint.MERGE_COUNTED)
        committed = Committed(
            seq,
            draft.cursor_after,
            draft.has_more,
            counts,
            merge_ms=_ms(time.monotonic() - started),
            derive_ms=_ms(derive_s),
            derived=derived,
            note=_note(draft.note, archived.note, deleted.note, in_words(derived)),
        )
        _advance(tx, claim, draft, self._timed(committed))
        runs.advance(tx, draft)
        reach(FaultPoint.MERGE_LOGGED)
        return committed

    def _look_up(self, draft: Draft, error: DatabaseUnavailable) -> Committed:
        """Was it stored before the answer was lost? On a new connection; the old one is closed."""
        with self.connection.transaction() as tx:
            row = tx.execute(queries.FIND_SLICE, {"slice_id": draft.slice_id}).fetchone()
        if row is None:
            raise CommitUnknown(f"slice {draft.slice_id} is not in commit_log: {error}") from error
        seq, cursor, has_more, merge_ms, derive_ms, derived, note, *counts = row
        return Committed(
            seq,
            cursor,
            has_more,
            Counts(*counts),
            merge_ms=merge_ms,
            derive_ms=derive_ms or 0,
            derived=derived or {},
            note=note,
        )

    def missing(
        self, claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[Candidate]]:
        parameters = {
            "stream_key": str(claim.key),
            "client_id": claim.key.client_id,
            "generation": step.generation,
            "started_at": step.started_at,
            "after": step.after or "",
            "limit": limit,
        }
        within = step.within
        if within is not None:
            parameters |= {"since": within.since, "until": within.until}
        query = tables.candidates(table, within.column if within else None)
        with self.connection.transaction() as tx:
            row = tx.execute(query, parameters).fetchone()
        if row is None:
            raise psycopg.InternalError("a query of totals without a row")
        return Missing(*row[:3]), [Candidate(*each) for each in zip(*row[3:], strict=True)]

    def due(
        self, claim: Claim, work: WorkList, *, now: datetime, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        own = {"client_id": claim.key.client_id, "now": now}
        parameters = {"limit": limit, **work.parameters, **own}
        with self.connection.transaction() as tx, tx.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(sql.SQL(work.sql), parameters).fetchall()

    def open_rejects(self, key: StreamKey, *, limit: int) -> Sequence[OpenReject]:
        """Rejects not yet settled, those not tried for longest first."""
        with self.connection.transaction() as tx:
            rows = tx.execute(queries.OPEN_REJECTS, {"key": str(key), "limit": limit}).fetchall()
        return [OpenReject(*row) for row in rows]

    def open_run(self, claim: Claim, *, run_id: str, reason: str, now: datetime) -> str:
        with self.connection.transaction() as tx:
            _require_ours(tx, claim)  # else who was overtaken opens a run that nobody works on
            return runs.begin(tx, claim.key, run_id=run_id, reason=reason, now=now)

    def note_failure(self, key: StreamKey, run_id: str | None, error: str, now: datetime) -> None:
        with self.connection.transaction() as tx:
            runs.note_failure(tx, key, run_id, error, now)

    def fail_run(
        self, key: StreamKey, *, error: str, reason: str, run_id: str, now: datetime
    ) -> str:
        with self.connection.transaction() as tx:
            found = runs.begin(tx, key, run_id=run_id, reason=reason, now=now)
            runs.end(tx, found, "failed", now, error)
        return found

    def silent_runs(
        self, *, before: datetime, backfills_before: datetime | None = None, limit: int
    ) -> Sequence[FoundRun]:
        with self.connection.transaction() as tx:
            return runs.silent(tx, before, limit, backfills_before)

    def note_asked(self, run_id: str) -> None:
        with self.connection.transaction() as tx:
            runs.note_asked(tx, run_id)

    def abandon_run(self, run_id: str, now: datetime) -> bool:
        with self.connection.transaction() as tx:
            return runs.end(tx, run_id, "abandoned", now, "no progress for a day")


def _require_ours(tx: psycopg.Connection[Any], claim: Claim) -> None:
    """Lock the stream's row; whoever claimed or committed since has made this slice worthless.

    So has a database that fell back and went on otherwise: then another slice may have the same seq, and after a
    restored state table even the same token.
    """
    row = tx.execute(queries.LOCK, {"key": str(claim.key)}).fetchone()
    if row != (claim.fencing_token, claim.seq, claim.follows):
        raise Superseded(
            f"{claim.key}: claimed with token {claim.fencing_token} at seq {claim.seq} after slice {claim.follows}, "
            f"but the database is at {row}"
        )


def _merge(
    tx: psycopg.Connection[Any], claim: Claim, draft: Draft, stream: Stream, seq: int
) -> Merged:
    redrive = draft.kind == REDRIVE
    merged = Merged()
    if draft.records:
        merged = merge(
            tx,
            stream.table,
            claim.key.client_id,
            draft.records,
            seq=seq,
            values=stream.values,
            ties_win=not redrive,
        )
    rejects = [*draft.rejects, *merged.rejects]
    key = str(claim.key)
    name_rejects(tx, draft.redriven, stream_key=key)
    keep_rejects(
        tx, rejects, stream_key=key, seq=seq, slice_id=draft.slice_id, read_anew=not redrive
    )
    if draft.records:
        again = [r.record_id for r in merged.rejects if r.record_id is not None]
        superseded = [*merged.stale_ids, *again]
        settle_rejects(tx, stream_key=key, slice_id=draft.slice_id, superseded=superseded)
    return merged


def _delete(
    tx: psycopg.Connection[Any], claim: Claim, draft: Draft, table: Table, seq: int
) -> PutAway:
    deleted = removals.soft_delete(
        tx,
        table,
        claim.key.client_id,
        draft.deletions,
        generation=draft.deleted_generation,
        seq=seq,
    )
    if draft.forget_generations_before is not None:
        tx.execute(
            queries.FORGET, {"key": str(claim.key), "before": draft.forget_generations_before}
        )
    return deleted


def _sight(tx: psycopg.Connection[Any], claim: Claim, draft: Draft, seq: int) -> None:
    """Remember every id of the listing, rejected ones too: a bad row is not a missing one."""
    if draft.sighting is None:
        return
    ids = {r.id for r in draft.records} | {r.record_id for r in draft.rejects if r.record_id}
    parameters = {
        "key": str(claim.key),
        "generation": draft.sighting,
        "seq": seq,
        "ids": [text for text in ids if storable(text) == text],
    }
    tx.execute(queries.SIGHT, parameters)


def _count_facts(tx: psycopg.Connection[Any], claim: Claim, draft: Draft, seq: int) -> int:
    """How many facts were new. The first reading of an id counts, within a batch too."""
    if not draft.facts:
        return 0
    parameters = {
        "key": str(claim.key),
        "seq": seq,
        "ids": [fact.id for fact in draft.facts],
        "subjects": [fact.subject for fact in draft.facts],
        "counters": [fact.counter for fact in draft.facts],
        "amounts": [fact.amount for fact in draft.facts],
        "moments": [fact.occurred_at for fact in draft.facts],
    }
    row = tx.execute(queries.COUNT_FACTS, parameters).fetchone()
    if row is None:
        raise psycopg.InternalError("a count without a row")
    return int(row[0])


def _counts(draft: Draft, merged: Merged, archived: int, deleted: int, counted: int) -> Counts:
    return Counts(
        read=len(draft.records) + len(draft.rejects) + len(draft.archived),
        inserted=merged.inserted,
        updated=merged.updated + archived,
        unchanged=merged.unchanged + len(draft.archived) - archived,
        stale=merged.stale,
        rejected=len(merged.rejects) + len(draft.rejects),
        deleted=deleted,
        facts=len(draft.facts),
        counted=counted,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _note(*parts: str | None) -> str | None:
    return "; ".join(part for part in parts if part) or None


def _advance(tx: psycopg.Connection[Any], claim: Claim, draft: Draft, committed: Committed) -> None:
    counts, traffic, derived = committed.counts, draft.traffic, committed.derived
    parameters = {
        "key": str(claim.key), "seq": committed.seq, "token": claim.fencing_token, "run_id": draft.run_id,
        "slice_id": draft.slice_id, "kind": draft.kind, "before": Jsonb(dict(claim.cursor)),
        "after": Jsonb(dict(draft.cursor_after)), "has_more": draft.has_more, "read": counts.read,
        "inserted": counts.inserted, "updated": counts.updated, "unchanged": counts.unchanged,
        "stale": counts.stale, "rejected": counts.rejected, "deleted": counts.deleted,
        "facts": counts.facts, "counted": counts.counted,
        "pages": traffic.pages, "requests": traffic.requests, "retries": traffic.retries,
        "errors": traffic.errors, "bytes": traffic.bytes_received,
        "latencies": list(traffic.latencies_ms), "fetch_ms": draft.fetch_ms,
        "merge_ms": committed.merge_ms,
        "note": None if committed.note is None else storable(committed.note),
        "derived": None if draft.derive is None else Jsonb(dict(derived)),
        "endpoints": Jsonb(by_endpoint(traffic)), "derive_ms": committed.derive_ms,
        "database_ms": committed.database_ms, "begin_ms": committed.begin_ms,
        "wait_ms": traffic.waited_ms,
    }  # fmt: skip
    tx.execute(queries.LOG_SLICE, parameters)
    tx.execute(queries.MOVE_ON, parameters)
