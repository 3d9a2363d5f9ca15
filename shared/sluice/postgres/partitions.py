"""Partitions of tables that have them: made before a slice needs them, dropped when they are old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg import sql

from sluice.core.errors import InvariantBroken
from sluice.core.records import Record, Table
from sluice.postgres.connection import PostgresConnection

FORGET_EVENTS = "SELECT sluice.forget_mixpanel_events(%(bound)s)"


def make_room(connection: PostgresConnection, table: Table, records: Sequence[Record]) -> None:
    """Make the partitions that these records need, in a transaction of its own; nothing for other tables.

    Not in the slice's: making one takes a lock that other makers wait for. DatabaseUnavailable when the lock
    does not come soon. Where no room is made, the row finds no place and goes to the rejects.
    """
    if table.partitions is None or not records:
        return
    parts = sorted({record.id[: table.partitions.prefix] for record in records})
    with connection.transaction() as tx:
        tx.execute(sql.SQL(table.partitions.make_room), {"parts": parts})


@dataclass(frozen=True, slots=True)
class EventPartitions:
    """Implements ``usecases.clean_up.ForgetsEvents``."""

    connection: PostgresConnection

    def forget(self, *, before: date) -> date | None:
        """Drop the oldest day of Mixpanel's events before that date; the day, None when there is none.

        What its events counted stays known. InvariantBroken for a bound within the days that may be read again,
        which the database refuses; DatabaseUnavailable when a reader keeps it from its lock.
        """
        try:
            with self.connection.transaction() as tx:
                row = tx.execute(FORGET_EVENTS, {"bound": before}).fetchone()
        except psycopg.errors.InvalidParameterValue as error:
            raise InvariantBroken(f"events are not forgotten: {error}") from error
        return row[0] if row else None
