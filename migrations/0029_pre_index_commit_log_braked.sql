-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS commit_log_braked ON sluice.commit_log (committed_at)
  WHERE note LIKE 'delete brake:%';

-- migrate:down
-- Forward only: mend with a new migration.
