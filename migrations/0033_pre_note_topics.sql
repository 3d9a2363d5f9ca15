-- migrate:up
-- What each delivery was about, in its vendor's word for it: so that a topic that fell silent is found beside others
-- that speak. NULL: it came before this, or its vendor has no topics.
ALTER TABLE sluice.inbox ADD COLUMN topic text;

-- migrate:down
-- Forward only: mend with a new migration.
