"""Rejects: rows that could not be loaded, listed with their reasons, and asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from rich.table import Table

_LIST = """
SELECT reject_id, stream_key, client_id, source, stream, record_id, field, reason, times,
       first_seen_at, last_seen_at, resolved_at, resolution, raw
  FROM sluice.rejects
 WHERE (%(all)s OR resolved_at IS NULL)
   AND (%(client_id)s::text IS NULL OR client_id = %(client_id)s)
   AND (%(reject_id)s::bigint IS NULL OR reject_id = %(reject_id)s)
 ORDER BY last_seen_at DESC, reject_id DESC
 LIMIT %(limit)s
"""


def list_rejects(
    connection: psycopg.Connection[dict[str, Any]],
    *,
    client_id: str | None = None,
    reject_id: int | None = None,
    resolved: bool = False,
    limit: int = 100,
) -> Sequence[dict[str, Any]]:
    """Open rejects, newest first; with ``resolved`` those that were settled as well."""
    parameters = {"all": resolved, "client_id": client_id, "reject_id": reject_id, "limit": limit}
    return connection.execute(_LIST, parameters).fetchall()


def reject_table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("id", "stream", "record", "field", "reason", "times", "last seen", "state")
    for row in rows:
        table.add_row(
            str(row["reject_id"]),
            row["stream_key"],
            row["record_id"] or "-",
            row["field"] or "-",
            row["reason"],
            str(row["times"]),
            f"{row['last_seen_at']:%Y-%m-%d %H:%M}",
            row["resolution"] or "open",
        )
    return table


def stream_keys_of(rows: Sequence[dict[str, Any]]) -> Sequence[str]:
    return sorted({row["stream_key"] for row in rows if row["resolved_at"] is None})
