"""Rows put away: soft-deleted, archived, or buried by a push; what is derived from them follows at once.

A derivation that fails for what stands in a row leaves that row as it is, and says so: the others go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from sluice.core.records import Table
from sluice.core.removal import Candidate
from sluice.postgres import derivations, tables
from sluice.postgres.derivations import ROW_FAULTS

T = TypeVar("T")
Statement = Callable[[Sequence[T]], tuple[sql.Composed, dict[str, Any]]]
"""What puts some rows away and returns the keys of those that it did."""


@dataclass(slots=True)
class PutAway:
    """How many rows went, and for those that could not, their id and why."""

    rows: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)

    def plus(self, other: PutAway) -> PutAway:
        return PutAway(self.rows + other.rows, [*self.kept, *other.kept])

    @property
    def note(self) -> str | None:
        """What a slice's log says of rows that stayed."""
        return "; ".join(f"{record_id} stays: {reason}" for record_id, reason in self.kept) or None


def soft_delete(
    tx: psycopg.Connection[Any],
    table: Table,
    client_id: str,
    candidates: Sequence[Candidate],
    *,
    generation: int | None,
    seq: int,
) -> PutAway:
    """Remove candidates that are still at the version at which they were judged."""

    def statement(part: Sequence[Candidate]) -> tuple[sql.Composed, dict[str, Any]]:
        parameters = {
            "client_id": client_id,
            "ids": [candidate.record_id for candidate in part],
            "versions": [candidate.version for candidate in part],
            "generation": generation,
            "seq": seq,
        }
        return tables.soft_delete(table), parameters

    return _put_away(tx, table, client_id, candidates, statement)


def archive(
    tx: psycopg.Connection[Any], table: Table, client_id: str, ids: Sequence[str]
) -> PutAway:
    """Mark rows that the vendor calls archived."""

    def statement(part: Sequence[str]) -> tuple[sql.Composed, dict[str, Any]]:
        return tables.archive(table), {"client_id": client_id, "ids": list(part)}

    return _put_away(tx, table, client_id, ids, statement)


def bury(
    tx: psycopg.Connection[Any], table: Table, client_id: str, record_id: str, version: int | None
) -> PutAway:
    """Lay a pushed tombstone, also where no row is yet."""

    def statement(part: Sequence[str]) -> tuple[sql.Composed, dict[str, Any]]:
        return tables.bury(table), {"client_id": client_id, "id": part[0], "version": version}

    return _put_away(tx, table, client_id, [record_id], statement)


def _put_away(
    tx: psycopg.Connection[Any],
    table: Table,
    client_id: str,
    part: Sequence[T],
    statement: Statement[T],
) -> PutAway:
    """All of them, or halves until the one is found whose derivation fails."""
    if not part:
        return PutAway()
    query, parameters = statement(part)
    try:
        with tx.transaction():
            ids = [row[0] for row in tx.execute(query, parameters)]
            derivations.follow_removal(tx, table, client_id, ids)
    except ROW_FAULTS as error:
        if len(part) == 1:
            return PutAway(kept=[(_id_of(part[0]), derivations.reason_of(error))])
        middle = len(part) // 2
        halves = (part[:middle], part[middle:])
        first, second = (_put_away(tx, table, client_id, half, statement) for half in halves)
        return first.plus(second)
    return PutAway(len(ids))


def _id_of(put: object) -> str:
    return put.record_id if isinstance(put, Candidate) else str(put)
