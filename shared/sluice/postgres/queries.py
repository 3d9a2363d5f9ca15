"""The protocol's SQL, by name. Data tables' SQL is made in ``tables.py``."""

from __future__ import annotations

from typing import LiteralString

SCHEMA_VERSION: LiteralString = "SELECT to_regclass('sluice_migrations')::text"

CLAIM: LiteralString = """
UPDATE sluice.sync_commit s
   SET fencing_token = %(token)s, full_since = greatest(full_since, %(full_since)s), updated_at = now(),
       rested_at = CASE WHEN updated_at > %(clocks)s + (
           SELECT ended_at FROM sluice.run r WHERE r.stream_key = s.stream_key ORDER BY started_at DESC LIMIT 1)
         THEN updated_at ELSE rested_at END
 WHERE stream_key = %(key)s AND fencing_token < %(token)s
RETURNING seq, cursor, has_more,
          (SELECT run_id::text FROM sluice.run r WHERE r.stream_key = s.stream_key AND ended_at IS NULL),
          full_since,
          (SELECT reason FROM sluice.run r WHERE r.stream_key = s.stream_key AND ended_at IS NULL),
          slice_id::text
"""
"""It also notes a rest: whoever came before, and after the latest run had ended, left nothing, so nothing was due.
While a run is open its end is NULL, and no rest is noted."""

FIRST_SEEN: LiteralString = """
INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, partition, fencing_token)
VALUES (%(key)s, %(client_id)s, %(source)s, %(stream)s, %(partition)s, 0)
ON CONFLICT (stream_key) DO NOTHING
"""

FENCE: LiteralString = "SELECT fencing_token FROM sluice.sync_commit WHERE stream_key = %(key)s"

LOCK: LiteralString = """
SELECT fencing_token, seq, slice_id::text FROM sluice.sync_commit WHERE stream_key = %(key)s FOR UPDATE
"""

LOG_SLICE: LiteralString = """
INSERT INTO sluice.commit_log
       (stream_key, seq, fencing_token, run_id, slice_id, kind, cursor_before, cursor_after, has_more,
        rows_read, inserted, updated, unchanged, stale, rejected, deleted, facts_read, facts_counted,
        pages, requests, retries, errors, bytes_received, latencies_ms, fetch_ms, merge_ms, note,
        derived, endpoints, derive_ms, database_ms, begin_ms, wait_ms)
VALUES (%(key)s, %(seq)s, %(token)s, %(run_id)s, %(slice_id)s, %(kind)s, %(before)s, %(after)s, %(has_more)s,
        %(read)s, %(inserted)s, %(updated)s, %(unchanged)s, %(stale)s, %(rejected)s, %(deleted)s,
        %(facts)s, %(counted)s,
        %(pages)s, %(requests)s, %(retries)s, %(errors)s, %(bytes)s, %(latencies)s, %(fetch_ms)s, %(merge_ms)s,
        %(note)s, %(derived)s, %(endpoints)s, %(derive_ms)s, %(database_ms)s, %(begin_ms)s, %(wait_ms)s)
"""

MOVE_ON: LiteralString = """
UPDATE sluice.sync_commit
   SET seq = %(seq)s, cursor = %(after)s, slice_id = %(slice_id)s, has_more = %(has_more)s, updated_at = now(),
       advanced_at = CASE WHEN cursor IS DISTINCT FROM %(after)s THEN now() ELSE advanced_at END
 WHERE stream_key = %(key)s
"""

FIND_SLICE: LiteralString = """
SELECT seq, cursor_after, has_more, merge_ms, derive_ms, derived, note,
       rows_read, inserted, updated, unchanged, stale, rejected, deleted, facts_read, facts_counted
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

COUNT_FACTS: LiteralString = """
WITH taken AS (
  INSERT INTO sluice.ledger (stream_key, fact_id, subject, counter, amount, occurred_at, seq)
  SELECT %(key)s, f.id, f.subject, f.counter, f.amount, f.occurred_at, %(seq)s
    FROM unnest(%(ids)s::text[], %(subjects)s::text[], %(counters)s::text[], %(amounts)s::bigint[],
                %(moments)s::timestamptz[]) AS f (id, subject, counter, amount, occurred_at)
  ON CONFLICT (stream_key, fact_id) DO NOTHING
  RETURNING subject, counter, amount, occurred_at),
added AS (
  INSERT INTO sluice.counter AS c (stream_key, subject, counter, total, facts, first_at, last_at)
  SELECT %(key)s, subject, counter, sum(amount), count(*), min(occurred_at), max(occurred_at)
    FROM taken GROUP BY subject, counter ORDER BY subject, counter
  ON CONFLICT (stream_key, subject, counter) DO UPDATE
     SET total = c.total + excluded.total, facts = c.facts + excluded.facts,
         first_at = least(c.first_at, excluded.first_at), last_at = greatest(c.last_at, excluded.last_at))
SELECT count(*) FROM taken
"""
"""The ledger first, and counters only from the ids that it took in: a fact read again adds nothing."""

NOTE_DELIVERY: LiteralString = """
INSERT INTO sluice.inbox AS i (client_id, source, event_id, topic, applied_at)
VALUES (%(client_id)s, %(source)s, %(event_id)s, %(topic)s, now())
ON CONFLICT (client_id, source, event_id) DO UPDATE SET applied_at = now() WHERE i.applied_at IS NULL
"""
"""One row unless the delivery was applied before; whoever received it noted it already."""

NOTE_RECEIVED: LiteralString = """
INSERT INTO sluice.inbox AS i (client_id, source, event_id, topic, received_at)
VALUES (%(client_id)s, %(source)s, %(event_id)s, %(topic)s, %(now)s)
ON CONFLICT (client_id, source, event_id) DO UPDATE SET queued_at = i.queued_at
RETURNING queued_at IS NOT NULL OR applied_at IS NOT NULL, applied_at IS NOT NULL
"""
"""Writes what stands there already, because nothing else answers with the row that was in the way."""

NOTE_QUEUED: LiteralString = """
UPDATE sluice.inbox SET queued_at = now()
 WHERE client_id = %(client_id)s AND source = %(source)s AND event_id = %(event_id)s AND queued_at IS NULL
"""

PRUNE_INBOX: LiteralString = """
DELETE FROM sluice.inbox i USING (
  SELECT client_id, source, event_id FROM sluice.inbox
   WHERE received_at < %(before)s ORDER BY received_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) old
 WHERE (i.client_id, i.source, i.event_id) = (old.client_id, old.source, old.event_id)
"""
