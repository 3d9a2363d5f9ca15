-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS cars_live_vin ON public.cars (client_id, vin) WHERE deleted_at IS NULL;

-- migrate:down
-- Forward only: mend with a new migration.
