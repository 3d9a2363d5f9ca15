-- migrate:up
-- ShipBob's timelines: what happened to each shipment. Typed columns as declared in
-- shared/sluice/sources/shipbob/timelines_table.py, plus the document.
CREATE TABLE public.shipbob_timelines (
  client_id                        text NOT NULL,
  shipment_id                      text NOT NULL,
  content_hash                     uuid NOT NULL,
  version                          bigint NOT NULL,
  event_created_at                 timestamptz,
  event_pick_in_progress_at        timestamptz,
  event_picked_at                  timestamptz,
  event_packed_at                  timestamptz,
  event_labelled_at                timestamptz,
  event_label_validated_at         timestamptz,
  event_in_transit_at              timestamptz,
  event_out_for_delivery_at        timestamptz,
  event_delivery_attempt_failed_at timestamptz,
  event_delivered_at               timestamptz,
  first_event_at                   timestamptz,
  last_event_at                    timestamptz,
  events                           integer,
  document                         jsonb NOT NULL,
  inserted_at                      timestamptz NOT NULL DEFAULT now(),
  updated_at                       timestamptz NOT NULL DEFAULT now(),
  deleted_at                       timestamptz,
  deleted_generation               integer,
  PRIMARY KEY (client_id, shipment_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Which shipments are asked for their timeline, and when next. Rows come with an order's shipments and never go.
CREATE TABLE public.shipbob_tracking (
  client_id    text NOT NULL,
  shipment_id  text NOT NULL,
  order_id     text NOT NULL,
  created_at   timestamptz NOT NULL,
  labelled_at  timestamptz,
  delivered_at timestamptz,
  -- Not delivered, not cancelled, not deleted.
  is_open      boolean NOT NULL,
  checked_at   timestamptz,
  -- Whose share of a batch it is asked from, as it was when it fell due; null beyond the reach.
  tier         smallint,
  due_at       timestamptz,
  PRIMARY KEY (client_id, shipment_id),
  CONSTRAINT a_closed_shipment_is_never_asked_again CHECK (is_open OR due_at IS NULL),
  CONSTRAINT a_delivered_shipment_is_closed CHECK (delivered_at IS NULL OR NOT is_open),
  CONSTRAINT there_are_four_tiers CHECK (tier BETWEEN 0 AND 3)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Intervals are of hours and minutes only: a day is as long as the session's time zone makes it, which is why Postgres
-- takes the sum of an instant and an interval for no constant. Of hours it is one, so IMMUTABLE is true here.

-- The tier at an instant. A shipment's age counts from its label, without one from its creation:
-- 0 labelled less than 3 days ago, 1 less than 14, 2 less than 45; 3 without a label, created less than 45 days ago;
-- null beyond. A label that lies ahead is new.
CREATE FUNCTION sluice.timeline_tier(labelled_at timestamptz, created_at timestamptz, at timestamptz)
RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (CASE WHEN at >= coalesce(labelled_at, created_at) + interval '1080 hours' THEN NULL
             WHEN labelled_at IS NULL THEN 3
             WHEN at < labelled_at + interval '72 hours' THEN 0
             WHEN at < labelled_at + interval '336 hours' THEN 1
             WHEN at < labelled_at + interval '1080 hours' THEN 2 END)::smallint;

-- The first instant after checked_at at which as much time has passed since then as the age of that instant asks for:
-- 15 minutes below 3 days, 2 hours below 14, 24 hours below 45 ("nightly": once in 24 hours, at no fixed hour, so that
-- the work lies spread over the day); null beyond. Never checked: before everything else.
-- Who could not wait out the shorter interval before its age ended is past that age at the end of the longer one.
CREATE FUNCTION sluice.timeline_due(checked_at timestamptz, labelled_at timestamptz, created_at timestamptz)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN checked_at IS NULL THEN timestamptz '-infinity'
            WHEN checked_at + interval '15 minutes' < coalesce(labelled_at, created_at) + interval '72 hours'
            THEN checked_at + interval '15 minutes'
            WHEN checked_at + interval '2 hours' < coalesce(labelled_at, created_at) + interval '336 hours'
            THEN checked_at + interval '2 hours'
            WHEN checked_at + interval '24 hours' < coalesce(labelled_at, created_at) + interval '1080 hours'
            THEN checked_at + interval '24 hours' END;

-- A shipment's events beside what is known of asking for them; join it by (client_id, shipment_id).
CREATE VIEW public.shipbob_shipment_timeline AS
SELECT k.client_id, k.shipment_id, k.order_id, k.created_at, k.labelled_at, k.delivered_at, k.is_open,
       t.event_created_at, t.event_pick_in_progress_at, t.event_picked_at, t.event_packed_at, t.event_labelled_at,
       t.event_label_validated_at, t.event_in_transit_at, t.event_out_for_delivery_at,
       t.event_delivery_attempt_failed_at, t.event_delivered_at, t.first_event_at, t.last_event_at,
       coalesce(t.events, 0) AS events, k.checked_at, k.tier, k.due_at
  FROM public.shipbob_tracking k
  LEFT JOIN public.shipbob_timelines t USING (client_id, shipment_id);

GRANT SELECT, INSERT, UPDATE ON public.shipbob_timelines, public.shipbob_tracking TO sluice_app;
GRANT SELECT ON public.shipbob_shipment_timeline TO sluice_app;
GRANT EXECUTE ON FUNCTION sluice.timeline_tier, sluice.timeline_due TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
