"""Figures of runs, read from Postgres: what a person watching wants to know."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg

Connection = psycopg.Connection[dict[str, Any]]

RUNS = """
SELECT r.run_id::text, r.stream_key, r.client_id, r.source, r.stream, r.reason, r.outcome, r.started_at,
       r.ended_at, r.slices, r.pages, r.rows_read, r.inserted, r.updated, r.unchanged, r.stale, r.rejected,
       r.deleted, r.requests, r.retries, r.errors, r.latency_avg_ms, r.latency_p95_ms,
       r.progress_done, r.progress_total, r.last_error, r.note
  FROM sluice.runs r
 WHERE (r.started_at >= %(since)s OR r.run_id = ANY(%(also)s::uuid[]))
   AND (%(client_id)s::text IS NULL OR r.client_id = %(client_id)s)
 ORDER BY r.started_at DESC
 LIMIT %(limit)s
"""

_OPEN = "SELECT run_id::text FROM sluice.run WHERE ended_at IS NULL AND stream_key = ANY(%(keys)s)"


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One run as it stands. Latencies in milliseconds; ``progress_*`` in rows."""

    run_id: str
    stream_key: str
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
    note: str | None

    @property
    def accounted_for(self) -> int:
        """Must be ``rows_read``: no row is lost, none counted twice. Removed rows were not read."""
        return self.inserted + self.updated + self.unchanged + self.stale + self.rejected

    def seconds(self, now: datetime) -> float:
        return max(((self.ended_at or now) - self.started_at).total_seconds(), 0.001)

    def rows_per_second(self, now: datetime) -> float:
        return self.rows_read / self.seconds(now)

    def pages_per_second(self, now: datetime) -> float:
        return self.pages / self.seconds(now)

    def eta_seconds(self, now: datetime) -> float | None:
        """Seconds to the end at the pace so far; None where the vendor tells no total."""
        if self.ended_at or not self.progress_total or not self.progress_done:
            return None
        left = max(self.progress_total - self.progress_done, 0)
        return left * self.seconds(now) / self.progress_done

    def as_json(self, now: datetime) -> dict[str, Any]:
        """All figures and the rates that follow from them."""
        return {
            **asdict(self),
            "seconds": round(self.seconds(now), 3),
            "pages_per_second": round(self.pages_per_second(now), 2),
            "rows_per_second": round(self.rows_per_second(now), 1),
            "eta_seconds": self.eta_seconds(now),
        }


def read_runs(
    connection: Connection,
    since: datetime,
    *,
    also: Collection[str] = (),
    client_id: str | None = None,
    limit: int = 500,
) -> Sequence[RunFigures]:
    """Runs that began at or after ``since``, and those whose ids are in ``also``, newest first."""
    parameters = {"since": since, "also": list(also), "client_id": client_id, "limit": limit}
    rows = connection.execute(RUNS, parameters).fetchall()
    return [RunFigures(**{k: _plain(v) for k, v in row.items()}) for row in rows]


def open_runs(connection: Connection, stream_keys: Collection[str]) -> frozenset[str]:
    """Ids of the runs of these streams that have not ended."""
    rows = connection.execute(_OPEN, {"keys": list(stream_keys)}).fetchall()
    return frozenset(row["run_id"] for row in rows)


def server_now(connection: Connection) -> datetime:
    """The database's time: a person's machine may be minutes off, the servers' clocks are not."""
    row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
    if row is None:
        raise psycopg.InternalError("a query of one row without a row")
    now: datetime = row["now"]
    return now


def _plain(value: Any) -> Any:
    """Sums come as Decimal; people and JSON want int or float."""
    if hasattr(value, "as_integer_ratio") and not isinstance(value, int | float):
        return int(value) if value == int(value) else float(value)
    return value
