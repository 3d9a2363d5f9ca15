"""Rows that could not be loaded: kept with their reason and body, named, and settled when they are loaded."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from sluice.core.records import Reject


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
        cursor.executemany(KEEP, [{**same, **_reject_row(reject)} for reject in rejects])


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
    connection.execute(SETTLE, found)


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


KEEP = sql.SQL("""
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

SETTLE = sql.SQL("""
UPDATE sluice.rejects r
   SET resolved_at = now(),
       resolution = CASE WHEN r.record_id = ANY(%(superseded)s) THEN 'superseded' ELSE 'loaded' END
  FROM incoming i
 WHERE r.stream_key = %(key)s AND r.resolved_at IS NULL AND r.slice_id <> %(slice_id)s AND r.record_id = i.id
""")
