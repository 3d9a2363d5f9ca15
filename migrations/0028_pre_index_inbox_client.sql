-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS inbox_client ON sluice.inbox (client_id, source, received_at DESC);

-- migrate:down
-- Forward only: mend with a new migration.
