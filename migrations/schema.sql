-- The schema once all migrations are applied. Written by `make schema`; never applied, never edited.

CREATE SCHEMA sluice;

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

CREATE TABLE public.sluice_migration_checksums (
    version character varying(128) NOT NULL,
    file text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sluice_migrations (
    version character varying(128) NOT NULL
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
    CONSTRAINT commit_log_seq_check CHECK ((seq > 0)),
    CONSTRAINT every_row_read_is_accounted_for CHECK ((rows_read = ((((inserted + updated) + unchanged) + stale) + rejected)))
);

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
    CONSTRAINT run_check CHECK (((outcome = 'running'::text) = (ended_at IS NULL))),
    CONSTRAINT run_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'completed'::text, 'failed'::text, 'abandoned'::text])))
);

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
    CONSTRAINT sync_commit_fencing_token_check CHECK ((fencing_token >= 0)),
    CONSTRAINT sync_commit_seq_check CHECK ((seq >= 0))
);

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

ALTER TABLE ONLY public.cars
    ADD CONSTRAINT cars_pkey PRIMARY KEY (client_id, car_id);

ALTER TABLE ONLY public.sluice_migration_checksums
    ADD CONSTRAINT sluice_migration_checksums_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.sluice_migrations
    ADD CONSTRAINT sluice_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY sluice.commit_log
    ADD CONSTRAINT commit_log_pkey PRIMARY KEY (stream_key, seq);

ALTER TABLE ONLY sluice.commit_log
    ADD CONSTRAINT commit_log_slice_id_key UNIQUE (slice_id);

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

CREATE INDEX commit_log_run ON sluice.commit_log USING btree (run_id);

CREATE UNIQUE INDEX rejects_open ON sluice.rejects USING btree (stream_key, raw_digest) WHERE (resolved_at IS NULL);

CREATE INDEX rejects_open_record ON sluice.rejects USING btree (stream_key, record_id) WHERE (resolved_at IS NULL);

CREATE UNIQUE INDEX run_open ON sluice.run USING btree (stream_key) WHERE (ended_at IS NULL);

CREATE INDEX run_started ON sluice.run USING btree (started_at DESC);

GRANT USAGE ON SCHEMA sluice TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.cars TO sluice_app;

GRANT SELECT ON TABLE public.sluice_migrations TO sluice_app;

GRANT SELECT,INSERT ON TABLE sluice.commit_log TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE sluice.run TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE sluice.sync_commit TO sluice_app;

GRANT SELECT ON TABLE sluice.freshness TO sluice_app;

GRANT SELECT,INSERT,UPDATE ON TABLE sluice.rejects TO sluice_app;

GRANT SELECT ON TABLE sluice.runs TO sluice_app;

GRANT SELECT,INSERT,DELETE ON TABLE sluice.sighting TO sluice_app;

GRANT SELECT ON TABLE sluice.slices TO sluice_app;
