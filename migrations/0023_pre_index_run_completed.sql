-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS run_completed ON sluice.run (stream_key, started_at DESC)
  WHERE outcome = 'completed';

-- migrate:down
-- Forward only: mend with a new migration.
