"""Runs: from "due" to "caught up", recorded where people can ask with SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.slices import Draft
from sluice.postgres.rejects import storable

BEGIN: LiteralString = """
INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, partition, reason, started_at, last_progress_at)
VALUES (%(run_id)s, %(key)s, %(client_id)s, %(source)s, %(stream)s, %(partition)s, %(reason)s, %(now)s, %(now)s)
ON CONFLICT (stream_key) WHERE ended_at IS NULL DO NOTHING
RETURNING run_id::text
"""

_OPEN: LiteralString = (
    "SELECT run_id::text FROM sluice.run WHERE stream_key = %(key)s AND ended_at IS NULL"
)

_ADVANCE: LiteralString = """
UPDATE sluice.run
   SET last_progress_at = clock_timestamp(),
       progress_done = coalesce(%(done)s, progress_done), progress_total = coalesce(%(total)s, progress_total),
       ended_at = CASE WHEN %(has_more)s THEN NULL ELSE clock_timestamp() END,
       outcome = CASE WHEN %(has_more)s THEN 'running' ELSE 'completed' END
 WHERE run_id = %(run_id)s AND ended_at IS NULL
"""

_NOTE: LiteralString = """
UPDATE sluice.run SET last_error = %(error)s, failures = failures + 1
 WHERE stream_key = %(key)s AND ended_at IS NULL AND (%(run_id)s::uuid IS NULL OR run_id = %(run_id)s)
"""

_END: LiteralString = """
UPDATE sluice.run SET ended_at = %(now)s, outcome = %(outcome)s, last_error = %(error)s, failures = failures + 1
 WHERE run_id = %(run_id)s AND ended_at IS NULL
"""

_ASKED: LiteralString = (
    "UPDATE sluice.run SET asked_at = clock_timestamp() WHERE run_id = %(run_id)s"
)

SILENT: LiteralString = """
SELECT r.run_id::text, r.stream_key, r.reason, s.seq, r.started_at, r.last_progress_at
  FROM (
    SELECT *, reason = %(backfill)s AS is_backfill, greatest(last_progress_at, asked_at) AS heard_of
      FROM sluice.run WHERE ended_at IS NULL
  ) r JOIN sluice.sync_commit s USING (stream_key)
 WHERE r.heard_of < CASE WHEN r.is_backfill THEN %(backfills_before)s ELSE %(before)s END
 ORDER BY row_number() OVER (PARTITION BY r.is_backfill ORDER BY r.heard_of), r.is_backfill LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that has not ended."""

    run_id: str
    key: StreamKey
    reason: str
    seq: int
    started_at: datetime
    last_progress_at: datetime


def begin(
    tx: psycopg.Connection[Any], key: StreamKey, *, run_id: str, reason: str, now: datetime
) -> str:
    """Open a run, or return the one already open: a stream has at most one."""
    parameters = {
        "run_id": run_id,
        "key": str(key),
        "client_id": key.client_id,
        "source": key.source,
        "stream": key.stream,
        "partition": key.partition,
        "reason": reason,
        "now": now,
    }
    row = tx.execute(BEGIN, parameters).fetchone() or tx.execute(_OPEN, parameters).fetchone()
    if row is None:
        raise psycopg.InternalError(f"{key}: a run ended while it was being opened")
    return str(row[0])


def advance(tx: psycopg.Connection[Any], draft: Draft) -> None:
    """Note progress; end the run as completed when nothing more is due."""
    progress = draft.progress
    tx.execute(
        _ADVANCE,
        {
            "run_id": draft.run_id,
            "has_more": draft.has_more,
            "done": progress.done if progress else None,
            "total": progress.total if progress else None,
        },
    )


def note_failure(
    tx: psycopg.Connection[Any], key: StreamKey, run_id: str | None, error: str, now: datetime
) -> None:
    tx.execute(_NOTE, {"key": str(key), "run_id": run_id, "error": _text(error), "now": now})


def end(
    tx: psycopg.Connection[Any], run_id: str, outcome: str, now: datetime, error: str | None
) -> bool:
    """End an open run; False when it had ended already."""
    parameters = {"run_id": run_id, "outcome": outcome, "now": now, "error": _text(error)}
    return tx.execute(_END, parameters).rowcount == 1


def note_asked(tx: psycopg.Connection[Any], run_id: str) -> None:
    tx.execute(_ASKED, {"run_id": run_id})


def silent(
    tx: psycopg.Connection[Any],
    before: datetime,
    limit: int,
    backfills_before: datetime | None = None,
) -> Sequence[FoundRun]:
    parameters = {
        "before": before,
        "backfills_before": backfills_before or before,
        "backfill": Priority.BACKFILL.value,
        "limit": limit,
    }
    rows = tx.execute(SILENT, parameters).fetchall()
    return [FoundRun(row[0], StreamKey.parse(row[1]), *row[2:]) for row in rows]


def _text(error: str | None) -> str | None:
    """An error may quote a vendor's answer, in which anything can stand."""
    return None if error is None else storable(error)[:2000]
