-- migrate:up
-- ShipBob's orders, products, returns and receiving orders. Typed columns as declared in
-- shared/sluice/sources/shipbob/tables.py, plus the document. Below them what a document holds, unfolded.

-- An instant as ShipBob writes it; one without a zone is UTC, whatever the session's time zone.
CREATE FUNCTION sluice.instant(written text)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN written ~ '([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$' AND written ~ '[0-9][tT ][0-9]' THEN written::timestamptz
            ELSE written::timestamp AT TIME ZONE 'UTC' END;

CREATE TABLE public.shipbob_orders (
  client_id              text NOT NULL,
  order_id               text NOT NULL,
  content_hash           uuid NOT NULL,
  version                bigint NOT NULL,
  created_at             timestamptz,
  purchased_at           timestamptz,
  reference_id           text,
  order_number           text,
  status                 text,
  type                   text,
  channel_id             text,
  channel_name           text,
  shipping_method        text,
  total_price            numeric,
  recipient_name         text,
  recipient_city         text,
  recipient_state        text,
  recipient_zip_code     text,
  recipient_country      text,
  shipments              integer,
  last_update_at         timestamptz,
  document               jsonb NOT NULL,
  inserted_at            timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  deleted_at             timestamptz,
  deleted_generation     integer,
  PRIMARY KEY (client_id, order_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- A complete listing is compared with a stretch of time; charges are looked up by either id, across clients.
CREATE INDEX shipbob_orders_created ON public.shipbob_orders (client_id, created_at);
CREATE INDEX shipbob_orders_id ON public.shipbob_orders (order_id);
CREATE INDEX shipbob_orders_number ON public.shipbob_orders (order_number);

-- Unfolded from orders. A shipment that vanished from its order, or whose order vanished, has deleted_at.
CREATE TABLE public.shipbob_shipments (
  client_id                text NOT NULL,
  shipment_id              text NOT NULL,
  order_id                 text NOT NULL,
  status                   text,
  reference_id             text,
  created_at               timestamptz NOT NULL,
  last_update_at           timestamptz,
  last_tracking_update_at  timestamptz,
  tracking_number          text,
  carrier                  text,
  carrier_service          text,
  ship_option              text,
  zone                     text,
  fulfillment_center_id    text,
  fulfillment_center       text,
  total_weight_oz          numeric,
  length_in                numeric,
  width_in                 numeric,
  depth_in                 numeric,
  invoice_amount           numeric,
  invoice_currency         text,
  insurance_value          numeric,
  estimated_fulfillment_at timestamptz,
  actual_fulfillment_at    timestamptz,
  -- The vendor's delivery date, or else the last update of a shipment whose status details say Delivered (203).
  delivered_at             timestamptz,
  status_details           jsonb,
  inserted_at              timestamptz NOT NULL DEFAULT now(),
  updated_at               timestamptz NOT NULL DEFAULT now(),
  deleted_at               timestamptz,
  PRIMARY KEY (client_id, shipment_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX shipbob_shipments_id ON public.shipbob_shipments (shipment_id);
CREATE INDEX shipbob_shipments_order ON public.shipbob_shipments (client_id, order_id);

-- What was ordered; line counts from 1 in the order's document.
CREATE TABLE public.shipbob_order_items (
  client_id        text NOT NULL,
  order_id         text NOT NULL,
  line             integer NOT NULL,
  product_id       text,
  reference_id     text,
  sku              text,
  quantity         bigint,
  unit_price       numeric,
  external_line_id text,
  gtin             text,
  upc              text,
  PRIMARY KEY (client_id, order_id, line)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- What a shipment holds: a line for each inventory item of each product, one without for a product that has none.
CREATE TABLE public.shipbob_shipment_items (
  client_id          text NOT NULL,
  shipment_id        text NOT NULL,
  line               integer NOT NULL,
  product_id         text,
  reference_id       text,
  sku                text,
  name               text,
  inventory_id       text,
  inventory_name     text,
  quantity           bigint,
  quantity_committed bigint,
  lot                text,
  expires_at         timestamptz,
  PRIMARY KEY (client_id, shipment_id, line)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE public.shipbob_products (
  client_id              text NOT NULL,
  product_id             text NOT NULL,
  content_hash           uuid NOT NULL,
  version                bigint NOT NULL,
  name                   text,
  type                   text,
  created_at             timestamptz,
  changed_at             timestamptz,
  variants               integer,
  document               jsonb NOT NULL,
  inserted_at            timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  deleted_at             timestamptz,
  deleted_generation     integer,
  PRIMARY KEY (client_id, product_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Which product, and so whose, lies under an inventory id. An id keeps its row when its product loses it.
CREATE TABLE public.shipbob_inventory_items (
  client_id    text NOT NULL,
  inventory_id text NOT NULL,
  product_id   text NOT NULL,
  variant_id   text,
  name         text,
  sku          text,
  on_hand      bigint,
  inserted_at  timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  deleted_at   timestamptz,
  PRIMARY KEY (client_id, inventory_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX shipbob_inventory_items_id ON public.shipbob_inventory_items (inventory_id);
CREATE INDEX shipbob_inventory_items_product ON public.shipbob_inventory_items (client_id, product_id);

CREATE TABLE public.shipbob_returns (
  client_id              text NOT NULL,
  return_id              text NOT NULL,
  content_hash           uuid NOT NULL,
  version                bigint NOT NULL,
  reference_id           text,
  store_order_id         text,
  original_shipment_id   text,
  return_type            text,
  status                 text,
  created_at             timestamptz,
  arrived_at             timestamptz,
  completed_at           timestamptz,
  cancelled_at           timestamptz,
  tracking_number        text,
  customer_name          text,
  fulfillment_center     text,
  channel_name           text,
  invoice_amount         numeric,
  invoice_currency       text,
  document               jsonb NOT NULL,
  inserted_at            timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  deleted_at             timestamptz,
  deleted_generation     integer,
  PRIMARY KEY (client_id, return_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX shipbob_returns_id ON public.shipbob_returns (return_id);

CREATE TABLE public.shipbob_receiving_orders (
  client_id              text NOT NULL,
  receiving_order_id     text NOT NULL,
  content_hash           uuid NOT NULL,
  version                bigint NOT NULL,
  purchase_order_number  text,
  status                 text,
  package_type           text,
  created_at             timestamptz,
  expected_arrival_at    timestamptz,
  changed_at             timestamptz,
  fulfillment_center     text,
  expected_quantity      bigint,
  received_quantity      bigint,
  stowed_quantity        bigint,
  document               jsonb NOT NULL,
  inserted_at            timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  deleted_at             timestamptz,
  deleted_generation     integer,
  PRIMARY KEY (client_id, receiving_order_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX shipbob_receiving_orders_id ON public.shipbob_receiving_orders (receiving_order_id);

GRANT SELECT, INSERT, UPDATE ON public.shipbob_orders, public.shipbob_shipments, public.shipbob_products,
  public.shipbob_inventory_items, public.shipbob_returns, public.shipbob_receiving_orders TO sluice_app;
-- Lines beyond the end of a document that became shorter are deleted.
GRANT SELECT, INSERT, UPDATE, DELETE ON public.shipbob_order_items, public.shipbob_shipment_items TO sluice_app;
GRANT EXECUTE ON FUNCTION sluice.instant TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
