-- migrate:up
-- Room for days of Mixpanel's events of more than 100 days ago, for which a person may ask. Such a day may have been forgotten,
-- and would count again: the oldest day is forgotten first, so one after the oldest partition never was, and none was where
-- nothing is remembered of forgotten days. Any other gets no room, as before; nor does one that cleanup would drop (400 days).
CREATE OR REPLACE FUNCTION sluice.make_room_for_mixpanel_events(days date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
  day date;
  partition text;
  oldest text;
  made integer := 0;
BEGIN
  IF days IS NULL OR cardinality(days) > 400 OR array_position(days, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'give up to 400 days, none of them null' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOR day IN SELECT DISTINCT d FROM unnest(days) AS d
              WHERE d BETWEEN current_date - 400 AND current_date + 2 ORDER BY d LOOP
    partition := 'mixpanel_events_' || to_char(day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass(format('public.%I', partition)) IS NOT NULL;
    -- One maker at a time; whoever waited looks again, by a query: to_regclass may answer from before the wait.
    PERFORM pg_advisory_xact_lock(7236845017);
    CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = partition);
    IF day < current_date - 100 THEN
      SELECT min(c.relname) INTO oldest
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'public.mixpanel_events'::regclass AND c.relname ~ '^mixpanel_events_[0-9]{8}$';
      CONTINUE WHEN (oldest IS NULL OR partition < oldest) AND EXISTS (SELECT FROM public.mixpanel_forgotten);
    END IF;
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

-- migrate:down
-- Forward only: mend with a new migration.
