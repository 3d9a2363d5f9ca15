-- migrate:up
-- How a stream has done, day by day (UTC, by when its runs began), as long as history is kept. A run is partial when it
-- completed and yet left rows out, as rejects, or nothing was removed because the delete brake stood in the way.
CREATE VIEW sluice.trends AS
SELECT r.stream_key, r.client_id, r.source, r.stream, (r.started_at AT TIME ZONE 'UTC')::date AS day,
       count(*) AS runs,
       count(*) FILTER (WHERE r.outcome = 'completed') AS completed,
       count(*) FILTER (WHERE r.outcome = 'completed' AND (t.rejected > 0 OR t.brake)) AS partial,
       count(*) FILTER (WHERE r.outcome = 'failed') AS failed,
       count(*) FILTER (WHERE r.outcome = 'abandoned') AS abandoned,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ended_at - r.started_at) AS duration_p50,
       max(r.ended_at - r.started_at) AS duration_max,
       sum(t.slices)::bigint AS slices, sum(t.rows_read)::bigint AS rows_read, sum(t.inserted)::bigint AS inserted,
       sum(t.updated)::bigint AS updated, sum(t.unchanged)::bigint AS unchanged, sum(t.rejected)::bigint AS rejected,
       sum(t.deleted)::bigint AS deleted, sum(t.requests)::bigint AS requests, sum(t.errors)::bigint AS errors
  FROM sluice.run r
  CROSS JOIN LATERAL (
       SELECT count(*) AS slices, coalesce(sum(rows_read), 0) AS rows_read, coalesce(sum(inserted), 0) AS inserted,
              coalesce(sum(updated), 0) AS updated, coalesce(sum(unchanged), 0) AS unchanged,
              coalesce(sum(rejected), 0) AS rejected, coalesce(sum(deleted), 0) AS deleted,
              coalesce(sum(requests), 0) AS requests, coalesce(sum(errors), 0) AS errors,
              coalesce(bool_or(note LIKE '%delete brake:%'), false) AS brake
         FROM sluice.commit_log c WHERE c.run_id = r.run_id) t
 WHERE r.ended_at IS NOT NULL
 GROUP BY r.stream_key, r.client_id, r.source, r.stream, (r.started_at AT TIME ZONE 'UTC')::date;

-- Streams, or the parts that a stream is read in, whose latest run did not complete: what a person would repair, one by one.
CREATE VIEW sluice.failing AS
SELECT s.stream_key, s.client_id, s.source, s.stream, s.partition, r.run_id, r.outcome, r.started_at, r.ended_at,
       r.failures, r.last_error
  FROM sluice.sync_commit s
  CROSS JOIN LATERAL (
       SELECT * FROM sluice.run WHERE run.stream_key = s.stream_key AND ended_at IS NOT NULL
        ORDER BY started_at DESC LIMIT 1) r
 WHERE r.outcome <> 'completed';

GRANT SELECT ON sluice.trends, sluice.failing TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
