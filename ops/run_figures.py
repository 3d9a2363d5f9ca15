"""Figures of runs, read from Postgres: what a person watching wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg

_RUNS = """
SELECT r.run_id::text, r.client_id, r.source, r.stream, r.reason, r.outcome, r.started_at, r.ended_at,
       r.slices, r.pages, r.rows_read, r.inserted, r.updated, r.unchanged, r.stale, r.rejected, r.deleted,
       r.requests, r.retries, r.errors, r.latency_avg_ms, r.latency_p95_ms,
       r.progress_done, r.progress_total, r.last_error
  FROM sluice.runs r
 WHERE r.started_at >= %(since)s
   AND (%(client_id)s::text IS NULL OR r.client_id = %(client_id)s)
 ORDER BY r.started_at DESC
 LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One run as it stands. Latencies in milliseconds; ``progress_*`` in rows."""

    run_id: str
    client_id: str
    source: str
    stream: str
    reason: str
    outcome: str
    started_at: datetime
    ended_at: datetime | None
    slices: int
    pages: int
    rows_read: int
    inserted: int
    updated: int
    unchanged: int
    stale: int
    rejected: int
    deleted: int
    requests: int
    retries: int
    errors: int
    latency_avg_ms: float | None
    latency_p95_ms: float | None
    progress_done: int | None
    progress_total: int | None
    last_error: str | None

    def seconds(self, now: datetime) -> float:
        return max(((self.ended_at or now) - self.started_at).total_seconds(), 0.001)

    def rows_per_second(self, now: datetime) -> float:
        return self.rows_read / self.seconds(now)

    def eta_seconds(self, now: datetime) -> float | None:
        """Seconds to the end at the pace so far; None where the vendor tells no total."""
        if self.ended_at or not self.progress_total or not self.progress_done:
            return None
        left = max(self.progress_total - self.progress_done, 0)
        return left * self.seconds(now) / self.progress_done

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_runs(
    connection: psycopg.Connection[dict[str, Any]],
    since: datetime,
    *,
    client_id: str | None = None,
    limit: int = 500,
) -> Sequence[RunFigures]:
    """Runs that began at or after ``since``, newest first."""
    rows = connection.execute(
        _RUNS, {"since": since, "client_id": client_id, "limit": limit}
    ).fetchall()
    return [RunFigures(**{k: _plain(v) for k, v in row.items()}) for row in rows]


def _plain(value: Any) -> Any:
    """Sums come as Decimal; people and JSON want int or float."""
    if hasattr(value, "as_integer_ratio") and not isinstance(value, int | float):
        return int(value) if value == int(value) else float(value)
    return value
