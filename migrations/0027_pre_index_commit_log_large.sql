-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS commit_log_large ON sluice.commit_log (stream_key, seq DESC) WHERE rows_read >= 100;

-- migrate:down
-- Forward only: mend with a new migration.
