"""Rejects: rows that could not be loaded, listed with their reasons, and asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ops.runs.figures import Connection
from ops.sheets import Sheet, column

_LIST = """
SELECT reject_id, stream_key, client_id, source, stream, record_id, field, reason, times,
       first_seen_at, last_seen_at, resolved_at, resolution
  FROM sluice.rejects
 WHERE (%(all)s OR resolved_at IS NULL)
   AND (%(client_id)s::text IS NULL OR client_id = %(client_id)s)
 ORDER BY last_seen_at DESC, reject_id DESC
 LIMIT %(limit)s
"""

_ONE = """
SELECT reject_id, stream_key, client_id, source, stream, record_id, field, reason, times,
       first_seen_at, last_seen_at, resolved_at, resolution, raw
  FROM sluice.rejects
 WHERE reject_id = %(reject_id)s
"""

_OPEN = """
SELECT stream_key, count(*) AS rows
  FROM sluice.rejects
 WHERE resolved_at IS NULL AND (%(client_id)s::text IS NULL OR client_id = %(client_id)s)
 GROUP BY stream_key
 ORDER BY stream_key
"""


class OpenRejects(NamedTuple):
    """How many rejects of one stream are not settled."""

    stream_key: str
    rows: int


def list_rejects(
    connection: Connection,
    *,
    client_id: str | None = None,
    resolved: bool = False,
    limit: int = 100,
) -> Sequence[dict[str, Any]]:
    """Open rejects, newest first; with ``resolved`` those that were settled as well."""
    parameters = {"all": resolved, "client_id": client_id, "limit": limit}
    return connection.execute(_LIST, parameters).fetchall()


def one_reject(connection: Connection, reject_id: int) -> dict[str, Any] | None:
    """A reject with its body as it came, settled or not."""
    return connection.execute(_ONE, {"reject_id": reject_id}).fetchone()


def open_rejects(connection: Connection, client_id: str | None = None) -> Sequence[OpenRejects]:
    """Streams that have open rejects."""
    rows = connection.execute(_OPEN, {"client_id": client_id}).fetchall()
    return [OpenRejects(row["stream_key"], row["rows"]) for row in rows]


def reject_sheet(rows: Sequence[dict[str, Any]]) -> Sheet:
    """What was refused, and why. Ids and reasons are of the vendor's making."""
    columns = [
        column("id", [str(r["reject_id"]) for r in rows], 0),
        column("stream", [r["stream_key"] for r in rows], 0, left=True),
        column("record", [r["record_id"] or "-" for r in rows], 1, left=True),
        column("field", [r["field"] or "-" for r in rows], 1, left=True),
        column("times", [f"{r['times']:,}" for r in rows], 1),
        column("last seen", [f"{r['last_seen_at']:%Y-%m-%d %H:%M}" for r in rows], 1),
        column("state", [r["resolution"] or "open" for r in rows], 1, left=True),
        column("reason", [r["reason"] for r in rows], 2, left=True),
    ]
    return Sheet("rejects", columns)
