-- migrate:up
-- When cleanup last asked for a run that had gone silent: one that only waits (for its client's desk, for a vendor that is down)
-- is not asked for at every pass, and a hundred of them keep no other from being asked for. NULL: never.
ALTER TABLE sluice.run ADD COLUMN asked_at timestamptz;

-- migrate:down
-- Forward only: mend with a new migration.
