-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS shipbob_transactions_charged ON public.shipbob_transactions (client_id, charge_date);

-- migrate:down
-- Forward only: mend with a new migration.
