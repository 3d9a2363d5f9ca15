-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS commit_log_with_rows ON sluice.commit_log (stream_key, committed_at DESC)
  WHERE rows_read > 0;

-- migrate:down
-- Forward only: mend with a new migration.
