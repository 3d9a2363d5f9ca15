-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS run_stream ON sluice.run (stream_key, started_at DESC);

-- migrate:down
-- Forward only: mend with a new migration.
