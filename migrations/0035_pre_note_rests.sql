-- migrate:up
-- When a worker last found nothing due, noted by the next that comes: a stream whose daily run has just begun, or failed once,
-- is as fresh as it was a moment before. NULL: nobody ever found that.
ALTER TABLE sluice.sync_commit ADD COLUMN rested_at timestamptz;

-- migrate:down
-- Forward only: mend with a new migration.
