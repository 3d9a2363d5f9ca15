"""Hash-first merge: ask Postgres which rows are new before validating, encoding and shipping any.

Runs inside the caller's transaction. Temporary tables are dropped at its end, so that one client's
rows never meet another's.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import errors, sql

from sluice.core.errors import RowRejected
from sluice.core.records import Record, Reject, Table
from sluice.postgres import tables

ROW_FAULTS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
    UnicodeEncodeError,
)
"""What one bad row raises: a value out of range or malformed, against a constraint of the table, too
large, too deep, or text that is no Unicode."""

Values = Callable[[Record], Sequence[Any]]
Row = tuple[Any, ...]


@dataclass(slots=True)
class Merged:
    """What became of a batch. ``rejects`` are the rows that could not be loaded."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejects: list[Reject] = field(default_factory=list)
    stale_ids: list[str] = field(default_factory=list)


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
    a redriven reject does not).
    """
    merged = Merged()
    winners = _one_per_id(_with_sound_keys(records, seq, merged), seq, merged)
    _copy_incoming(connection, winners, seq)
    verdicts = connection.execute(
        tables.compare(table), {"client_id": client_id, "ties_win": ties_win}
    ).fetchall()
    merged.unchanged += len(winners) - len(verdicts)
    rows = _encode(winners, verdicts, seq, values, merged)
    if rows:
        connection.execute(tables.create_staged(table))
        _ship(connection, table, client_id, rows, winners, merged, ties_win=ties_win)
    return merged


def _with_sound_keys(records: Sequence[Record], seq: int, merged: Merged) -> list[Record]:
    """Set aside what cannot even be compared: Postgres has no place for its id or its version."""
    sound: list[Record] = []
    for record in records:
        if storable(record.id) != record.id:
            reason = "an id that Postgres cannot keep as text"
            merged.rejects.append(replace(_reject(record, reason, None), record_id=None))
        elif not -(2**63) <= _version(record, seq) < 2**63:
            merged.rejects.append(_reject(record, "a version beyond 64 bits", None))
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
    connection.execute(
        "CREATE TEMP TABLE incoming (id text, hash uuid, version bigint) ON COMMIT DROP"
    )
    with connection.cursor().copy("COPY incoming (id, hash, version) FROM STDIN") as copy:
        for record in winners.values():
            copy.write_row((record.id, record.hash.hex(), _version(record, seq)))


def _encode(
    winners: dict[str, Record],
    verdicts: Sequence[tuple[str, str]],
    seq: int,
    values: Values,
    merged: Merged,
) -> list[Row]:
    """Validate and encode what is new or changed; what cannot be goes to the rejects."""
    rows: list[Row] = []
    for record_id, verdict in verdicts:
        record = winners[record_id]
        if verdict == "stale":
            merged.stale += 1
            merged.stale_ids.append(record_id)
            continue
        try:
            typed = values(record)
        except RowRejected as error:
            merged.rejects.append(_reject(record, error.reason, error.field))
            continue
        rows.append(
            (record.id, record.hash.hex(), _version(record, seq), *typed, record.raw.decode())
        )
    return rows


def _ship(
    connection: psycopg.Connection[Any],
    table: Table,
    client_id: str,
    rows: list[Row],
    winners: dict[str, Record],
    merged: Merged,
    *,
    ties_win: bool,
) -> None:
    """COPY and upsert; rows that Postgres itself refuses are found by halving and rejected."""
    try:
        with connection.transaction():
            inserted, updated = _copy_and_upsert(connection, table, client_id, rows, ties_win)
    except ROW_FAULTS as error:
        if len(rows) == 1:
            reason = str(error).splitlines()[0]
            merged.rejects.append(_reject(winners[rows[0][0]], reason, None))
            return
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            _ship(connection, table, client_id, half, winners, merged, ties_win=ties_win)
        return
    merged.inserted += inserted
    merged.updated += updated
    merged.stale += len(rows) - inserted - updated


def _copy_and_upsert(
    connection: psycopg.Connection[Any],
    table: Table,
    client_id: str,
    rows: list[Row],
    ties_win: bool,  # noqa: FBT001  # private, passed on by name above
) -> tuple[int, int]:
    connection.execute("TRUNCATE staged")
    with connection.cursor().copy(tables.copy_staged(table)) as copy:
        for row in rows:
            copy.write_row(row)
    counted = connection.execute(
        tables.upsert(table), {"client_id": client_id, "ties_win": ties_win}
    ).fetchone()
    if counted is None:
        raise psycopg.InternalError("an aggregate without a row")
    return counted[0], counted[1]


def _reject(record: Record, reason: str, field_name: str | None) -> Reject:
    return Reject(record.id, reason, field_name, record.raw.decode(errors="backslashreplace"))


def keep_rejects(
    connection: psycopg.Connection[Any],
    rejects: Sequence[Reject],
    *,
    stream_key: str,
    seq: int,
    slice_id: str,
    read_anew: bool,
) -> None:
    """Store rejects; one that lies there already is counted, not stored twice.

    ``read_anew`` says that the vendor gave them just now. A redrive only tries them again: they keep
    the seq at which they were read, which is their version.
    """
    same = {"key": stream_key, "seq": seq, "slice_id": slice_id, "read_anew": read_anew}
    with connection.cursor() as cursor:
        cursor.executemany(_KEEP, [{**same, **_reject_row(reject)} for reject in rejects])


def name_rejects(
    connection: psycopg.Connection[Any], redriven: Sequence[tuple[int, str]], *, stream_key: str
) -> None:
    """Give rejects that had no sound id the one that is read in them now, so that they can be settled."""
    if redriven:
        numbers, names = zip(*redriven, strict=True)
        found = {"key": stream_key, "numbers": list(numbers), "names": list(names)}
        connection.execute(_NAME, found)


def settle_rejects(
    connection: psycopg.Connection[Any],
    *,
    stream_key: str,
    slice_id: str,
    superseded: Sequence[str],
) -> None:
    """Close older rejects of records that this slice read and did not reject in the same form."""
    found = {"key": stream_key, "slice_id": slice_id, "superseded": list(superseded)}
    connection.execute(_SETTLE, found)


def storable(text: str) -> str:
    """The text as Postgres can keep it: NUL and halves of surrogate pairs become escapes."""
    return text.replace("\0", "\\u0000").encode(errors="backslashreplace").decode()


def _reject_row(reject: Reject) -> dict[str, Any]:
    raw = storable(reject.raw)
    return {
        "record_id": None if reject.record_id is None else storable(reject.record_id),
        "field": None if reject.field is None else storable(reject.field),
        "reason": storable(reject.reason),
        "raw": raw,
        "digest": uuid.UUID(bytes=hashlib.md5(raw.encode(), usedforsecurity=False).digest()),
    }


_KEEP = sql.SQL("""
INSERT INTO sluice.rejects AS r
       (stream_key, client_id, source, stream, record_id, field, reason, raw, raw_digest, seq, slice_id)
SELECT stream_key, client_id, source, stream, %(record_id)s, %(field)s, %(reason)s, %(raw)s, %(digest)s,
       %(seq)s, %(slice_id)s
  FROM sluice.sync_commit WHERE stream_key = %(key)s
ON CONFLICT (stream_key, raw_digest) WHERE resolved_at IS NULL
DO UPDATE SET times = r.times + 1, last_seen_at = now(), slice_id = excluded.slice_id,
              seq = CASE WHEN %(read_anew)s THEN excluded.seq ELSE r.seq END,
              reason = excluded.reason, field = excluded.field
""")

_NAME = sql.SQL("""
UPDATE sluice.rejects r SET record_id = n.name
  FROM unnest(%(numbers)s::bigint[], %(names)s::text[]) AS n (number, name)
 WHERE r.reject_id = n.number AND r.stream_key = %(key)s AND r.record_id IS NULL
""")

_SETTLE = sql.SQL("""
UPDATE sluice.rejects r
   SET resolved_at = now(),
       resolution = CASE WHEN r.record_id = ANY(%(superseded)s) THEN 'superseded' ELSE 'loaded' END
  FROM incoming i
 WHERE r.stream_key = %(key)s AND r.resolved_at IS NULL AND r.slice_id <> %(slice_id)s AND r.record_id = i.id
""")
