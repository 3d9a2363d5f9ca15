"""Parts of deliveries: a source's own statements, in one small transaction with the note that they ran."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from sluice.core.errors import InvariantBroken
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.keys import StreamKey
from sluice.core.ports import Applied
from sluice.core.records import Derivation
from sluice.core.webhooks import Portion
from sluice.postgres import queries
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.rejects import keep_rejects

NO_SLICE = 0


@dataclass(frozen=True, slots=True)
class PostgresPortions:
    """Implements ``usecases.apply_hint.Portions``. ``statements_of`` says what a stream's parts run, in order.

    A statement has the portion's values as parameters, with ``client_id`` and ``received_at``; arrays and
    objects are jsonb. One that answers a row says in it how many rows it wrote. What runs twice must say what
    shall be so: the note of the delivery is forgotten after some days.
    """

    connection: PostgresConnection
    statements_of: Callable[[StreamKey], Sequence[Derivation]]

    def apply(self, portion: Portion, received_at: datetime) -> Applied:
        statements = self.statements_of(portion.key)
        if not statements:
            raise InvariantBroken(f"{portion.key}: its source has no statements for a portion")
        parameters = _parameters(portion, received_at)
        with self.connection.transaction() as tx:
            if not _is_new(tx, portion):
                return Applied.REPEATED
            reach(FaultPoint.EVENT_NOTED)
            written = sum(_run(tx, each, parameters) for each in statements)
            _keep(tx, portion)
            reach(FaultPoint.EVENT_WRITTEN)
        return Applied.WRITTEN if written else Applied.UNCHANGED


def _parameters(portion: Portion, received_at: datetime) -> Mapping[str, Any]:
    values = {
        name: Jsonb(value) if isinstance(value, list | dict) else value
        for name, value in portion.values.items()
    }
    return {**values, "client_id": portion.key.client_id, "received_at": received_at}


def _is_new(tx: psycopg.Connection[Any], portion: Portion) -> bool:
    entry = {
        "client_id": portion.key.client_id,
        "source": portion.key.source,
        "event_id": portion.event_id,
        "topic": portion.topic,
    }
    return tx.execute(queries.NOTE_DELIVERY, entry).rowcount == 1


def _run(tx: psycopg.Connection[Any], statement: Derivation, parameters: Mapping[str, Any]) -> int:
    cursor = tx.execute(sql.SQL(statement.sql), parameters)
    if cursor.description is None:
        return 0
    row = cursor.fetchone()
    if row is None:
        raise InvariantBroken(f"statement {statement.name!r} of a portion answered no row")
    return int(row[0])


def _keep(tx: psycopg.Connection[Any], portion: Portion) -> None:
    if not portion.rejects:
        return
    key = portion.key
    names = {"client_id": key.client_id, "source": key.source, "stream": key.stream}
    # Rejects hang on a stream that is known.
    tx.execute(queries.FIRST_SEEN, {"key": str(key), **names, "partition": key.partition})
    keep_rejects(
        tx,
        portion.rejects,
        stream_key=str(key),
        seq=NO_SLICE,
        slice_id=str(uuid.uuid5(uuid.NAMESPACE_OID, portion.event_id)),
        read_anew=True,
    )
