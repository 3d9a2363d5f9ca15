-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS inbox_topic ON sluice.inbox (client_id, source, topic, received_at DESC)
  WHERE topic IS NOT NULL;

-- migrate:down
-- Forward only: mend with a new migration.
