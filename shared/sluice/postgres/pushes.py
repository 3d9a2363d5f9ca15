"""Pushed rows: one small transaction each, guarded by the vendor's version as every merge is."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from sluice.core.fault_points import FaultPoint, reach
from sluice.core.keys import StreamKey
from sluice.core.ports import Applied, Stream
from sluice.core.records import PushEvent, Reject, Table
from sluice.postgres import queries, removals
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.loader import merge
from sluice.postgres.rejects import keep_rejects
from sluice.postgres.shipping import Merged, reject_of

NO_SLICE = 0
"""A push belongs to no slice; its version is the vendor's."""


@dataclass(frozen=True, slots=True)
class PostgresPushes:
    """Implements ``core.ports.Pushes``. A lost answer needs no look-up: the delivery, pushed again, is
    found in the inbox, and a row written twice at one version is the same row."""

    connection: PostgresConnection

    def apply(self, event: PushEvent, stream: Stream) -> Applied:
        with self.connection.transaction() as tx:
            if not _is_new(tx, event):
                return Applied.REPEATED
            reach(FaultPoint.EVENT_NOTED)
            applied = _bury(tx, event, stream.table) if event.gone else _merge(tx, event, stream)
            reach(FaultPoint.EVENT_WRITTEN)
            return applied


def _is_new(tx: psycopg.Connection[Any], event: PushEvent) -> bool:
    parameters = {
        "client_id": event.key.client_id,
        "source": event.key.source,
        "event_id": event.event_id,
        "topic": None,
    }
    return tx.execute(queries.NOTE_DELIVERY, parameters).rowcount == 1


def _bury(tx: psycopg.Connection[Any], event: PushEvent, table: Table) -> Applied:
    record = event.record
    buried = removals.bury(tx, table, event.key.client_id, record.id, record.version)
    if buried.kept:
        _keep(tx, event, [reject_of(record, reason, None) for _, reason in buried.kept])
        return Applied.REJECTED
    return Applied.WRITTEN if buried.rows else Applied.STALE


def _merge(tx: psycopg.Connection[Any], event: PushEvent, stream: Stream) -> Applied:
    merged = merge(
        tx,
        stream.table,
        event.key.client_id,
        [event.record],
        seq=NO_SLICE,
        values=stream.values,
    )
    if merged.rejects:
        _keep(tx, event, merged.rejects)
    return _applied(merged)


def _keep(tx: psycopg.Connection[Any], event: PushEvent, rejects: Sequence[Reject]) -> None:
    tx.execute(queries.FIRST_SEEN, _names(event.key))  # rejects hang on a stream that is known
    keep_rejects(
        tx,
        rejects,
        stream_key=str(event.key),
        seq=NO_SLICE,
        slice_id=str(uuid.uuid5(uuid.NAMESPACE_OID, event.event_id)),
        read_anew=True,
    )


def _names(key: StreamKey) -> dict[str, str | None]:
    return {
        "key": str(key),
        "client_id": key.client_id,
        "source": key.source,
        "stream": key.stream,
        "partition": key.partition,
    }


def _applied(merged: Merged) -> Applied:
    if merged.rejects:
        return Applied.REJECTED
    if merged.inserted or merged.updated:
        return Applied.WRITTEN
    return Applied.STALE if merged.stale else Applied.UNCHANGED
