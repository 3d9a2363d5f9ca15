-- migrate:up
-- Mixpanel's profiles. Typed columns as declared in shared/sluice/sources/mixpanel/profiles_table.py, plus the
-- document with its properties normalised (sources/mixpanel/profiles.md).
CREATE TABLE public.mixpanel_profiles (
  client_id              text NOT NULL,
  distinct_id            text NOT NULL,
  content_hash           uuid NOT NULL,
  version                bigint NOT NULL,
  email                  text,
  name                   text,
  country                text,
  created_at             timestamptz,
  last_seen_at           timestamptz,
  document               jsonb NOT NULL,
  inserted_at            timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  deleted_at             timestamptz,
  deleted_generation     integer,
  PRIMARY KEY (client_id, distinct_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

GRANT SELECT, INSERT, UPDATE ON public.mixpanel_profiles TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
