"""The fenced commit: data, cursor, seq and the log of slices change together or not at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from sluice.core.errors import CommitUnknown, DatabaseUnavailable, SchemaTooOld, Superseded
from sluice.core.keys import StreamKey
from sluice.core.ports import OpenReject, Stream
from sluice.core.records import Reconcile, Table
from sluice.core.removal import Missing
from sluice.core.slices import Claim, Committed, Counts, Draft
from sluice.postgres import queries, runs, tables
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.loader import (
    Merged,
    keep_rejects,
    merge,
    name_rejects,
    settle_rejects,
    storable,
)
from sluice.postgres.runs import FoundRun

REQUIRED_MIGRATION = "0004"
"""The newest ``pre`` migration that this code needs."""

REDRIVE = "redrive"


@dataclass(slots=True)
class PostgresCommits:
    """Implements ``core.ports.Commits``. Every method is one short transaction."""

    connection: PostgresConnection
    schema_checked: bool = False

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

    def claim(self, key: StreamKey, fencing_token: int) -> Claim | None:
        """Raise the fence and read the position; None when the fence is already as high."""
        self.check_schema()
        parameters = {
            "key": str(key),
            "client_id": key.client_id,
            "source": key.source,
            "stream": key.stream,
            "partition": key.partition,
            "token": fencing_token,
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
        started = time.monotonic()
        try:
            with self.connection.transaction() as tx:
                return self._store(tx, claim, draft, stream, started)
        except DatabaseUnavailable as error:
            return self._look_up(draft, error)

    def _store(
        self,
        tx: psycopg.Connection[Any],
        claim: Claim,
        draft: Draft,
        stream: Stream,
        started: float,
    ) -> Committed:
        _require_ours(tx, claim)
        seq = claim.seq + 1
        merged = _merge(tx, claim, draft, stream, seq)
        archived = _archive(tx, claim, draft, stream.table)
        _sight(tx, claim, draft, seq)
        counts = _counts(
            draft, merged, archived, _delete(tx, claim, draft, stream.table, seq)
        ).check()
        merge_ms = int((time.monotonic() - started) * 1000)
        _advance(tx, claim, draft, seq, counts, merge_ms)
        runs.advance(tx, draft)
        return Committed(seq, draft.cursor_after, draft.has_more, counts, merge_ms)

    def _look_up(self, draft: Draft, error: DatabaseUnavailable) -> Committed:
        """Was it stored before the answer was lost? On a new connection; the old one is closed."""
        with self.connection.transaction() as tx:
            row = tx.execute(queries.FIND_SLICE, {"slice_id": draft.slice_id}).fetchone()
        if row is None:
            raise CommitUnknown(f"slice {draft.slice_id} is not in commit_log: {error}") from error
        seq, cursor, has_more, merge_ms, *counts = row
        return Committed(seq, cursor, has_more, Counts(*counts), merge_ms)

    def missing(
        self, claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[str]]:
        parameters = {
            "stream_key": str(claim.key),
            "client_id": claim.key.client_id,
            "generation": step.generation,
            "started_at": step.started_at,
            "after": step.after or "",
            "limit": limit,
        }
        with self.connection.transaction() as tx:
            row = tx.execute(tables.candidates(table), parameters).fetchone()
        if row is None:
            raise psycopg.InternalError("a query of totals without a row")
        return Missing(row[0], row[1], row[2]), row[3]

    def open_rejects(self, key: StreamKey, *, limit: int) -> Sequence[OpenReject]:
        """Rejects not yet settled, those not tried for longest first."""
        with self.connection.transaction() as tx:
            rows = tx.execute(queries.OPEN_REJECTS, {"key": str(key), "limit": limit}).fetchall()
        return [OpenReject(*row) for row in rows]

    def open_run(self, claim: Claim, *, run_id: str, reason: str, now: datetime) -> str:
        with self.connection.transaction() as tx:
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

    def silent_runs(self, *, before: datetime, limit: int) -> Sequence[FoundRun]:
        with self.connection.transaction() as tx:
            return runs.silent(tx, before, limit)

    def abandon_run(self, run_id: str, now: datetime) -> bool:
        with self.connection.transaction() as tx:
            return runs.end(tx, run_id, "abandoned", now, "no progress for a day")


def _require_ours(tx: psycopg.Connection[Any], claim: Claim) -> None:
    """Lock the stream's row; whoever claimed or committed since has made this slice worthless."""
    row = tx.execute(queries.LOCK, {"key": str(claim.key)}).fetchone()
    if row != (claim.fencing_token, claim.seq):
        raise Superseded(
            f"{claim.key}: claimed with token {claim.fencing_token} at seq {claim.seq}, "
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


def _archive(tx: psycopg.Connection[Any], claim: Claim, draft: Draft, table: Table) -> int:
    if not draft.archived:
        return 0
    parameters = {"client_id": claim.key.client_id, "ids": list(draft.archived)}
    return tx.execute(tables.archive(table), parameters).rowcount


def _delete(tx: psycopg.Connection[Any], claim: Claim, draft: Draft, table: Table, seq: int) -> int:
    deleted = 0
    if draft.deletions:
        parameters = {
            "client_id": claim.key.client_id,
            "ids": list(draft.deletions),
            "generation": draft.deleted_generation,
            "seq": seq,
        }
        deleted = tx.execute(tables.soft_delete(table), parameters).rowcount
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


def _counts(draft: Draft, merged: Merged, archived: int, deleted: int) -> Counts:
    return Counts(
        read=len(draft.records) + len(draft.rejects) + len(draft.archived),
        inserted=merged.inserted,
        updated=merged.updated + archived,
        unchanged=merged.unchanged + len(draft.archived) - archived,
        stale=merged.stale,
        rejected=len(merged.rejects) + len(draft.rejects),
        deleted=deleted,
    )


def _advance(
    tx: psycopg.Connection[Any], claim: Claim, draft: Draft, seq: int, counts: Counts, merge_ms: int
) -> None:
    traffic = draft.traffic
    parameters = {
        "key": str(claim.key), "seq": seq, "token": claim.fencing_token, "run_id": draft.run_id,
        "slice_id": draft.slice_id, "kind": draft.kind, "before": Jsonb(dict(claim.cursor)),
        "after": Jsonb(dict(draft.cursor_after)), "has_more": draft.has_more, "read": counts.read,
        "inserted": counts.inserted, "updated": counts.updated, "unchanged": counts.unchanged,
        "stale": counts.stale, "rejected": counts.rejected, "deleted": counts.deleted,
        "pages": traffic.pages, "requests": traffic.requests, "retries": traffic.retries,
        "errors": traffic.errors, "bytes": traffic.bytes_received,
        "latencies": list(traffic.latencies_ms), "fetch_ms": draft.fetch_ms, "merge_ms": merge_ms,
        "note": None if draft.note is None else storable(draft.note),
    }  # fmt: skip
    tx.execute(queries.LOG_SLICE, parameters)
    tx.execute(queries.MOVE_ON, parameters)
