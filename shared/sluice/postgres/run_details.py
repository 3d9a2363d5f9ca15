"""The history of runs, for people who look into one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg.rows import TupleRow, class_row

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import RunView
from sluice.core.overview.run_details import EndpointView, RunDetails, SliceView
from sluice.postgres.connection import PostgresConnection

_RUN_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

_RUNS: LiteralString = """
SELECT r.run_id::text, r.reason, r.outcome, r.started_at, r.last_progress_at, r.ended_at,
       t.slices, t.rows_read, t.inserted, t.updated, t.unchanged, t.stale, t.rejected, t.deleted, t.requests,
       r.progress_done AS done, r.progress_total AS total, r.last_error AS error, coalesce(r.note, t.note) AS note
  FROM chosen r CROSS JOIN LATERAL (
       SELECT count(*) AS slices, coalesce(sum(c.rows_read), 0)::bigint AS rows_read,
              coalesce(sum(c.inserted), 0)::bigint AS inserted, coalesce(sum(c.updated), 0)::bigint AS updated,
              coalesce(sum(c.unchanged), 0)::bigint AS unchanged, coalesce(sum(c.stale), 0)::bigint AS stale,
              coalesce(sum(c.rejected), 0)::bigint AS rejected, coalesce(sum(c.deleted), 0)::bigint AS deleted,
              coalesce(sum(c.requests), 0)::bigint AS requests,
              left(string_agg(c.note, '; ' ORDER BY c.seq), 2000) AS note
         FROM sluice.commit_log c WHERE c.run_id = r.run_id) t
 ORDER BY r.started_at DESC
"""
"""Of the runs ``chosen``. Not the view ``sluice.runs``, which also sorts each run's latencies."""

_NEWEST: LiteralString = f"""
WITH chosen AS MATERIALIZED (
  SELECT * FROM sluice.run WHERE stream_key = %(key)s ORDER BY started_at DESC LIMIT %(limit)s)
{_RUNS}
"""

_ONE: LiteralString = f"WITH chosen AS (SELECT * FROM sluice.run WHERE run_id = %(run_id)s) {_RUNS}"

_KEY: LiteralString = "SELECT stream_key FROM sluice.run WHERE run_id = %(run_id)s"

_SLICES: LiteralString = """
SELECT seq, kind, committed_at, rows_read, inserted, updated, unchanged, stale, rejected, deleted, requests,
       retries, errors, fetch_ms, merge_ms, wait_ms, derive_ms, note
  FROM sluice.commit_log WHERE run_id = %(run_id)s ORDER BY seq DESC LIMIT %(limit)s
"""

_ENDPOINTS: LiteralString = """
SELECT endpoint, requests::bigint, retries::bigint, errors::bigint, ms::bigint
  FROM sluice.run_endpoints WHERE run_id = %(run_id)s ORDER BY ms DESC, endpoint LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class PostgresRuns:
    """Implements ``core.run_details.Runs``. Each call is one short transaction."""

    connection: PostgresConnection

    def newest(self, key: StreamKey, limit: int) -> Sequence[RunView]:
        with self.connection.transaction() as tx:
            cursor = tx.cursor(row_factory=class_row(RunView))
            return cursor.execute(_NEWEST, {"key": str(key), "limit": limit}).fetchall()

    def details(self, run_id: str, slices: int) -> RunDetails | None:
        if not _RUN_ID.fullmatch(run_id):
            return None
        parameters: dict[str, Any] = {"run_id": run_id, "limit": slices}
        with self.connection.transaction() as tx:
            key: TupleRow | None = tx.execute(_KEY, parameters).fetchone()
            run = tx.cursor(row_factory=class_row(RunView)).execute(_ONE, parameters).fetchone()
            if key is None or run is None:
                return None
            each = tx.cursor(row_factory=class_row(SliceView)).execute(_SLICES, parameters)
            newest = each.fetchall()
            asked = tx.cursor(row_factory=class_row(EndpointView)).execute(_ENDPOINTS, parameters)
            endpoints = asked.fetchall()
        return RunDetails(StreamKey.parse(key[0]), run, newest[::-1], endpoints)
