"""Hash-first merge: ask Postgres which rows are new before validating, encoding and shipping any.

Runs inside the caller's transaction. Temporary tables are dropped at its end, so that one client's
rows never meet another's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from sluice.core.errors import RowRejected
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.records import Record, Table
from sluice.postgres import tables
from sluice.postgres.derivations import create_incoming
from sluice.postgres.rejects import storable
from sluice.postgres.shipping import Merged, Row, Shipment, reject_of

Values = Callable[[Record], Sequence[Any]]


def merge(
    connection: psycopg.Connection[Any],
    table: Table,
    client_id: str,
    records: Sequence[Record],
    *,
    seq: int,
    values: Values,
    ties_win: bool = True,
) -> Merged:
    """Load records into ``table``; a record without a version takes ``seq``.

    ``ties_win`` says whether a record replaces a stored row of the same version (a later read does,
    a redriven reject does not). The table's derivations have run when this returns.
    """
    merged = Merged()
    winners = _one_per_id(_with_sound_keys(records, seq, merged), seq, merged)
    _copy_incoming(connection, winners, seq)
    reach(FaultPoint.MERGE_COPIED)
    verdicts = connection.execute(
        tables.compare(table), {"client_id": client_id, "ties_win": ties_win}
    ).fetchall()
    merged.unchanged += len(winners) - len(verdicts)
    versioned = [record.id for record in winners.values() if record.version is not None]
    if versioned and table.partitions is None:  # a fact never changes, and nobody may touch it
        connection.execute(tables.keep_up(table), {"client_id": client_id, "ids": versioned})
    rows = _encode(winners, verdicts, seq, values, merged)
    Shipment(connection, table, client_id, winners, rows, merged, ties_win=ties_win).ship()
    if rows:
        reach(FaultPoint.MERGE_WRITTEN)
    return merged


def _with_sound_keys(records: Sequence[Record], seq: int, merged: Merged) -> list[Record]:
    """Set aside what cannot even be compared: Postgres has no place for its id or its version."""
    sound: list[Record] = []
    for record in records:
        if storable(record.id) != record.id:
            reason = "an id that Postgres cannot keep as text"
            merged.rejects.append(replace(reject_of(record, reason, None), record_id=None))
        elif not -(2**63) <= _version(record, seq) < 2**63:
            merged.rejects.append(reject_of(record, "a version beyond 64 bits", None))
        else:
            sound.append(record)
    return sound


def _one_per_id(records: Sequence[Record], seq: int, merged: Merged) -> dict[str, Record]:
    """The highest version of each id, the last read among equals; the others are accounted for."""
    winners: dict[str, Record] = {}
    losers: list[Record] = []
    for record in records:
        held = winners.get(record.id)
        if held is not None and _version(held, seq) > _version(record, seq):
            losers.append(record)
            continue
        if held is not None:
            losers.append(held)
        winners[record.id] = record
    for loser in losers:
        if loser.hash == winners[loser.id].hash:
            merged.unchanged += 1
        else:
            merged.stale += 1
    return winners


def _version(record: Record, seq: int) -> int:
    return seq if record.version is None else record.version


def _copy_incoming(
    connection: psycopg.Connection[Any], winners: dict[str, Record], seq: int
) -> None:
    create_incoming(connection)
    with connection.cursor().copy("COPY incoming (id, hash, version) FROM STDIN") as copy:
        for record in winners.values():
            copy.write_row((record.id, record.hash.hex(), _version(record, seq)))


def _encode(
    winners: dict[str, Record],
    verdicts: Sequence[tuple[str, str]],
    seq: int,
    values: Values,
    merged: Merged,
) -> dict[str, Row]:
    """Validate and encode what is new or changed; what cannot be goes to the rejects."""
    rows: dict[str, Row] = {}
    for record_id, verdict in verdicts:
        record = winners[record_id]
        if verdict == "stale":
            merged.stale += 1
            merged.stale_ids.append(record_id)
            continue
        try:
            typed = values(record)
        except RowRejected as error:
            merged.rejects.append(reject_of(record, error.reason, error.field))
            merged.refused.add(record_id)
            continue
        fixed = (record.id, record.hash.hex(), _version(record, seq))
        rows[record.id] = (*fixed, *typed, record.raw.decode())
    return rows
