-- migrate:up
-- Where a slice's time went, in milliseconds; null for slices of older code. docs/diagnosing.md says what each is.
ALTER TABLE sluice.commit_log
  ADD COLUMN wait_ms     integer,
  ADD COLUMN derive_ms   integer,
  ADD COLUMN database_ms integer,
  ADD COLUMN begin_ms    integer;

-- Where a run's time went. busy_ms is that of its slices: the rest of its duration it waited for a turn.
CREATE VIEW sluice.run_times AS
SELECT r.run_id, r.stream_key, r.client_id, r.source, r.stream, r.partition, r.reason, r.outcome, r.started_at,
       r.ended_at, (extract(epoch FROM coalesce(r.ended_at, now()) - r.started_at) * 1000)::bigint AS duration_ms,
       t.slices, t.fetch_ms + t.merge_ms AS busy_ms, t.fetch_ms, t.wait_ms, t.vendor_ms, t.database_ms, t.begin_ms,
       t.merge_ms, t.derive_ms
  FROM sluice.run r
  CROSS JOIN LATERAL (
       SELECT count(*) AS slices, coalesce(sum(fetch_ms), 0) AS fetch_ms, coalesce(sum(wait_ms), 0) AS wait_ms,
              coalesce(sum((SELECT sum((e.spent ->> 'ms')::bigint) FROM jsonb_each(c.endpoints) e (endpoint, spent))), 0)
                AS vendor_ms,
              coalesce(sum(database_ms), 0) AS database_ms, coalesce(sum(begin_ms), 0) AS begin_ms,
              coalesce(sum(merge_ms), 0) AS merge_ms, coalesce(sum(derive_ms), 0) AS derive_ms
         FROM sluice.commit_log c WHERE c.run_id = r.run_id) t;

-- What a run asked of each of its vendor's endpoints. ms is of all requests together, side by side or not.
CREATE VIEW sluice.run_endpoints AS
SELECT r.run_id, r.stream_key, r.client_id, r.source, r.stream, r.started_at, e.endpoint, e.requests, e.retries,
       e.errors, e.ms, round(e.ms / nullif(e.requests, 0), 1) AS ms_per_request
  FROM sluice.run r
  CROSS JOIN LATERAL (
       SELECT s.endpoint, sum((s.spent ->> 'requests')::bigint) AS requests,
              sum((s.spent ->> 'retries')::bigint) AS retries, sum((s.spent ->> 'errors')::bigint) AS errors,
              sum((s.spent ->> 'ms')::bigint) AS ms
         FROM sluice.commit_log c, jsonb_each(c.endpoints) s (endpoint, spent)
        WHERE c.run_id = r.run_id GROUP BY s.endpoint) e;

GRANT SELECT ON sluice.run_times, sluice.run_endpoints TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
