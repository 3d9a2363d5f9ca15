-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS cars_deleted_generation ON public.cars (client_id, deleted_generation) WHERE deleted_at IS NOT NULL;

-- migrate:down
-- Forward only: mend with a new migration.
