-- migrate:up
-- Partitions of mixpanel_events, one a UTC day. The application may neither create nor drop tables; these two functions do,
-- as their owner, within narrow bounds. There is no default partition: an event without a place is rejected, not hidden.

-- What events of dropped partitions had added, so that totals can still be recomputed.
CREATE TABLE public.mixpanel_forgotten (
  client_id        text NOT NULL,
  distinct_id      text NOT NULL,
  counters         jsonb NOT NULL,
  flags            jsonb NOT NULL,
  events_processed bigint NOT NULL,
  first_event_time timestamptz,
  last_event_time  timestamptz,
  PRIMARY KEY (client_id, distinct_id)
);

-- Make room for these days; how many partitions that took. A day of more than 100 days ago gets none, because its events may
-- have been forgotten and would count again; nor does one that lies more than 2 days ahead.
CREATE FUNCTION sluice.make_room_for_mixpanel_events(days date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
  day date;
  partition text;
  made integer := 0;
BEGIN
  IF days IS NULL OR cardinality(days) > 400 OR array_position(days, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'give up to 400 days, none of them null' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOR day IN SELECT DISTINCT d FROM unnest(days) AS d
              WHERE d BETWEEN current_date - 100 AND current_date + 2 ORDER BY d LOOP
    partition := 'mixpanel_events_' || to_char(day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass(format('public.%I', partition)) IS NOT NULL;
    -- One maker at a time; whoever waited looks again, by a query: to_regclass may answer from before the wait.
    PERFORM pg_advisory_xact_lock(7236845017);
    CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = partition);
    -- ATTACH locks out neither readers nor writers of the other days; CREATE ... PARTITION OF does.
    EXECUTE format('CREATE TABLE public.%I (LIKE public.mixpanel_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS'
                   ' INCLUDING INDEXES) WITH (autovacuum_analyze_scale_factor = 0.02)', partition);
    EXECUTE format('ALTER TABLE public.mixpanel_events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   partition, to_char(day, 'YYYY-MM-DD'), to_char(day + 1, 'YYYY-MM-DD'));
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

-- Drop the oldest partition of days before the bound, after adding what its events counted to mixpanel_forgotten; its day, or
-- null when there is none. A bound within 100 days is refused: the widest re-read reaches 90 days back.
CREATE FUNCTION sluice.forget_mixpanel_events(bound date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
  partition text;
BEGIN
  IF bound IS NULL OR bound > current_date - 100 THEN
    RAISE EXCEPTION 'events of the last 100 days are kept, and % is within them', coalesce(bound::text, 'null')
          USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(7236845017);
  SELECT c.relname INTO partition
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = 'public.mixpanel_events'::regclass AND c.relname ~ '^mixpanel_events_[0-9]{8}$'
     AND c.relname < 'mixpanel_events_' || to_char(bound, 'YYYYMMDD')
   ORDER BY c.relname LIMIT 1;
  IF partition IS NULL THEN
    RETURN NULL;
  END IF;
  EXECUTE format($sql$
    WITH totals AS (
      SELECT client_id, distinct_id, count(*) AS events, min(occurred_at) AS first_at, max(occurred_at) AS last_at
        FROM public.%1$I GROUP BY client_id, distinct_id),
    sums AS (
      SELECT client_id, distinct_id, jsonb_object_agg(name, total) AS counters
        FROM (SELECT e.client_id, e.distinct_id, a.key AS name, trim_scale(sum(a.value::numeric)) AS total
                FROM public.%1$I e, jsonb_each_text(e.effects -> 'add') a GROUP BY 1, 2, 3) s GROUP BY 1, 2),
    raised AS (
      SELECT e.client_id, e.distinct_id, jsonb_object_agg(f.flag, true) AS flags
        FROM public.%1$I e, jsonb_array_elements_text(e.effects -> 'set') f (flag) GROUP BY 1, 2)
    INSERT INTO public.mixpanel_forgotten AS t
    SELECT client_id, distinct_id, coalesce(counters, '{}'), coalesce(flags, '{}'), events, first_at, last_at
      FROM totals LEFT JOIN sums USING (client_id, distinct_id) LEFT JOIN raised USING (client_id, distinct_id)
    ON CONFLICT (client_id, distinct_id) DO UPDATE
       SET counters = sluice.added_counters(t.counters, excluded.counters), flags = t.flags || excluded.flags,
           events_processed = t.events_processed + excluded.events_processed,
           first_event_time = least(t.first_event_time, excluded.first_event_time),
           last_event_time = greatest(t.last_event_time, excluded.last_event_time)$sql$, partition);
  EXECUTE format('DROP TABLE public.%I', partition);
  RETURN to_date(right(partition, 8), 'YYYYMMDD');
END
$$;

REVOKE ALL ON FUNCTION sluice.make_room_for_mixpanel_events, sluice.forget_mixpanel_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sluice.make_room_for_mixpanel_events, sluice.forget_mixpanel_events TO sluice_app;
GRANT SELECT ON public.mixpanel_forgotten TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
