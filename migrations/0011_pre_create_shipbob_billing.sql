-- migrate:up
-- ShipBob's billing: charges and invoices of a parent account. Typed columns as declared in
-- shared/sluice/sources/shipbob/transactions_table.py and invoices_table.py, plus the document.
CREATE TABLE public.shipbob_transactions (
  client_id           text NOT NULL,
  transaction_id      text NOT NULL,
  content_hash        uuid NOT NULL,
  version             bigint NOT NULL,
  amount              numeric,
  currency_code       text,
  charge_date         timestamptz,
  transaction_fee     text,
  transaction_type    text,
  reference_id        text,
  reference_type      text,
  fulfillment_center  text,
  invoiced            boolean,
  invoice_id          text,
  invoice_date        timestamptz,
  invoice_type        text,
  tax_amount          numeric,
  tracking_id         text,
  inventory_id        text,
  comment             text,
  comment_words       text,
  document            jsonb NOT NULL,
  inserted_at         timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  deleted_at          timestamptz,
  deleted_generation  integer,
  -- Whose the charge is: set by the attribution alone, so no merge overwrites it.
  merchant_client_id  text,
  attributed_by       text,
  attributed_at       timestamptz,
  unattributed_reason text,
  PRIMARY KEY (client_id, transaction_id),
  CONSTRAINT a_client_is_known_by_a_rule CHECK ((merchant_client_id IS NULL) = (attributed_by IS NULL)),
  CONSTRAINT a_known_client_needs_no_reason CHECK (merchant_client_id IS NULL OR unattributed_reason IS NULL)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE public.shipbob_invoices (
  client_id           text NOT NULL,
  invoice_id          text NOT NULL,
  content_hash        uuid NOT NULL,
  version             bigint NOT NULL,
  invoice_date        timestamptz,
  invoice_type        text,
  amount              numeric,
  currency_code       text,
  running_balance     numeric,
  document            jsonb NOT NULL,
  inserted_at         timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  deleted_at          timestamptz,
  deleted_generation  integer,
  PRIMARY KEY (client_id, invoice_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- What nobody can be charged for yet, and why. A null reason: not looked at yet.
CREATE VIEW sluice.shipbob_unattributed AS
SELECT t.client_id, t.transaction_id, t.charge_date, t.amount, t.currency_code, t.transaction_fee, t.transaction_type,
       t.reference_type, t.reference_id, t.comment, coalesce(t.unattributed_reason, 'not_tried') AS reason,
       now() - t.inserted_at AS age
  FROM public.shipbob_transactions t
 WHERE t.merchant_client_id IS NULL AND t.deleted_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON public.shipbob_transactions, public.shipbob_invoices TO sluice_app;
GRANT SELECT ON sluice.shipbob_unattributed TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
