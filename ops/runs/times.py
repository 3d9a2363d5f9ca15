"""Where runs' time went: at the vendor's endpoints, waiting for a turn there, at the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

Connection = psycopg.Connection[dict[str, Any]]

_TIMES = """
SELECT run_id::text, client_id, source, stream, duration_ms, slices, busy_ms, fetch_ms, wait_ms, vendor_ms,
       database_ms, begin_ms, merge_ms, derive_ms
  FROM sluice.run_times WHERE run_id = ANY(%(run_ids)s::uuid[])
"""

_ENDPOINTS = """
SELECT run_id::text, endpoint, requests, retries, errors, ms
  FROM sluice.run_endpoints WHERE run_id = ANY(%(run_ids)s::uuid[]) ORDER BY ms DESC, endpoint
"""

_SLICES = """
SELECT seq, kind, rows_read, inserted + updated + deleted AS written, requests, errors, fetch_ms, wait_ms,
       database_ms, merge_ms, derive_ms, derived, note, committed_at
  FROM sluice.commit_log WHERE run_id = %(run_id)s ORDER BY seq DESC LIMIT %(limit)s
"""

_RUN = "SELECT run_id::text FROM sluice.run WHERE starts_with(run_id::text, %(begin)s) LIMIT 2"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one of a vendor's endpoints was asked. ``ms`` is of all requests together."""

    endpoint: str
    requests: int
    retries: int
    errors: int
    ms: int

    @property
    def ms_per_request(self) -> float:
        return self.ms / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class RunTimes:
    """A run's milliseconds; docs/diagnosing.md says what each is."""

    run_id: str
    client_id: str
    source: str
    stream: str
    duration_ms: int
    slices: int
    busy_ms: int
    fetch_ms: int
    wait_ms: int
    vendor_ms: int
    database_ms: int
    begin_ms: int
    merge_ms: int
    derive_ms: int
    endpoints: Sequence[Endpoint] = field(default=())

    def as_json(self) -> Mapping[str, Any]:
        """The milliseconds, and the endpoints that cost most first."""
        figures = asdict(self)
        for name in ("run_id", "client_id", "source", "stream", "slices"):
            del figures[name]
        return figures


def read_times(connection: Connection, run_ids: Collection[str]) -> Mapping[str, RunTimes]:
    """The times of these runs, by run; a run that is not there has none."""
    parameters = {"run_ids": list(run_ids)}
    endpoints: dict[str, list[Endpoint]] = {}
    for row in connection.execute(_ENDPOINTS, parameters):
        run_id = row.pop("run_id")
        endpoints.setdefault(run_id, []).append(Endpoint(**_whole(row)))
    return {
        row["run_id"]: RunTimes(**_whole(row), endpoints=tuple(endpoints.get(row["run_id"], ())))
        for row in connection.execute(_TIMES, parameters)
    }


def read_slices(connection: Connection, run_id: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """The newest slices of a run, newest first."""
    return connection.execute(_SLICES, {"run_id": run_id, "limit": limit}).fetchall()


def run_ids_like(connection: Connection, begin: str) -> Sequence[str]:
    """Ids of runs that begin so; two at most, which is one too many."""
    return [row["run_id"] for row in connection.execute(_RUN, {"begin": begin})]


def by_client(times: Collection[RunTimes]) -> Mapping[str, Mapping[str, int]]:
    """The milliseconds of these runs together, by client."""
    names = ("busy_ms", "vendor_ms", "wait_ms", "database_ms", "derive_ms")
    return {
        client: {
            name: sum(getattr(each, name) for each in times if each.client_id == client)
            for name in names
        }
        for client in sorted({each.client_id for each in times})
    }


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """Sums come as Decimal."""
    return {name: value if isinstance(value, str) else int(value) for name, value in row.items()}
