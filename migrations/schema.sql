-- The schema once all migrations are applied. Written by `make schema`; never applied, never edited.

CREATE SCHEMA sluice;

CREATE FUNCTION sluice.added_counters(one jsonb, other jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(jsonb_object_agg(sums.name, sums.total), '{}'::jsonb) AS "coalesce" FROM (SELECT each.key AS name, trim_scale(sum((each.value)::numeric)) AS total FROM (SELECT jsonb_each_text.key, jsonb_each_text.value FROM jsonb_each_text(added_counters.one) jsonb_each_text(key, value) UNION ALL SELECT jsonb_each_text.key, jsonb_each_text.value FROM jsonb_each_text(added_counters.other) jsonb_each_text(key, value)) each GROUP BY each.key) sums);

CREATE FUNCTION sluice.chain_audit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  last record;
BEGIN
  -- One writer at a time, until it commits: two that go on from the same row would fork the chain.
  PERFORM pg_advisory_xact_lock(7236845013);
  SELECT number, digest INTO last FROM sluice.audit ORDER BY number DESC LIMIT 1;
  NEW.number := coalesce(last.number, 0) + 1;
  NEW.at := clock_timestamp();
  NEW.login := session_user;
  NEW.previous := coalesce(last.digest, '');
  NEW.digest := (
    SELECT encode(sha256(convert_to(string_agg(coalesce(length(said) || ':' || said, '-'), ',' ORDER BY place), 'UTF8')), 'hex')
      FROM unnest(ARRAY[NEW.previous, NEW.number::text, to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                        NEW.login, NEW.actor, NEW.action, NEW.scope, NEW.before, NEW.after, NEW.why])
           WITH ORDINALITY AS field (said, place));
  RETURN NEW;
END
$$;

CREATE FUNCTION sluice.forget_history(bound timestamp with time zone, most integer, OUT runs integer, OUT slices integer, OUT rejects integer) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '2s'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_sort TO 'off'
    AS $$
DECLARE
  spent uuid[];
BEGIN
  IF bound IS NULL OR bound > now() - interval '7 days' THEN
    RAISE EXCEPTION 'history of the last 7 days is kept, and % is within them', coalesce(bound::text, 'null')
          USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF most IS NULL OR most NOT BETWEEN 1 AND 20000 THEN
    RAISE EXCEPTION 'give 1 to 20000 rows at most, not %', coalesce(most::text, 'null') USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- Runs that are over for good: neither the newest that ended nor that of the stream's position. One that is only remembered
  -- as the last success is looked at no more once its slices are gone.
  spent := ARRAY(
    SELECT r.run_id
      FROM sluice.run r
     WHERE r.ended_at < bound
       AND r.run_id IS DISTINCT FROM (SELECT n.run_id FROM sluice.run n WHERE n.stream_key = r.stream_key AND n.ended_at IS NOT NULL
                                       ORDER BY n.started_at DESC LIMIT 1)
       AND r.run_id IS DISTINCT FROM (SELECT c.run_id FROM sluice.sync_commit s JOIN sluice.commit_log c USING (stream_key, seq)
                                       WHERE s.stream_key = r.stream_key)
       AND (NOT sluice.is_last_success(r) OR EXISTS (SELECT FROM sluice.commit_log c WHERE c.run_id = r.run_id))
     ORDER BY r.ended_at LIMIT most);

  WITH old AS (
    SELECT c.stream_key, c.seq
      FROM unnest(spent) WITH ORDINALITY AS s (run_id, place) JOIN sluice.commit_log c USING (run_id)
     ORDER BY s.place, c.seq LIMIT most FOR UPDATE OF c SKIP LOCKED)
  DELETE FROM sluice.commit_log c USING old WHERE (c.stream_key, c.seq) = (old.stream_key, old.seq);
  GET DIAGNOSTICS slices = ROW_COUNT;

  DELETE FROM sluice.run r
   WHERE r.run_id = ANY (spent) AND NOT sluice.is_last_success(r)
     AND NOT EXISTS (SELECT FROM sluice.commit_log c WHERE c.run_id = r.run_id);
  GET DIAGNOSTICS runs = ROW_COUNT;

  WITH old AS (
    SELECT reject_id FROM sluice.rejects WHERE resolved_at < bound
     ORDER BY resolved_at LIMIT most FOR UPDATE SKIP LOCKED)
  DELETE FROM sluice.rejects r USING old WHERE r.reject_id = old.reject_id;
  GET DIAGNOSTICS rejects = ROW_COUNT;
END
$$;

CREATE FUNCTION sluice.forget_mixpanel_events(bound date) RETURNS date
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '2s'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
$_$;

CREATE FUNCTION sluice.instant(written text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN ((written ~ '([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$'::text) AND (written ~ '[0-9][tT ][0-9]'::text)) THEN (written)::timestamp with time zone ELSE ((written)::timestamp without time zone AT TIME ZONE 'UTC'::text) END;

CREATE TABLE sluice.run (
    run_id uuid NOT NULL,
    stream_key text NOT NULL,
    client_id text NOT NULL,
    source text NOT NULL,
    stream text NOT NULL,
    partition text,
    reason text NOT NULL,
    outcome text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    last_progress_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    progress_done bigint,
    progress_total bigint,
    failures integer DEFAULT 0 NOT NULL,
    last_error text,
    note text,
    asked_at timestamp with time zone,
    CONSTRAINT run_check CHECK (((outcome = 'running'::text) = (ended_at IS NULL))),
    CONSTRAINT run_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'completed'::text, 'failed'::text, 'abandoned'::text])))
);

CREATE FUNCTION sluice.is_last_success(r sluice.run) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (((r).outcome = 'completed'::text) AND (((r).run_id = (SELECT n.run_id FROM sluice.run n WHERE ((n.stream_key = (is_last_success.r).stream_key) AND (n.outcome = 'completed'::text)) ORDER BY n.started_at DESC LIMIT 1)) OR ((r).run_id = (SELECT n.run_id FROM sluice.run n WHERE ((n.stream_key = (is_last_success.r).stream_key) AND (n.outcome = 'completed'::text) AND (n.reason <> 'backfill'::text)) ORDER BY n.started_at DESC LIMIT 1))));

CREATE FUNCTION sluice.make_room_for_mixpanel_events(days date[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '2s'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
$_$;

CREATE FUNCTION sluice.refuse_change_of_audit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'sluice.audit only grows: % is refused to everybody', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION sluice.timeline_due(checked_at timestamp with time zone, labelled_at timestamp with time zone, created_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (checked_at IS NULL) THEN '-infinity'::timestamp with time zone WHEN ((checked_at + '00:15:00'::interval) < (COALESCE(labelled_at, created_at) + '72:00:00'::interval)) THEN (checked_at + '00:15:00'::interval) WHEN ((checked_at + '02:00:00'::interval) < (COALESCE(labelled_at, created_at) + '336:00:00'::interval)) THEN (checked_at + '02:00:00'::interval) WHEN ((checked_at + '24:00:00'::interval) < (COALESCE(labelled_at, created_at) + '1080:00:00'::interval)) THEN (checked_at + '24:00:00'::interval) ELSE NULL::timestamp with time zone END;

CREATE FUNCTION sluice.timeline_tier(labelled_at timestamp with time zone, created_at timestamp with time zone, at timestamp with time zone) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (CASE WHEN (at >= (COALESCE(labelled_at, created_at) + '1080:00:00'::interval)) THEN NULL::integer WHEN (labelled_at IS NULL) THEN 3 WHEN (at < (labelled_at + '72:00:00'::interval)) THEN 0 WHEN (at < (labelled_at + '336:00:00'::interval)) THEN 1 WHEN (at < (labelled_at + '1080:00:00'::interval)) THEN 2 ELSE NULL::integer END)::smallint;

CREATE TABLE public.cars (
    client_id text NOT NULL,
    car_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    external_id text,
    make text,
    model text,
    generation text,
    year integer,
    vin text,
    color text,
    fuel text,
    transmission text,
    body_type text,
    engine text,
    drive_wheel text,
    vehicle_type text,
    cylinders integer,
    price numeric,
    current_bid numeric,
    buy_now_price numeric,
    final_bid numeric,
    lot_number text,
    lot_status text,
    sale_status text,
    sale_date timestamp with time zone,
    odometer_km bigint,
    odometer_mi bigint,
    damage_main text,
    damage_second text,
    keys_available boolean,
    airbags text,
    grade text,
    seller text,
    seller_type text,
    location text,
    insurance text,
    image_url text,
    images_count integer,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    archived_at timestamp with time zone,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.mixpanel_cohort_members (
    client_id text NOT NULL,
    project_id text NOT NULL,
    cohort_id text NOT NULL,
    distinct_id text NOT NULL,
    email text,
    first_name text,
    last_name text,
    added_at timestamp with time zone,
    removed_at timestamp with time zone,
    session_id text NOT NULL COLLATE pg_catalog."C",
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT mixpanel_cohort_members_check CHECK (((added_at IS NOT NULL) OR (removed_at IS NOT NULL)))
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.mixpanel_cohort_parts (
    client_id text NOT NULL,
    project_id text NOT NULL,
    cohort_id text NOT NULL,
    session_id text NOT NULL COLLATE pg_catalog."C",
    page integer NOT NULL,
    digest text NOT NULL,
    part integer NOT NULL,
    parts integer NOT NULL,
    CONSTRAINT mixpanel_cohort_parts_check CHECK (((part >= 1) AND (part <= parts))),
    CONSTRAINT mixpanel_cohort_parts_page_check CHECK ((page >= 1))
);

CREATE TABLE public.mixpanel_cohort_sessions (
    client_id text NOT NULL,
    project_id text NOT NULL,
    cohort_id text NOT NULL,
    session_id text NOT NULL COLLATE pg_catalog."C",
    began_at timestamp with time zone NOT NULL,
    member_pages integer,
    completed_at timestamp with time zone
)
WITH (fillfactor='80');

CREATE TABLE public.mixpanel_cohorts (
    client_id text NOT NULL,
    project_id text NOT NULL,
    cohort_id text NOT NULL,
    name text,
    description text,
    named_at timestamp with time zone NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE public.mixpanel_events (
    client_id text NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    event text,
    distinct_id text,
    occurred_at timestamp with time zone,
    insert_id text,
    processed_at timestamp with time zone,
    effects jsonb,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
PARTITION BY RANGE (event_id);

CREATE TABLE public.mixpanel_forgotten (
    client_id text NOT NULL,
    distinct_id text NOT NULL,
    counters jsonb NOT NULL,
    flags jsonb NOT NULL,
    events_processed bigint NOT NULL,
    first_event_time timestamp with time zone,
    last_event_time timestamp with time zone
);

CREATE TABLE public.mixpanel_profiles (
    client_id text NOT NULL,
    distinct_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    email text,
    name text,
    country text,
    created_at timestamp with time zone,
    last_seen_at timestamp with time zone,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.mixpanel_subscribers (
    client_id text NOT NULL,
    distinct_id text NOT NULL,
    counters jsonb DEFAULT '{}'::jsonb NOT NULL,
    flags jsonb DEFAULT '{}'::jsonb NOT NULL,
    events_processed bigint NOT NULL,
    first_event_time timestamp with time zone,
    last_event_time timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE VIEW public.mixpanel_subscribers_insights AS
 SELECT client_id,
    distinct_id,
    COALESCE(((counters ->> 'copies_total'::text))::numeric, (0)::numeric) AS copies_total,
    COALESCE(((counters ->> 'copies_regular'::text))::numeric, (0)::numeric) AS copies_regular,
    COALESCE(((counters ->> 'copies_premium'::text))::numeric, (0)::numeric) AS copies_premium,
    COALESCE(((counters ->> 'pdp_views'::text))::numeric, (0)::numeric) AS pdp_views,
    COALESCE(((counters ->> 'creator_profile_views'::text))::numeric, (0)::numeric) AS creator_profile_views,
    COALESCE(((counters ->> 'ach_transfers'::text))::numeric, (0)::numeric) AS ach_transfers,
    COALESCE(((counters ->> 'paywall_views'::text))::numeric, (0)::numeric) AS paywall_views,
    COALESCE(((counters ->> 'subscriptions'::text))::numeric, (0)::numeric) AS subscriptions,
    COALESCE(((counters ->> 'app_sessions'::text))::numeric, (0)::numeric) AS app_sessions,
    COALESCE(((counters ->> 'stripe_modal_views'::text))::numeric, (0)::numeric) AS stripe_modal_views,
    COALESCE(((counters ->> 'card_taps'::text))::numeric, (0)::numeric) AS card_taps,
    COALESCE(((flags ->> 'linked_bank_account'::text))::boolean, false) AS linked_bank_account,
    events_processed,
    first_event_time,
    last_event_time,
    updated_at
   FROM public.mixpanel_subscribers;

CREATE TABLE public.shipbob_inventory_items (
    client_id text NOT NULL,
    inventory_id text NOT NULL,
    product_id text NOT NULL,
    variant_id text,
    name text,
    sku text,
    on_hand bigint,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_invoices (
    client_id text NOT NULL,
    invoice_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    invoice_date timestamp with time zone,
    invoice_type text,
    amount numeric,
    currency_code text,
    running_balance numeric,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_order_items (
    client_id text NOT NULL,
    order_id text NOT NULL,
    line integer NOT NULL,
    product_id text,
    reference_id text,
    sku text,
    quantity bigint,
    unit_price numeric,
    external_line_id text,
    gtin text,
    upc text
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_orders (
    client_id text NOT NULL,
    order_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone,
    purchased_at timestamp with time zone,
    reference_id text,
    order_number text,
    status text,
    type text,
    channel_id text,
    channel_name text,
    shipping_method text,
    total_price numeric,
    recipient_name text,
    recipient_city text,
    recipient_state text,
    recipient_zip_code text,
    recipient_country text,
    shipments integer,
    last_update_at timestamp with time zone,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_products (
    client_id text NOT NULL,
    product_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    name text,
    type text,
    created_at timestamp with time zone,
    changed_at timestamp with time zone,
    variants integer,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_receiving_orders (
    client_id text NOT NULL,
    receiving_order_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    purchase_order_number text,
    status text,
    package_type text,
    created_at timestamp with time zone,
    expected_arrival_at timestamp with time zone,
    changed_at timestamp with time zone,
    fulfillment_center text,
    expected_quantity bigint,
    received_quantity bigint,
    stowed_quantity bigint,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_returns (
    client_id text NOT NULL,
    return_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    reference_id text,
    store_order_id text,
    original_shipment_id text,
    return_type text,
    status text,
    created_at timestamp with time zone,
    arrived_at timestamp with time zone,
    completed_at timestamp with time zone,
    cancelled_at timestamp with time zone,
    tracking_number text,
    customer_name text,
    fulfillment_center text,
    channel_name text,
    invoice_amount numeric,
    invoice_currency text,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_shipment_items (
    client_id text NOT NULL,
    shipment_id text NOT NULL,
    line integer NOT NULL,
    product_id text,
    reference_id text,
    sku text,
    name text,
    inventory_id text,
    inventory_name text,
    quantity bigint,
    quantity_committed bigint,
    lot text,
    expires_at timestamp with time zone
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_timelines (
    client_id text NOT NULL,
    shipment_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    event_created_at timestamp with time zone,
    event_pick_in_progress_at timestamp with time zone,
    event_picked_at timestamp with time zone,
    event_packed_at timestamp with time zone,
    event_labelled_at timestamp with time zone,
    event_label_validated_at timestamp with time zone,
    event_in_transit_at timestamp with time zone,
    event_out_for_delivery_at timestamp with time zone,
    event_delivery_attempt_failed_at timestamp with time zone,
    event_delivered_at timestamp with time zone,
    first_event_at timestamp with time zone,
    last_event_at timestamp with time zone,
    events integer,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_tracking (
    client_id text NOT NULL,
    shipment_id text NOT NULL,
    order_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    labelled_at timestamp with time zone,
    delivered_at timestamp with time zone,
    is_open boolean NOT NULL,
    checked_at timestamp with time zone,
    tier smallint,
    due_at timestamp with time zone,
    CONSTRAINT a_closed_shipment_is_never_asked_again CHECK ((is_open OR (due_at IS NULL))),
    CONSTRAINT a_delivered_shipment_is_closed CHECK (((delivered_at IS NULL) OR (NOT is_open))),
    CONSTRAINT there_are_four_tiers CHECK (((tier >= 0) AND (tier <= 3)))
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE VIEW public.shipbob_shipment_timeline AS
 SELECT k.client_id,
    k.shipment_id,
    k.order_id,
    k.created_at,
    k.labelled_at,
    k.delivered_at,
    k.is_open,
    t.event_created_at,
    t.event_pick_in_progress_at,
    t.event_picked_at,
    t.event_packed_at,
    t.event_labelled_at,
    t.event_label_validated_at,
    t.event_in_transit_at,
    t.event_out_for_delivery_at,
    t.event_delivery_attempt_failed_at,
    t.event_delivered_at,
    t.first_event_at,
    t.last_event_at,
    COALESCE(t.events, 0) AS events,
    k.checked_at,
    k.tier,
    k.due_at
   FROM (public.shipbob_tracking k
     LEFT JOIN public.shipbob_timelines t USING (client_id, shipment_id));

CREATE TABLE public.shipbob_shipments (
    client_id text NOT NULL,
    shipment_id text NOT NULL,
    order_id text NOT NULL,
    status text,
    reference_id text,
    created_at timestamp with time zone NOT NULL,
    last_update_at timestamp with time zone,
    last_tracking_update_at timestamp with time zone,
    tracking_number text,
    carrier text,
    carrier_service text,
    ship_option text,
    zone text,
    fulfillment_center_id text,
    fulfillment_center text,
    total_weight_oz numeric,
    length_in numeric,
    width_in numeric,
    depth_in numeric,
    invoice_amount numeric,
    invoice_currency text,
    insurance_value numeric,
    estimated_fulfillment_at timestamp with time zone,
    actual_fulfillment_at timestamp with time zone,
    delivered_at timestamp with time zone,
    status_details jsonb,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.shipbob_transactions (
    client_id text NOT NULL,
    transaction_id text NOT NULL,
    content_hash uuid NOT NULL,
    version bigint NOT NULL,
    amount numeric,
    currency_code text,
    charge_date timestamp with time zone,
    transaction_fee text,
    transaction_type text,
    reference_id text,
    reference_type text,
    fulfillment_center text,
    invoiced boolean,
    invoice_id text,
    invoice_date timestamp with time zone,
    invoice_type text,
    tax_amount numeric,
    tracking_id text,
    inventory_id text,
    comment text,
    comment_words text,
    document jsonb NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    deleted_generation integer,
    merchant_client_id text,
    attributed_by text,
    attributed_at timestamp with time zone,
    unattributed_reason text,
    CONSTRAINT a_client_is_known_by_a_rule CHECK (((merchant_client_id IS NULL) = (attributed_by IS NULL))),
    CONSTRAINT a_known_client_needs_no_reason CHECK (((merchant_client_id IS NULL) OR (unattributed_reason IS NULL)))
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE public.sluice_migration_checksums (
    version character varying(128) NOT NULL,
    file text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sluice_migrations (
    version character varying(128) NOT NULL
);

CREATE TABLE sluice.audit (
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    login text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    scope text NOT NULL,
    before text,
    after text,
    why text,
    previous text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT audit_number_check CHECK ((number > 0))
);

CREATE TABLE sluice.commit_log (
    stream_key text NOT NULL,
    seq bigint NOT NULL,
    fencing_token bigint NOT NULL,
    run_id uuid NOT NULL,
    slice_id uuid NOT NULL,
    kind text NOT NULL,
    cursor_before jsonb NOT NULL,
    cursor_after jsonb NOT NULL,
    has_more boolean NOT NULL,
    rows_read integer NOT NULL,
    inserted integer NOT NULL,
    updated integer NOT NULL,
    unchanged integer NOT NULL,
    stale integer NOT NULL,
    rejected integer NOT NULL,
    deleted integer NOT NULL,
    pages integer NOT NULL,
    requests integer NOT NULL,
    retries integer NOT NULL,
    errors integer NOT NULL,
    bytes_received bigint NOT NULL,
    latencies_ms integer[] NOT NULL,
    fetch_ms integer NOT NULL,
    merge_ms integer NOT NULL,
    note text,
    committed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    facts_read integer DEFAULT 0 NOT NULL,
    facts_counted integer DEFAULT 0 NOT NULL,
    derived jsonb,
    endpoints jsonb,
    wait_ms integer,
    derive_ms integer,
    database_ms integer,
    begin_ms integer,
    began_at timestamp with time zone DEFAULT now(),
    CONSTRAINT commit_log_seq_check CHECK ((seq > 0)),
    CONSTRAINT every_row_read_is_accounted_for CHECK ((rows_read = ((((inserted + updated) + unchanged) + stale) + rejected)))
);

CREATE TABLE sluice.counter (
    stream_key text NOT NULL,
    subject text NOT NULL,
    counter text NOT NULL,
    total bigint NOT NULL,
    facts bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE sluice.sync_commit (
    stream_key text NOT NULL,
    client_id text NOT NULL,
    source text NOT NULL,
    stream text NOT NULL,
    partition text,
    fencing_token bigint NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    cursor jsonb DEFAULT '{}'::jsonb NOT NULL,
    slice_id uuid,
    has_more boolean DEFAULT false NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    full_since timestamp with time zone,
    advanced_at timestamp with time zone DEFAULT now() NOT NULL,
    rested_at timestamp with time zone,
    CONSTRAINT sync_commit_fencing_token_check CHECK ((fencing_token >= 0)),
    CONSTRAINT sync_commit_seq_check CHECK ((seq >= 0))
);

CREATE VIEW sluice.failing AS
 SELECT s.stream_key,
    s.client_id,
    s.source,
    s.stream,
    s.partition,
    r.run_id,
    r.outcome,
    r.started_at,
    r.ended_at,
    r.failures,
    r.last_error
   FROM (sluice.sync_commit s
     CROSS JOIN LATERAL ( SELECT run.run_id,
            run.stream_key,
            run.client_id,
            run.source,
            run.stream,
            run.partition,
            run.reason,
            run.outcome,
            run.started_at,
            run.last_progress_at,
            run.ended_at,
            run.progress_done,
            run.progress_total,
            run.failures,
            run.last_error,
            run.note
           FROM sluice.run
          WHERE ((run.stream_key = s.stream_key) AND (run.ended_at IS NOT NULL))
          ORDER BY run.started_at DESC
         LIMIT 1) r)
  WHERE (r.outcome <> 'completed'::text);

CREATE VIEW sluice.freshness AS
 SELECT s.stream_key,
    s.client_id,
    s.source,
    s.stream,
    s.partition,
    s.seq,
    s.has_more,
    c.committed_at AS last_commit_at,
    (now() - c.committed_at) AS since_last_commit,
    done.ended_at AS last_completed_at,
    (now() - done.ended_at) AS since_last_completed,
    last.outcome AS last_outcome,
    last.last_error
   FROM (((sluice.sync_commit s
     LEFT JOIN sluice.commit_log c ON (((c.stream_key = s.stream_key) AND (c.seq = s.seq))))
     LEFT JOIN LATERAL ( SELECT r.outcome,
            r.last_error
           FROM sluice.run r
          WHERE (r.stream_key = s.stream_key)
          ORDER BY r.started_at DESC
         LIMIT 1) last ON (true))
     LEFT JOIN LATERAL ( SELECT r.ended_at
           FROM sluice.run r
          WHERE ((r.stream_key = s.stream_key) AND (r.outcome = 'completed'::text))
          ORDER BY r.started_at DESC
         LIMIT 1) done ON (true));

CREATE TABLE sluice.inbox (
    client_id text NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    queued_at timestamp with time zone,
    applied_at timestamp with time zone,
    topic text
);

CREATE TABLE sluice.ledger (
    stream_key text NOT NULL,
    fact_id text NOT NULL,
    subject text NOT NULL,
    counter text NOT NULL,
    amount bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    seq bigint NOT NULL
);

CREATE TABLE sluice.rejects (
    reject_id bigint NOT NULL,
    stream_key text NOT NULL,
    client_id text NOT NULL,
    source text NOT NULL,
    stream text NOT NULL,
    record_id text,
    field text,
    reason text NOT NULL,
    raw text NOT NULL,
    raw_digest uuid NOT NULL,
    seq bigint NOT NULL,
    slice_id uuid NOT NULL,
    times integer DEFAULT 1 NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    resolution text,
    CONSTRAINT rejects_check CHECK (((resolved_at IS NULL) = (resolution IS NULL))),
    CONSTRAINT rejects_resolution_check CHECK ((resolution = ANY (ARRAY['loaded'::text, 'superseded'::text, 'discarded'::text])))
);

ALTER TABLE sluice.rejects ALTER COLUMN reject_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME sluice.rejects_reject_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW sluice.run_endpoints AS
 SELECT r.run_id,
    r.stream_key,
    r.client_id,
    r.source,
    r.stream,
    r.started_at,
    e.endpoint,
    e.requests,
    e.retries,
    e.errors,
    e.ms,
    round((e.ms / NULLIF(e.requests, (0)::numeric)), 1) AS ms_per_request
   FROM (sluice.run r
     CROSS JOIN LATERAL ( SELECT s.endpoint,
            sum(((s.spent ->> 'requests'::text))::bigint) AS requests,
            sum(((s.spent ->> 'retries'::text))::bigint) AS retries,
            sum(((s.spent ->> 'errors'::text))::bigint) AS errors,
            sum(((s.spent ->> 'ms'::text))::bigint) AS ms
           FROM sluice.commit_log c,
            LATERAL jsonb_each(c.endpoints) s(endpoint, spent)
          WHERE (c.run_id = r.run_id)
          GROUP BY s.endpoint) e);

CREATE VIEW sluice.run_times AS
 SELECT r.run_id,
    r.stream_key,
    r.client_id,
    r.source,
    r.stream,
    r.partition,
    r.reason,
    r.outcome,
    r.started_at,
    r.ended_at,
    ((EXTRACT(epoch FROM (COALESCE(r.ended_at, now()) - r.started_at)) * (1000)::numeric))::bigint AS duration_ms,
    t.slices,
    (t.fetch_ms + t.merge_ms) AS busy_ms,
    t.fetch_ms,
    t.wait_ms,
    t.vendor_ms,
    t.database_ms,
    t.begin_ms,
    t.merge_ms,
    t.derive_ms
   FROM (sluice.run r
     CROSS JOIN LATERAL ( SELECT count(*) AS slices,
            COALESCE(sum(c.fetch_ms), (0)::bigint) AS fetch_ms,
            COALESCE(sum(c.wait_ms), (0)::bigint) AS wait_ms,
            COALESCE(sum(( SELECT sum(((e.spent ->> 'ms'::text))::bigint) AS sum
                   FROM jsonb_each(c.endpoints) e(endpoint, spent))), (0)::numeric) AS vendor_ms,
            COALESCE(sum(c.database_ms), (0)::bigint) AS database_ms,
            COALESCE(sum(c.begin_ms), (0)::bigint) AS begin_ms,
            COALESCE(sum(c.merge_ms), (0)::bigint) AS merge_ms,
            COALESCE(sum(c.derive_ms), (0)::bigint) AS derive_ms
           FROM sluice.commit_log c
          WHERE (c.run_id = r.run_id)) t);

CREATE VIEW sluice.runs AS
 SELECT r.run_id,
    r.stream_key,
    r.client_id,
    r.source,
    r.stream,
    r.partition,
    r.reason,
    r.outcome,
    r.started_at,
    r.ended_at,
    r.last_progress_at,
    (COALESCE(r.ended_at, now()) - r.started_at) AS duration,
    t.slices,
    t.pages,
    t.rows_read,
    t.inserted,
    t.updated,
    t.unchanged,
    t.stale,
    t.rejected,
    t.deleted,
    t.requests,
    t.retries,
    t.errors,
    t.bytes_received,
    l.latency_avg_ms,
    l.latency_p95_ms,
    r.progress_done,
    r.progress_total,
        CASE
            WHEN ((r.ended_at IS NULL) AND (t.rows_read > 0) AND (r.progress_total >= r.progress_done)) THEN ((now() - r.started_at) * (((r.progress_total - r.progress_done))::double precision / (t.rows_read)::double precision))
            ELSE NULL::interval
        END AS eta,
    r.failures,
    r.last_error,
    COALESCE(r.note, t.note) AS note
   FROM ((sluice.run r
     CROSS JOIN LATERAL ( SELECT count(*) AS slices,
            COALESCE(sum(c.pages), (0)::bigint) AS pages,
            COALESCE(sum(c.rows_read), (0)::bigint) AS rows_read,
            COALESCE(sum(c.inserted), (0)::bigint) AS inserted,
            COALESCE(sum(c.updated), (0)::bigint) AS updated,
            COALESCE(sum(c.unchanged), (0)::bigint) AS unchanged,
            COALESCE(sum(c.stale), (0)::bigint) AS stale,
            COALESCE(sum(c.rejected), (0)::bigint) AS rejected,
            COALESCE(sum(c.deleted), (0)::bigint) AS deleted,
            COALESCE(sum(c.requests), (0)::bigint) AS requests,
            COALESCE(sum(c.retries), (0)::bigint) AS retries,
            COALESCE(sum(c.errors), (0)::bigint) AS errors,
            COALESCE(sum(c.bytes_received), (0)::numeric) AS bytes_received,
            string_agg(c.note, '; '::text ORDER BY c.seq) AS note
           FROM sluice.commit_log c
          WHERE (c.run_id = r.run_id)) t)
     CROSS JOIN LATERAL ( SELECT round(avg(ms.ms), 1) AS latency_avg_ms,
            percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((ms.ms)::double precision)) AS latency_p95_ms
           FROM sluice.commit_log c,
            LATERAL unnest(c.latencies_ms) ms(ms)
          WHERE (c.run_id = r.run_id)) l);

CREATE VIEW sluice.shipbob_unattributed AS
 SELECT client_id,
    transaction_id,
    charge_date,
    amount,
    currency_code,
    transaction_fee,
    transaction_type,
    reference_type,
    reference_id,
    comment,
    COALESCE(unattributed_reason, 'not_tried'::text) AS reason,
    (now() - inserted_at) AS age
   FROM public.shipbob_transactions t
  WHERE ((merchant_client_id IS NULL) AND (deleted_at IS NULL));

CREATE TABLE sluice.sighting (
    stream_key text NOT NULL,
    generation integer NOT NULL,
    seq bigint NOT NULL,
    ids text[] NOT NULL
);

CREATE VIEW sluice.slices AS
 SELECT c.run_id,
    c.stream_key,
    s.client_id,
    s.source,
    s.stream,
    c.seq,
    c.kind,
    c.rows_read,
    c.inserted,
    c.updated,
    c.unchanged,
    c.stale,
    c.rejected,
    c.deleted,
    c.pages,
    c.requests,
    c.retries,
    c.errors,
    c.bytes_received,
    ( SELECT round(avg(ms.ms), 1) AS round
           FROM unnest(c.latencies_ms) ms(ms)) AS latency_avg_ms,
    ( SELECT percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((ms.ms)::double precision)) AS percentile_cont
           FROM unnest(c.latencies_ms) ms(ms)) AS latency_p95_ms,
    c.fetch_ms,
    c.merge_ms,
    c.note,
    c.committed_at
   FROM (sluice.commit_log c
     JOIN sluice.sync_commit s USING (stream_key));

CREATE VIEW sluice.trends AS
 SELECT r.stream_key,
    r.client_id,
    r.source,
    r.stream,
    ((r.started_at AT TIME ZONE 'UTC'::text))::date AS day,
    count(*) AS runs,
    count(*) FILTER (WHERE (r.outcome = 'completed'::text)) AS completed,
    count(*) FILTER (WHERE ((r.outcome = 'completed'::text) AND ((t.rejected > 0) OR t.brake))) AS partial,
    count(*) FILTER (WHERE (r.outcome = 'failed'::text)) AS failed,
    count(*) FILTER (WHERE (r.outcome = 'abandoned'::text)) AS abandoned,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY (r.ended_at - r.started_at)) AS duration_p50,
    max((r.ended_at - r.started_at)) AS duration_max,
    (sum(t.slices))::bigint AS slices,
    (sum(t.rows_read))::bigint AS rows_read,
    (sum(t.inserted))::bigint AS inserted,
    (sum(t.updated))::bigint AS updated,
    (sum(t.unchanged))::bigint AS unchanged,
    (sum(t.rejected))::bigint AS rejected,
    (sum(t.deleted))::bigint AS deleted,
    (sum(t.requests))::bigint AS requests,
    (sum(t.errors))::bigint AS errors
   FROM (sluice.run r
     CROSS JOIN LATERAL ( SELECT count(*) AS slices,
            COALESCE(sum(c.rows_read), (0)::bigint) AS rows_read,
            COALESCE(sum(c.inserted), (0)::bigint) AS inserted,
            COALESCE(sum(c.updated), (0)::bigint) AS updated,
            COALESCE(sum(c.unchanged), (0)::bigint) AS unchanged,
            COALESCE(sum(c.rejected), (0)::bigint) AS rejected,
            COALESCE(sum(c.deleted), (0)::bigint) AS deleted,
            COALESCE(sum(c.requests), (0)::bigint) AS requests,
            COALESCE(sum(c.errors), (0)::bigint) AS errors,
            COALESCE(bool_or((c.note ~~ '%delete brake:%'::text)), false) AS brake
           FROM sluice.commit_log c
          WHERE (c.run_id = r.run_id)) t)
  WHERE (r.ended_at IS NOT NULL)
  GROUP BY r.stream_key, r.client_id, r.source, r.stream, (((r.started_at AT TIME ZONE 'UTC'::text))::date);

ALTER TABLE ONLY public.cars
    ADD CONSTRAINT cars_pkey PRIMARY KEY (client_id, car_id);

ALTER TABLE ONLY public.mixpanel_cohort_members
    ADD CONSTRAINT mixpanel_cohort_members_pkey PRIMARY KEY (client_id, project_id, cohort_id, distinct_id);

ALTER TABLE ONLY public.mixpanel_cohort_parts
    ADD CONSTRAINT mixpanel_cohort_parts_pkey PRIMARY KEY (client_id, project_id, cohort_id, session_id, page, digest, part);

ALTER TABLE ONLY public.mixpanel_cohort_sessions
    ADD CONSTRAINT mixpanel_cohort_sessions_pkey PRIMARY KEY (client_id, project_id, cohort_id, session_id);

ALTER TABLE ONLY public.mixpanel_cohorts
    ADD CONSTRAINT mixpanel_cohorts_pkey PRIMARY KEY (client_id, project_id, cohort_id);

ALTER TABLE ONLY public.mixpanel_events
    ADD CONSTRAINT mixpanel_events_pkey PRIMARY KEY (client_id, event_id);

ALTER TABLE ONLY public.mixpanel_forgotten
    ADD CONSTRAINT mixpanel_forgotten_pkey PRIMARY KEY (client_id, distinct_id);

ALTER TABLE ONLY public.mixpanel_profiles
    ADD CONSTRAINT mixpanel_profiles_pkey PRIMARY KEY (client_id, distinct_id);

ALTER TABLE ONLY public.mixpanel_subscribers
    ADD CONSTRAINT mixpanel_subscribers_pkey PRIMARY KEY (client_id, distinct_id);

ALTER TABLE ONLY public.shipbob_inventory_items
    ADD CONSTRAINT shipbob_inventory_items_pkey PRIMARY KEY (client_id, inventory_id);

ALTER TABLE ONLY public.shipbob_invoices
    ADD CONSTRAINT shipbob_invoices_pkey PRIMARY KEY (client_id, invoice_id);

ALTER TABLE ONLY public.shipbob_order_items
    ADD CONSTRAINT shipbob_order_items_pkey PRIMARY KEY (client_id, order_id, line);

ALTER TABLE ONLY public.shipbob_orders
    ADD CONSTRAINT shipbob_orders_pkey PRIMARY KEY (client_id, order_id);

ALTER TABLE ONLY public.shipbob_products
    ADD CONSTRAINT shipbob_products_pkey PRIMARY KEY (client_id, product_id);

ALTER TABLE ONLY public.shipbob_receiving_orders
    ADD CONSTRAINT shipbob_receiving_orders_pkey PRIMARY KEY (client_id, receiving_order_id);

ALTER TABLE ONLY public.shipbob_returns
    ADD CONSTRAINT shipbob_returns_pkey PRIMARY KEY (client_id, return_id);

ALTER TABLE ONLY public.shipbob_shipment_items
    ADD CONSTRAINT shipbob_shipment_items_pkey PRIMARY KEY (client_id, shipment_id, line);

ALTER TABLE ONLY public.shipbob_shipments
    ADD CONSTRAINT shipbob_shipments_pkey PRIMARY KEY (client_id, shipment_id);

ALTER TABLE ONLY public.shipbob_timelines
    ADD CONSTRAINT shipbob_timelines_pkey PRIMARY KEY (client_id, shipment_id);

ALTER TABLE ONLY public.shipbob_tracking
    ADD CONSTRAINT shipbob_tracking_pkey PRIMARY KEY (client_id, shipment_id);

ALTER TABLE ONLY public.shipbob_transactions
    ADD CONSTRAINT shipbob_transactions_pkey PRIMARY KEY (client_id, transaction_id);

ALTER TABLE ONLY public.sluice_migration_checksums
    ADD CONSTRAINT sluice_migration_checksums_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.sluice_migrations
    ADD CONSTRAINT sluice_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY sluice.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (number);

ALTER TABLE ONLY sluice.commit_log
    ADD CONSTRAINT commit_log_pkey PRIMARY KEY (stream_key, seq);

ALTER TABLE ONLY sluice.commit_log
    ADD CONSTRAINT commit_log_slice_id_key UNIQUE (slice_id);

ALTER TABLE ONLY sluice.counter
    ADD CONSTRAINT counter_pkey PRIMARY KEY (stream_key, subject, counter);

ALTER TABLE ONLY sluice.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (client_id, source, event_id);

ALTER TABLE ONLY sluice.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (stream_key, fact_id);

ALTER TABLE ONLY sluice.rejects
    ADD CONSTRAINT rejects_pkey PRIMARY KEY (reject_id);

ALTER TABLE ONLY sluice.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY sluice.sighting
    ADD CONSTRAINT sighting_pkey PRIMARY KEY (stream_key, generation, seq);

ALTER TABLE ONLY sluice.sync_commit
    ADD CONSTRAINT sync_commit_pkey PRIMARY KEY (stream_key);

CREATE INDEX cars_deleted_generation ON public.cars USING btree (client_id, deleted_generation) WHERE (deleted_at IS NOT NULL);

CREATE INDEX cars_live_vin ON public.cars USING btree (client_id, vin) WHERE (deleted_at IS NULL);

CREATE INDEX mixpanel_cohort_members_who ON public.mixpanel_cohort_members USING btree (client_id, distinct_id);

CREATE INDEX mixpanel_cohort_sessions_completed ON public.mixpanel_cohort_sessions USING btree (client_id, project_id, cohort_id, began_at) WHERE (completed_at IS NOT NULL);

CREATE INDEX shipbob_inventory_items_id ON public.shipbob_inventory_items USING btree (inventory_id);

CREATE INDEX shipbob_inventory_items_product ON public.shipbob_inventory_items USING btree (client_id, product_id);

CREATE INDEX shipbob_orders_created ON public.shipbob_orders USING btree (client_id, created_at);

CREATE INDEX shipbob_orders_id ON public.shipbob_orders USING btree (order_id);

CREATE INDEX shipbob_orders_number ON public.shipbob_orders USING btree (order_number);

CREATE INDEX shipbob_receiving_orders_id ON public.shipbob_receiving_orders USING btree (receiving_order_id);

CREATE INDEX shipbob_returns_id ON public.shipbob_returns USING btree (return_id);

CREATE INDEX shipbob_shipments_id ON public.shipbob_shipments USING btree (shipment_id);

CREATE INDEX shipbob_shipments_order ON public.shipbob_shipments USING btree (client_id, order_id);

CREATE INDEX shipbob_tracking_due ON public.shipbob_tracking USING btree (client_id, tier, due_at, shipment_id) WHERE ((due_at IS NOT NULL) AND (tier IS NOT NULL));

CREATE INDEX shipbob_transactions_charged ON public.shipbob_transactions USING btree (client_id, charge_date);

CREATE INDEX shipbob_transactions_unattributed ON public.shipbob_transactions USING btree (client_id, transaction_id) WHERE ((merchant_client_id IS NULL) AND (deleted_at IS NULL));

CREATE INDEX audit_secret_unreadable ON sluice.audit USING btree (at DESC) WHERE (action = 'secret-unreadable'::text);

CREATE INDEX commit_log_braked ON sluice.commit_log USING btree (committed_at) WHERE (note ~~ 'delete brake:%'::text);

CREATE INDEX commit_log_large ON sluice.commit_log USING btree (stream_key, seq DESC) WHERE (rows_read >= 100);

CREATE INDEX commit_log_run ON sluice.commit_log USING btree (run_id);

CREATE INDEX commit_log_with_rows ON sluice.commit_log USING btree (stream_key, committed_at DESC) WHERE (rows_read > 0);

CREATE INDEX inbox_client ON sluice.inbox USING btree (client_id, source, received_at DESC);

CREATE INDEX inbox_received ON sluice.inbox USING btree (received_at);

CREATE INDEX inbox_topic ON sluice.inbox USING btree (client_id, source, topic, received_at DESC) WHERE (topic IS NOT NULL);

CREATE UNIQUE INDEX rejects_open ON sluice.rejects USING btree (stream_key, raw_digest) WHERE (resolved_at IS NULL);

CREATE INDEX rejects_open_record ON sluice.rejects USING btree (stream_key, record_id) WHERE (resolved_at IS NULL);

CREATE INDEX rejects_resolved ON sluice.rejects USING btree (resolved_at) WHERE (resolved_at IS NOT NULL);

CREATE INDEX run_completed ON sluice.run USING btree (stream_key, started_at DESC) WHERE (outcome = 'completed'::text);

CREATE INDEX run_ended ON sluice.run USING btree (ended_at) WHERE (ended_at IS NOT NULL);

CREATE UNIQUE INDEX run_open ON sluice.run USING btree (stream_key) WHERE (ended_at IS NULL);

CREATE INDEX run_started ON sluice.run USING btree (started_at DESC);

CREATE INDEX run_stream ON sluice.run USING btree (stream_key, started_at DESC);

CREATE TRIGGER chain BEFORE INSERT ON sluice.audit FOR EACH ROW EXECUTE FUNCTION sluice.chain_audit();

ALTER TABLE sluice.audit ENABLE ALWAYS TRIGGER chain;

CREATE TRIGGER only_grow BEFORE DELETE OR UPDATE OR TRUNCATE ON sluice.audit FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_change_of_audit();

ALTER TABLE sluice.audit ENABLE ALWAYS TRIGGER only_grow;

GRANT USAGE ON SCHEMA sluice TO sluice_app;

GRANT ALL ON FUNCTION sluice.added_counters(one jsonb, other jsonb) TO sluice_app;

REVOKE ALL ON FUNCTION sluice.forget_history(bound timestamp with time zone, most integer, OUT runs integer, OUT slices integer, OUT rejects integer) FROM PUBLIC;
GRANT ALL ON FUNCTION sluice.forget_history(bound timestamp with time zone, most integer, OUT runs integer, OUT slices integer, OUT rejects integer) TO sluice_app;

REVOKE ALL ON FUNCTION sluice.forget_mixpanel_events(bound date) FROM PUBLIC;
GRANT ALL ON FUNCTION sluice.forget_mixpanel_events(bound date) TO sluice_app;

GRANT ALL ON FUNCTION sluice.instant(written text) TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE sluice.run TO sluice_app;

REVOKE ALL ON FUNCTION sluice.is_last_success(r sluice.run) FROM PUBLIC;

REVOKE ALL ON FUNCTION sluice.make_room_for_mixpanel_events(days date[]) FROM PUBLIC;
GRANT ALL ON FUNCTION sluice.make_room_for_mixpanel_events(days date[]) TO sluice_app;

GRANT ALL ON FUNCTION sluice.timeline_due(checked_at timestamp with time zone, labelled_at timestamp with time zone, created_at timestamp with time zone) TO sluice_app;

GRANT ALL ON FUNCTION sluice.timeline_tier(labelled_at timestamp with time zone, created_at timestamp with time zone, at timestamp with time zone) TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.cars TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.mixpanel_cohort_members TO sluice_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.mixpanel_cohort_parts TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.mixpanel_cohort_sessions TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.mixpanel_cohorts TO sluice_app;

GRANT SELECT,INSERT ON TABLE public.mixpanel_events TO sluice_app;

GRANT SELECT ON TABLE public.mixpanel_forgotten TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.mixpanel_profiles TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.mixpanel_subscribers TO sluice_app;

GRANT SELECT ON TABLE public.mixpanel_subscribers_insights TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_inventory_items TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_invoices TO sluice_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shipbob_order_items TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_orders TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_products TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_receiving_orders TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_returns TO sluice_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.shipbob_shipment_items TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_timelines TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_tracking TO sluice_app;

GRANT SELECT ON TABLE public.shipbob_shipment_timeline TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_shipments TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.shipbob_transactions TO sluice_app;

GRANT SELECT ON TABLE public.sluice_migrations TO sluice_app;

GRANT SELECT,INSERT ON TABLE sluice.audit TO sluice_app;

GRANT SELECT,INSERT ON TABLE sluice.commit_log TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE sluice.counter TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE sluice.sync_commit TO sluice_app;

GRANT SELECT ON TABLE sluice.failing TO sluice_app;

GRANT SELECT ON TABLE sluice.freshness TO sluice_app;

GRANT SELECT,INSERT,DELETE ON TABLE sluice.inbox TO sluice_app;

GRANT UPDATE(queued_at) ON TABLE sluice.inbox TO sluice_app;

GRANT UPDATE(applied_at) ON TABLE sluice.inbox TO sluice_app;

GRANT SELECT,INSERT ON TABLE sluice.ledger TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE sluice.rejects TO sluice_app;

GRANT SELECT ON TABLE sluice.run_endpoints TO sluice_app;

GRANT SELECT ON TABLE sluice.run_times TO sluice_app;

GRANT SELECT ON TABLE sluice.runs TO sluice_app;

GRANT SELECT ON TABLE sluice.shipbob_unattributed TO sluice_app;

GRANT SELECT,INSERT,DELETE ON TABLE sluice.sighting TO sluice_app;

GRANT SELECT ON TABLE sluice.slices TO sluice_app;

GRANT SELECT ON TABLE sluice.trends TO sluice_app;
