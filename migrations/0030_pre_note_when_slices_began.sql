-- migrate:up
-- The moment of a slice's transaction: rows that it removed have exactly this moment as their deleted_at, so that they can
-- be told from any other's when somebody undoes what a run removed (docs/status-page.md). Slices of before have none.
ALTER TABLE sluice.commit_log ADD COLUMN began_at timestamptz;
ALTER TABLE sluice.commit_log ALTER COLUMN began_at SET DEFAULT now();

-- migrate:down
-- Forward only: mend with a new migration.
