-- migrate:up
-- Where each stream stands, what each slice did, runs, rejects and sightings. Words: docs/glossary.md.
CREATE SCHEMA sluice;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_app') THEN
    CREATE ROLE sluice_app NOLOGIN;
  END IF;
END
$$;

CREATE TABLE sluice.sync_commit (
  stream_key    text PRIMARY KEY,
  client_id     text NOT NULL,
  source        text NOT NULL,
  stream        text NOT NULL,
  partition     text,
  fencing_token bigint NOT NULL CHECK (fencing_token >= 0),
  seq           bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
  cursor        jsonb NOT NULL DEFAULT '{}',
  slice_id      uuid,
  has_more      boolean NOT NULL DEFAULT false,
  updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sluice.run (
  run_id           uuid PRIMARY KEY,
  stream_key       text NOT NULL,
  client_id        text NOT NULL,
  source           text NOT NULL,
  stream           text NOT NULL,
  partition        text,
  reason           text NOT NULL,
  outcome          text NOT NULL DEFAULT 'running'
                   CHECK (outcome IN ('running', 'completed', 'failed', 'abandoned')),
  started_at       timestamptz NOT NULL,
  last_progress_at timestamptz NOT NULL,
  ended_at         timestamptz,
  progress_done    bigint,
  progress_total   bigint,
  failures         integer NOT NULL DEFAULT 0,
  last_error       text,
  note             text,
  CHECK ((outcome = 'running') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX run_open ON sluice.run (stream_key) WHERE ended_at IS NULL;
CREATE INDEX run_started ON sluice.run (started_at DESC);

CREATE TABLE sluice.commit_log (
  stream_key     text NOT NULL,
  seq            bigint NOT NULL CHECK (seq > 0),
  fencing_token  bigint NOT NULL,
  run_id         uuid NOT NULL,
  slice_id       uuid NOT NULL UNIQUE,
  kind           text NOT NULL,
  cursor_before  jsonb NOT NULL,
  cursor_after   jsonb NOT NULL,
  has_more       boolean NOT NULL,
  rows_read      integer NOT NULL,
  inserted       integer NOT NULL,
  updated        integer NOT NULL,
  unchanged      integer NOT NULL,
  stale          integer NOT NULL,
  rejected       integer NOT NULL,
  deleted        integer NOT NULL,
  pages          integer NOT NULL,
  requests       integer NOT NULL,
  retries        integer NOT NULL,
  errors         integer NOT NULL,
  bytes_received bigint NOT NULL,
  latencies_ms   integer[] NOT NULL,
  fetch_ms       integer NOT NULL,
  merge_ms       integer NOT NULL,
  note           text,
  committed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (stream_key, seq),
  CONSTRAINT every_row_read_is_accounted_for
    CHECK (rows_read = inserted + updated + unchanged + stale + rejected)
);
CREATE INDEX commit_log_run ON sluice.commit_log (run_id);

CREATE TABLE sluice.rejects (
  reject_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stream_key    text NOT NULL,
  client_id     text NOT NULL,
  source        text NOT NULL,
  stream        text NOT NULL,
  record_id     text,
  field         text,
  reason        text NOT NULL,
  raw           text NOT NULL,
  raw_digest    uuid NOT NULL,
  seq           bigint NOT NULL,
  slice_id      uuid NOT NULL,
  times         integer NOT NULL DEFAULT 1,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at  timestamptz NOT NULL DEFAULT now(),
  resolved_at   timestamptz,
  resolution    text CHECK (resolution IN ('loaded', 'superseded', 'discarded')),
  CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX rejects_open ON sluice.rejects (stream_key, raw_digest) WHERE resolved_at IS NULL;
CREATE INDEX rejects_open_record ON sluice.rejects (stream_key, record_id) WHERE resolved_at IS NULL;

-- Ids seen in a generation's listing: one row per slice, so that unchanged data rows stay untouched.
CREATE TABLE sluice.sighting (
  stream_key text NOT NULL,
  generation integer NOT NULL,
  seq        bigint NOT NULL,
  ids        text[] NOT NULL,
  PRIMARY KEY (stream_key, generation, seq)
);

CREATE VIEW sluice.slices AS
SELECT c.run_id, c.stream_key, s.client_id, s.source, s.stream, c.seq, c.kind, c.rows_read, c.inserted, c.updated,
       c.unchanged, c.stale, c.rejected, c.deleted, c.pages, c.requests, c.retries, c.errors, c.bytes_received,
       (SELECT round(avg(ms), 1) FROM unnest(c.latencies_ms) ms) AS latency_avg_ms,
       (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FROM unnest(c.latencies_ms) ms) AS latency_p95_ms,
       c.fetch_ms, c.merge_ms, c.note, c.committed_at
  FROM sluice.commit_log c
  JOIN sluice.sync_commit s USING (stream_key);

-- What is left goes at this run's own pace: an earlier run may have read the first part of a listing.
CREATE VIEW sluice.runs AS
SELECT r.run_id, r.stream_key, r.client_id, r.source, r.stream, r.partition, r.reason, r.outcome,
       r.started_at, r.ended_at, r.last_progress_at, coalesce(r.ended_at, now()) - r.started_at AS duration,
       t.slices, t.pages, t.rows_read, t.inserted, t.updated, t.unchanged, t.stale, t.rejected, t.deleted,
       t.requests, t.retries, t.errors, t.bytes_received, l.latency_avg_ms, l.latency_p95_ms,
       r.progress_done, r.progress_total,
       CASE WHEN r.ended_at IS NULL AND t.rows_read > 0 AND r.progress_total >= r.progress_done
            THEN (now() - r.started_at) * ((r.progress_total - r.progress_done)::float8 / t.rows_read)
       END AS eta,
       r.failures, r.last_error, coalesce(r.note, t.note) AS note
  FROM sluice.run r
  CROSS JOIN LATERAL (
       SELECT count(*) AS slices, coalesce(sum(pages), 0) AS pages, coalesce(sum(rows_read), 0) AS rows_read,
              coalesce(sum(inserted), 0) AS inserted, coalesce(sum(updated), 0) AS updated,
              coalesce(sum(unchanged), 0) AS unchanged, coalesce(sum(stale), 0) AS stale,
              coalesce(sum(rejected), 0) AS rejected, coalesce(sum(deleted), 0) AS deleted,
              coalesce(sum(requests), 0) AS requests, coalesce(sum(retries), 0) AS retries,
              coalesce(sum(errors), 0) AS errors, coalesce(sum(bytes_received), 0) AS bytes_received,
              string_agg(note, '; ' ORDER BY seq) AS note
         FROM sluice.commit_log c WHERE c.run_id = r.run_id) t
  CROSS JOIN LATERAL (
       SELECT round(avg(ms), 1) AS latency_avg_ms,
              percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) AS latency_p95_ms
         FROM sluice.commit_log c, unnest(c.latencies_ms) ms WHERE c.run_id = r.run_id) l;

-- A commit is a row of commit_log: sync_commit is touched by every claim, also of a worker that brings nothing.
CREATE VIEW sluice.freshness AS
SELECT s.stream_key, s.client_id, s.source, s.stream, s.partition, s.seq, s.has_more,
       c.committed_at AS last_commit_at, now() - c.committed_at AS since_last_commit,
       done.ended_at AS last_completed_at, now() - done.ended_at AS since_last_completed,
       last.outcome AS last_outcome, last.last_error
  FROM sluice.sync_commit s
  LEFT JOIN sluice.commit_log c ON c.stream_key = s.stream_key AND c.seq = s.seq
  LEFT JOIN LATERAL (SELECT outcome, last_error FROM sluice.run r WHERE r.stream_key = s.stream_key
                      ORDER BY started_at DESC LIMIT 1) last ON true
  LEFT JOIN LATERAL (SELECT ended_at FROM sluice.run r WHERE r.stream_key = s.stream_key AND outcome = 'completed'
                      ORDER BY started_at DESC LIMIT 1) done ON true;

GRANT USAGE ON SCHEMA sluice TO sluice_app;
GRANT SELECT, INSERT, UPDATE ON sluice.sync_commit, sluice.run, sluice.rejects TO sluice_app;
GRANT SELECT, INSERT ON sluice.commit_log TO sluice_app;
GRANT SELECT, INSERT, DELETE ON sluice.sighting TO sluice_app;
GRANT SELECT ON sluice.slices, sluice.runs, sluice.freshness TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
