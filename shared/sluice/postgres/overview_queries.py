"""The SQL of a look at the whole, by name: a handful of questions about all streams at once.

Each asks per stream by an index, so that a look costs what there are streams and not what there is history.
"""

from __future__ import annotations

from typing import LiteralString

STANDINGS: LiteralString = """
SELECT k.stream_key, s.updated_at, s.rested_at, s.advanced_at, done.started_at,
       (SELECT count(*) FROM sluice.rejects r WHERE r.stream_key = k.stream_key AND r.resolved_at IS NULL)
  FROM unnest(%(keys)s::text[]) k (stream_key)
  LEFT JOIN sluice.sync_commit s USING (stream_key)
  LEFT JOIN LATERAL (
       SELECT started_at FROM sluice.run r WHERE r.stream_key = k.stream_key AND r.outcome = 'completed'
        ORDER BY started_at DESC LIMIT 1) done ON true
"""

RUNS: LiteralString = """
SELECT k.stream_key, r.run_id::text, r.reason, r.outcome, r.started_at, r.last_progress_at, r.ended_at,
       t.slices, t.rows_read, t.inserted, t.updated, t.unchanged, t.stale, t.rejected, t.deleted, t.requests,
       r.progress_done, r.progress_total, CASE WHEN r.outcome <> 'completed' THEN r.last_error END,
       coalesce(r.note, t.note)
  FROM unnest(%(keys)s::text[]) k (stream_key)
 CROSS JOIN LATERAL (
       SELECT * FROM sluice.run r WHERE r.stream_key = k.stream_key ORDER BY started_at DESC LIMIT %(runs)s) r
 CROSS JOIN LATERAL (
       SELECT count(*) AS slices, coalesce(sum(rows_read), 0)::bigint AS rows_read,
              coalesce(sum(inserted), 0)::bigint AS inserted, coalesce(sum(updated), 0)::bigint AS updated,
              coalesce(sum(unchanged), 0)::bigint AS unchanged, coalesce(sum(stale), 0)::bigint AS stale,
              coalesce(sum(rejected), 0)::bigint AS rejected, coalesce(sum(deleted), 0)::bigint AS deleted,
              coalesce(sum(requests), 0)::bigint AS requests, string_agg(note, '; ' ORDER BY seq) AS note
         FROM sluice.commit_log c WHERE c.run_id = r.run_id) t
 ORDER BY r.started_at DESC
"""
"""In the order of ``RunView``. A completed run keeps the text of an error that it came over: it is none of its own."""

BROKEN: LiteralString = """
SELECT s.stream_key, s.seq, l.logged, l.unsummed, l.gap, l.torn, l.unfenced
  FROM sluice.sync_commit s
 CROSS JOIN LATERAL (
       SELECT max(seq) AS logged,
              min(seq) FILTER (WHERE fresh AND rows_read <> inserted + updated + unchanged + stale + rejected)
                AS unsummed,
              min(seq) FILTER (WHERE fresh AND before_seq <> seq - 1) AS gap,
              min(seq) FILTER (WHERE fresh AND before_seq = seq - 1 AND cursor_before <> before_cursor) AS torn,
              min(seq) FILTER (WHERE fresh AND before_token > fencing_token) AS unfenced
         FROM (SELECT c.*, c.committed_at > now() - %(lately)s AS fresh, lag(seq) OVER w AS before_seq,
                      lag(cursor_after) OVER w AS before_cursor, lag(fencing_token) OVER w AS before_token
                 FROM (SELECT * FROM sluice.commit_log c WHERE c.stream_key = s.stream_key
                        ORDER BY seq DESC LIMIT %(slices)s) c
               WINDOW w AS (ORDER BY seq)) c) l
 WHERE s.stream_key = ANY(%(keys)s) AND s.updated_at > now() - %(lately)s
   AND (coalesce(l.logged, 0) <> s.seq OR l.unsummed IS NOT NULL OR l.gap IS NOT NULL OR l.torn IS NOT NULL
        OR l.unfenced IS NOT NULL)
"""
"""The latest slices of streams that somebody came to lately. A slice and the stream's position are of one
transaction and seen by one statement, so they never differ by chance."""

BRAKED: LiteralString = """
SELECT DISTINCT ON (c.stream_key) c.stream_key, c.note, c.committed_at
  FROM sluice.commit_log c
 WHERE c.note LIKE 'delete brake:%%' AND c.committed_at > now() - interval '1 day' AND c.stream_key = ANY(%(keys)s)
   AND NOT EXISTS (
       SELECT FROM sluice.commit_log l
        WHERE l.stream_key = c.stream_key AND l.seq > c.seq AND l.kind = 'reconcile'
          AND (l.note IS NULL OR (l.note NOT LIKE 'delete brake:%%' AND l.note NOT LIKE 'removals held back:%%')))
 ORDER BY c.stream_key, c.seq DESC
"""

LARGE: LiteralString = """
SELECT k.stream_key, c.run_id::text, sum(c.rows_read)::bigint, sum(c.updated)::bigint, sum(c.unchanged)::bigint,
       sum(c.stale)::bigint
  FROM unnest(%(keys)s::text[]) k (stream_key)
 CROSS JOIN LATERAL (
       SELECT unchanged + stale AS left_alone, committed_at FROM sluice.commit_log c
        WHERE c.stream_key = k.stream_key AND c.rows_read >= 100 ORDER BY seq DESC LIMIT 1) newest
 CROSS JOIN LATERAL (
       SELECT * FROM sluice.commit_log c
        WHERE c.stream_key = k.stream_key AND c.rows_read >= 100 ORDER BY seq DESC LIMIT %(slices)s) c
  JOIN sluice.run r ON r.run_id = c.run_id AND r.outcome = 'completed'
 WHERE newest.left_alone = 0 AND newest.committed_at > now() - interval '7 days'
   AND c.committed_at > now() - interval '7 days'
 GROUP BY k.stream_key, c.run_id
 ORDER BY max(c.seq) DESC
"""
"""Only of streams whose newest large slice left no row alone: of all others one slice is looked at."""

SILENT_STREAMS: LiteralString = """
SELECT k.stream_key, (
       SELECT count(*) FROM generate_series(1, 7) day
        WHERE EXISTS (SELECT FROM sluice.commit_log c WHERE c.stream_key = k.stream_key AND c.rows_read > 0
                         AND c.committed_at > now() - make_interval(days => day) - k.span
                         AND c.committed_at <= now() - make_interval(days => day)))
  FROM unnest(%(keys)s::text[], %(spans)s::interval[]) k (stream_key, span)
 WHERE NOT EXISTS (SELECT FROM sluice.commit_log c WHERE c.stream_key = k.stream_key AND c.rows_read > 0
                      AND c.committed_at > now() - k.span)
"""

SILENT_PUSHES: LiteralString = """
SELECT k.client_id, k.source, (
       SELECT count(*) FROM generate_series(1, 7) day
        WHERE EXISTS (SELECT FROM sluice.inbox i WHERE i.client_id = k.client_id AND i.source = k.source
                         AND i.received_at > now() - make_interval(days => day) - k.span
                         AND i.received_at <= now() - make_interval(days => day)))
  FROM unnest(%(clients)s::text[], %(sources)s::text[], %(spans)s::interval[]) k (client_id, source, span)
 WHERE NOT EXISTS (SELECT FROM sluice.inbox i WHERE i.client_id = k.client_id AND i.source = k.source
                      AND i.received_at > now() - k.span)
"""

SILENT_TOPICS: LiteralString = """
SELECT k.client_id, k.source, k.topic, (
       SELECT count(*) FROM generate_series(1, 7) day
        CROSS JOIN LATERAL (
              SELECT FROM sluice.inbox i
               WHERE i.client_id = k.client_id AND i.source = k.source AND i.topic = k.topic
                 AND i.received_at > now() - make_interval(days => day) - k.span
                 AND i.received_at <= now() - make_interval(days => day)
               LIMIT 1) pushed)
  FROM unnest(%(clients)s::text[], %(sources)s::text[], %(topics)s::text[], %(spans)s::interval[])
       k (client_id, source, topic, span)
 WHERE NOT EXISTS (SELECT FROM sluice.inbox i
                    WHERE i.client_id = k.client_id AND i.source = k.source AND i.topic = k.topic
                      AND i.received_at > now() - k.span)
"""
"""A LIMIT for each day: without, all that a busy topic brought may be read to find out about a few hours of it."""

CONNECTIONS: LiteralString = """
SELECT count(*) FROM pg_stat_activity
 WHERE usename = current_user AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND (state <> 'idle' OR state_change > now() - interval '1 minute')
"""
"""In use within the last minute, our own aside: a pooler keeps idle ones open for longer than it needs them."""

TIME: LiteralString = "SELECT clock_timestamp()"
