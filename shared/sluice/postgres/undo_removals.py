"""Rows that a run's reconcile removed, and bringing them back.

A removal has the moment of its slice's transaction as ``deleted_at`` and ``updated_at``, and the slice's own log row
notes the same moment (``began_at``, migration 0030). Whoever writes a row later sets another ``updated_at``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from sluice.core.errors import InvariantBroken
from sluice.core.keys import StreamKey
from sluice.core.records import Table
from sluice.core.steering.ports import Change
from sluice.core.steering.undoing import Removals
from sluice.postgres import derivations, queries, tables
from sluice.postgres.audit import PostgresAudit
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.derivations import ROW_FAULTS

_RUN_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

_REMOVALS: LiteralString = """
SELECT r.run_id::text, r.stream_key, r.ended_at IS NOT NULL,
       coalesce(sum(c.deleted), 0)::bigint,
       coalesce(sum(c.deleted) FILTER (WHERE c.began_at IS NULL), 0)::bigint
  FROM sluice.run r LEFT JOIN sluice.commit_log c USING (run_id)
 WHERE r.run_id = %(run_id)s GROUP BY r.run_id
"""

_REMOVED = sql.SQL(
    " FROM {table} t JOIN sluice.commit_log c ON c.began_at = t.deleted_at AND c.began_at = t.updated_at"
    " WHERE c.run_id = %(run_id)s AND c.deleted > 0"
    " AND t.client_id = %(client_id)s AND t.deleted_at IS NOT NULL AND t.deleted_generation IS NOT NULL"
)
"""A tombstone that was pushed since is the vendor's word at a version: it has no generation, and stays."""


@dataclass(frozen=True, slots=True)
class PostgresUndo:
    """Implements ``core.undoing.UndoesRemovals``."""

    connection: PostgresConnection

    def removals_of(self, run_id: str) -> Removals | None:
        if not _RUN_ID.fullmatch(run_id):
            return None
        with self.connection.transaction() as tx:
            row = tx.execute(_REMOVALS, {"run_id": run_id}).fetchone()
        return None if row is None else Removals(row[0], StreamKey.parse(row[1]), *row[2:])

    def restorable(self, removals: Removals, table: Table) -> int:
        with self.connection.transaction() as tx:
            row = tx.execute(_count(table), _parameters(removals)).fetchone()
        return int(row[0]) if row else 0

    def restore(self, removals: Removals, table: Table, change: Callable[[int], Change]) -> int:
        with self.connection.transaction() as tx:
            # No slice of the stream commits meanwhile: each locks this row first.
            tx.execute(queries.LOCK, {"key": str(removals.key)})
            ids = [row[0] for row in tx.execute(_restore(table), _parameters(removals))]
            _follow(tx, table, removals.key.client_id, ids)
            PostgresAudit(tx).record(change(len(ids)))
        return len(ids)


def _follow(tx: psycopg.Connection[Any], table: Table, client_id: str, ids: list[str]) -> None:
    """What follows from rows is made anew for those that came back."""
    try:
        derivations.follow_removal(tx, table, client_id, ids)
    except ROW_FAULTS as error:
        raise InvariantBroken(
            f"nothing was brought back: what follows from a row of {table.name} cannot be made anew:"
            f" {derivations.reason_of(error)}"
        ) from error


def _parameters(removals: Removals) -> dict[str, Any]:
    return {"run_id": removals.run_id, "client_id": removals.key.client_id}


@cache
def _count(table: Table) -> sql.Composed:
    return sql.SQL("SELECT count(*)") + _REMOVED.format(table=tables.name_of(table))


@cache
def _restore(table: Table) -> sql.Composed:
    """The version stays: what the vendor says later still wins, and what it said before does not."""
    key = sql.Identifier(table.key)
    return sql.SQL(
        "WITH back AS (SELECT t.{key} AS id {removed} ORDER BY t.{key} FOR UPDATE OF t)"
        " UPDATE {table} t SET deleted_at = NULL, deleted_generation = NULL, updated_at = now()"
        " FROM back WHERE t.client_id = %(client_id)s AND t.{key} = back.id RETURNING t.{key}"
    ).format(
        key=key, removed=_REMOVED.format(table=tables.name_of(table)), table=tables.name_of(table)
    )
