-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS rejects_resolved ON sluice.rejects (resolved_at) WHERE resolved_at IS NOT NULL;

-- migrate:down
-- Forward only: mend with a new migration.
