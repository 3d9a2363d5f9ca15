-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS run_ended ON sluice.run (ended_at) WHERE ended_at IS NOT NULL;

-- migrate:down
-- Forward only: mend with a new migration.
