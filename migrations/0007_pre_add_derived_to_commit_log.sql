-- migrate:up
-- What a derive step answered, by name; and what a slice asked of each of the vendor's endpoints.
ALTER TABLE sluice.commit_log
  ADD COLUMN derived jsonb,
  ADD COLUMN endpoints jsonb;

-- migrate:down
-- Forward only: mend with a new migration.
