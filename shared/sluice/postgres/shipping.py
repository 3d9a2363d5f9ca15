"""New and changed rows on their way into a table, and what is derived from the batch: all of it, or in parts.

One bad row must not stop a stream. So a batch that Postgres refuses is halved until the row is found, which
then lies in the rejects; what can be stored is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from sluice.core.records import Record, Reject, Table
from sluice.postgres import derivations, tables
from sluice.postgres.derivations import ROW_FAULTS

Row = tuple[Any, ...]


@dataclass(slots=True)
class Merged:
    """What became of a batch. ``rejects`` are the rows that could not be loaded, ``refused`` the ids of those
    that could be compared; ``derive_s`` is how long its derivations took, in seconds."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejects: list[Reject] = field(default_factory=list)
    stale_ids: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    derive_s: float = 0.0


@dataclass(slots=True)
class Shipment:
    """A batch of which it is known what must be written: ``rows``, by id. Where a table has derivations the
    other ``records`` go along, for they see every record that was read."""

    connection: psycopg.Connection[Any]
    table: Table
    client_id: str
    records: Mapping[str, Record]
    rows: Mapping[str, Row]
    merged: Merged
    ties_win: bool
    divided: bool = False

    def ship(self) -> None:
        """COPY, upsert and derive; account for each row in ``merged``."""
        ids = list(self.records if self.table.derivations else self.rows)
        if not ids:
            return
        if self.table.derivations:
            derivations.create_written(self.connection)
        if self.rows or self.table.partitions:
            self.connection.execute(tables.create_staged(self.table))
        if self.table.set_based:
            self._ship(ids)
        else:
            self._ship_parts([[each] for each in sorted(ids)])
        if self.divided and self.table.derivations:
            derivations.widen(self.connection)

    def _ship(self, ids: Sequence[str]) -> None:
        try:
            with self.connection.transaction():
                rows = [
                    self.rows[i] for i in ids if i in self.rows and i not in self.merged.refused
                ]
                inserted, updated = self._store(ids, rows)
        except ROW_FAULTS as error:
            self._divide(ids, derivations.reason_of(error))
            return
        self.merged.inserted += inserted
        self.merged.updated += updated
        self.merged.stale += len(rows) - inserted - updated

    def _store(self, ids: Sequence[str], rows: Sequence[Row]) -> tuple[int, int]:
        if self.divided and self.table.derivations:
            derivations.narrow(self.connection, ids)
        written = self._upsert(rows) if rows else (0, 0)
        if self.table.derivations:
            began = time.monotonic()
            derivations.follow(self.connection, self.table, self.client_id)
            self.merged.derive_s += time.monotonic() - began
        return written

    def _upsert(self, rows: Sequence[Row]) -> tuple[int, int]:
        self.connection.execute("TRUNCATE staged")
        with self.connection.cursor().copy(tables.copy_staged(self.table)) as copy:
            for row in rows:
                copy.write_row(row)
        parameters = {"client_id": self.client_id, "ties_win": self.ties_win}
        counted = self.connection.execute(tables.upsert(self.table), parameters).fetchone()
        if counted is None:
            raise psycopg.InternalError("an aggregate without a row")
        return counted[0], counted[1]

    def _divide(self, ids: Sequence[str], reason: str) -> None:
        if len(ids) == 1:
            self._refuse(ids[0], reason)
            return
        middle = len(ids) // 2
        self._ship_parts([ids[:middle], ids[middle:]])

    def _ship_parts(self, parts: Sequence[Sequence[str]]) -> None:
        if not self.divided and self.table.derivations:
            derivations.hold_batch(self.connection)
        self.divided = True
        for part in parts:
            self._ship(part)

    def _refuse(self, record_id: str, reason: str) -> None:
        """Reject it, and derive from its having been read all the same: what was asked for was answered."""
        if record_id in self.merged.refused:
            return
        self.merged.refused.add(record_id)
        self.merged.rejects.append(reject_of(self.records[record_id], reason, None))
        if record_id not in self.rows:
            self._recount(record_id)
        elif self.table.derivations:
            self._ship([record_id])

    def _recount(self, record_id: str) -> None:
        """It stands in the table and had nothing to be written; that its derivation fails makes it a reject."""
        if record_id in self.merged.stale_ids:
            self.merged.stale_ids.remove(record_id)
            self.merged.stale -= 1
        else:
            self.merged.unchanged -= 1


def reject_of(record: Record, reason: str, field_name: str | None) -> Reject:
    """The record as a reject, with its body as text."""
    return Reject(record.id, reason, field_name, record.raw.decode(errors="backslashreplace"))
