"""The protocol's SQL, by name. Data tables' SQL is made in ``tables.py``."""

from __future__ import annotations

from typing import LiteralString

SCHEMA_VERSION: LiteralString = "SELECT to_regclass('sluice_migrations')::text"

CLAIM: LiteralString = """
UPDATE sluice.sync_commit s SET fencing_token = %(token)s, updated_at = now()
 WHERE stream_key = %(key)s AND fencing_token < %(token)s
RETURNING seq, cursor, has_more,
          (SELECT run_id::text FROM sluice.run r WHERE r.stream_key = s.stream_key AND ended_at IS NULL)
"""

FIRST_SEEN: LiteralString = """
INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, partition, fencing_token)
VALUES (%(key)s, %(client_id)s, %(source)s, %(stream)s, %(partition)s, 0)
ON CONFLICT (stream_key) DO NOTHING
"""

FENCE: LiteralString = "SELECT fencing_token FROM sluice.sync_commit WHERE stream_key = %(key)s"

LOCK: LiteralString = """
SELECT fencing_token, seq FROM sluice.sync_commit WHERE stream_key = %(key)s FOR UPDATE
"""

LOG_SLICE: LiteralString = """
INSERT INTO sluice.commit_log
       (stream_key, seq, fencing_token, run_id, slice_id, kind, cursor_before, cursor_after, has_more,
        rows_read, inserted, updated, unchanged, stale, rejected, deleted,
        pages, requests, retries, errors, bytes_received, latencies_ms, fetch_ms, merge_ms, note)
VALUES (%(key)s, %(seq)s, %(token)s, %(run_id)s, %(slice_id)s, %(kind)s, %(before)s, %(after)s, %(has_more)s,
        %(read)s, %(inserted)s, %(updated)s, %(unchanged)s, %(stale)s, %(rejected)s, %(deleted)s,
        %(pages)s, %(requests)s, %(retries)s, %(errors)s, %(bytes)s, %(latencies)s, %(fetch_ms)s, %(merge_ms)s,
        %(note)s)
"""

MOVE_ON: LiteralString = """
UPDATE sluice.sync_commit
   SET seq = %(seq)s, cursor = %(after)s, slice_id = %(slice_id)s, has_more = %(has_more)s, updated_at = now()
 WHERE stream_key = %(key)s
"""

FIND_SLICE: LiteralString = """
SELECT seq, cursor_after, has_more, merge_ms, rows_read, inserted, updated, unchanged, stale, rejected, deleted
  FROM sluice.commit_log WHERE slice_id = %(slice_id)s
"""

SIGHT: LiteralString = """
INSERT INTO sluice.sighting (stream_key, generation, seq, ids)
VALUES (%(key)s, %(generation)s, %(seq)s, %(ids)s)
"""

FORGET: LiteralString = """
DELETE FROM sluice.sighting WHERE stream_key = %(key)s AND generation < %(before)s
"""

OPEN_REJECTS: LiteralString = """
SELECT reject_id, record_id, raw, seq FROM sluice.rejects
 WHERE stream_key = %(key)s AND resolved_at IS NULL
 ORDER BY last_seen_at, reject_id LIMIT %(limit)s
"""
