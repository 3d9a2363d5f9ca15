-- migrate:up
-- Of each delivery: is its message known to be queued, and was it applied? Those there already were applied.
ALTER TABLE sluice.inbox
  ADD COLUMN queued_at timestamptz,
  ADD COLUMN applied_at timestamptz DEFAULT now();
ALTER TABLE sluice.inbox ALTER COLUMN applied_at DROP DEFAULT;

-- What cleanup prunes by. Built at once: nothing filled the inbox before there was a function that receives.
CREATE INDEX inbox_received ON sluice.inbox (received_at);

GRANT UPDATE (queued_at, applied_at), DELETE ON sluice.inbox TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
