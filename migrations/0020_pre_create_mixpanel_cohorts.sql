-- migrate:up
-- Members of Mixpanel's cohorts, as its webhook pushes them (sources/mixpanel/cohort.md). Filled by the statements
-- of shared/sluice/sources/mixpanel/cohort_sql.py and by nothing else.

-- A cohort by its name. Its row is locked by whoever applies a part of a delivery to it.
CREATE TABLE public.mixpanel_cohorts (
  client_id    text NOT NULL,
  project_id   text NOT NULL,
  cohort_id    text NOT NULL,
  name         text,
  description  text,
  named_at     timestamptz NOT NULL,
  inserted_at  timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (client_id, project_id, cohort_id)
) WITH (fillfactor = 80);

-- Sessions in the order in which they began here: by (began_at, session_id). Never deleted: an old one that is sent
-- again must be known as old. member_pages is how many pages a complete list of members has.
CREATE TABLE public.mixpanel_cohort_sessions (
  client_id    text NOT NULL,
  project_id   text NOT NULL,
  cohort_id    text NOT NULL,
  session_id   text COLLATE "C" NOT NULL,
  began_at     timestamptz NOT NULL,
  member_pages integer,
  completed_at timestamptz,
  PRIMARY KEY (client_id, project_id, cohort_id, session_id)
) WITH (fillfactor = 80);
CREATE INDEX mixpanel_cohort_sessions_completed
  ON public.mixpanel_cohort_sessions (client_id, project_id, cohort_id, began_at) WHERE completed_at IS NOT NULL;

-- Which parts of the pages of a complete list were applied; gone once the list is complete, or another is.
CREATE TABLE public.mixpanel_cohort_parts (
  client_id    text NOT NULL,
  project_id   text NOT NULL,
  cohort_id    text NOT NULL,
  session_id   text COLLATE "C" NOT NULL,
  page         integer NOT NULL CHECK (page >= 1),
  digest       text NOT NULL,
  part         integer NOT NULL,
  parts        integer NOT NULL,
  PRIMARY KEY (client_id, project_id, cohort_id, session_id, page, digest, part),
  CHECK (part BETWEEN 1 AND parts)
);

-- session_id is whose word the row is. A member is one while removed_at is null.
CREATE TABLE public.mixpanel_cohort_members (
  client_id    text NOT NULL,
  project_id   text NOT NULL,
  cohort_id    text NOT NULL,
  distinct_id  text NOT NULL,
  email        text,
  first_name   text,
  last_name    text,
  added_at     timestamptz,
  removed_at   timestamptz,
  session_id   text COLLATE "C" NOT NULL,
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (client_id, project_id, cohort_id, distinct_id),
  CHECK (added_at IS NOT NULL OR removed_at IS NOT NULL)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- Which cohorts somebody is in.
CREATE INDEX mixpanel_cohort_members_who ON public.mixpanel_cohort_members (client_id, distinct_id);

GRANT SELECT, INSERT, UPDATE ON public.mixpanel_cohorts, public.mixpanel_cohort_sessions,
  public.mixpanel_cohort_members TO sluice_app;
GRANT SELECT, INSERT, DELETE ON public.mixpanel_cohort_parts TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
