-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS shipbob_tracking_due ON public.shipbob_tracking (client_id, tier, due_at, shipment_id) WHERE due_at IS NOT NULL AND tier IS NOT NULL;

-- migrate:down
-- Forward only: mend with a new migration.
