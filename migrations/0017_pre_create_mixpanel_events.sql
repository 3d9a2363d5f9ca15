-- migrate:up
-- Mixpanel's events and what they add up to. Typed columns as declared in shared/sluice/sources/mixpanel/events_table.py,
-- plus the document. The stored events are the ledger: an event counts when its row is inserted, and rows are never
-- changed (the application may not update them).
CREATE TABLE public.mixpanel_events (
  client_id          text NOT NULL,
  -- '<day>/<32 hex>': the UTC day of the event, and a digest of its identity. Bytes order it, so a day is a range.
  event_id           text COLLATE "C" NOT NULL,
  content_hash       uuid NOT NULL,
  version            bigint NOT NULL,
  event              text,
  distinct_id        text,
  occurred_at        timestamptz,
  insert_id          text,
  processed_at       timestamptz,
  -- What the event adds to its subscriber: {"add": {counter: number}, "set": [flag]}; both may be missing.
  effects            jsonb,
  document           jsonb NOT NULL,
  inserted_at        timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  deleted_at         timestamptz,
  deleted_generation integer,
  PRIMARY KEY (client_id, event_id)
) PARTITION BY RANGE (event_id);

-- Totals by subscriber, kept by the events' derivation, or by the replace step.
CREATE TABLE public.mixpanel_subscribers (
  client_id        text NOT NULL,
  distinct_id      text NOT NULL,
  counters         jsonb NOT NULL DEFAULT '{}',
  flags            jsonb NOT NULL DEFAULT '{}',
  events_processed bigint NOT NULL,
  first_event_time timestamptz,
  last_event_time  timestamptz,
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (client_id, distinct_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Sums of two sets of counters, name by name.
CREATE FUNCTION sluice.added_counters(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(jsonb_object_agg(name, total), '{}')
          FROM (SELECT each.key AS name, trim_scale(sum(each.value::numeric)) AS total
                  FROM (SELECT * FROM jsonb_each_text(one) UNION ALL SELECT * FROM jsonb_each_text(other)) each
                 GROUP BY each.key) sums);

-- The counters of the default mapping as columns; a mapping of one's own has its names in the jsonb.
CREATE VIEW public.mixpanel_subscribers_insights AS
SELECT client_id, distinct_id,
       coalesce((counters ->> 'copies_total')::numeric, 0) AS copies_total,
       coalesce((counters ->> 'copies_regular')::numeric, 0) AS copies_regular,
       coalesce((counters ->> 'copies_premium')::numeric, 0) AS copies_premium,
       coalesce((counters ->> 'pdp_views')::numeric, 0) AS pdp_views,
       coalesce((counters ->> 'creator_profile_views')::numeric, 0) AS creator_profile_views,
       coalesce((counters ->> 'ach_transfers')::numeric, 0) AS ach_transfers,
       coalesce((counters ->> 'paywall_views')::numeric, 0) AS paywall_views,
       coalesce((counters ->> 'subscriptions')::numeric, 0) AS subscriptions,
       coalesce((counters ->> 'app_sessions')::numeric, 0) AS app_sessions,
       coalesce((counters ->> 'stripe_modal_views')::numeric, 0) AS stripe_modal_views,
       coalesce((counters ->> 'card_taps')::numeric, 0) AS card_taps,
       coalesce((flags ->> 'linked_bank_account')::boolean, false) AS linked_bank_account,
       events_processed, first_event_time, last_event_time, updated_at
  FROM public.mixpanel_subscribers;

GRANT SELECT, INSERT ON public.mixpanel_events TO sluice_app;
GRANT SELECT, INSERT, UPDATE ON public.mixpanel_subscribers TO sluice_app;
GRANT SELECT ON public.mixpanel_subscribers_insights TO sluice_app;
GRANT EXECUTE ON FUNCTION sluice.added_counters TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
