-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS shipbob_transactions_unattributed ON public.shipbob_transactions (client_id, transaction_id) WHERE merchant_client_id IS NULL AND deleted_at IS NULL;

-- migrate:down
-- Forward only: mend with a new migration.
