-- migrate:up
-- Which facts counted, and what they add up to. The total of a counter is the sum over its ledger, always.
CREATE TABLE sluice.ledger (
  stream_key  text NOT NULL,
  fact_id     text NOT NULL,
  subject     text NOT NULL,
  counter     text NOT NULL,
  amount      bigint NOT NULL,
  occurred_at timestamptz NOT NULL,
  seq         bigint NOT NULL,
  PRIMARY KEY (stream_key, fact_id)
);

CREATE TABLE sluice.counter (
  stream_key text NOT NULL,
  subject    text NOT NULL,
  counter    text NOT NULL,
  total      bigint NOT NULL,
  facts      bigint NOT NULL,
  first_at   timestamptz NOT NULL,
  last_at    timestamptz NOT NULL,
  PRIMARY KEY (stream_key, subject, counter)
) WITH (fillfactor = 80);

-- Deliveries of pushes that were seen: vendors deliver more than once.
CREATE TABLE sluice.inbox (
  client_id   text NOT NULL,
  source      text NOT NULL,
  event_id    text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (client_id, source, event_id)
);

ALTER TABLE sluice.commit_log
  ADD COLUMN facts_read integer NOT NULL DEFAULT 0,
  ADD COLUMN facts_counted integer NOT NULL DEFAULT 0;

-- Since when a full read is asked for: not only the message that asked knows.
ALTER TABLE sluice.sync_commit ADD COLUMN full_since timestamptz;

GRANT SELECT, INSERT ON sluice.ledger, sluice.inbox TO sluice_app;
GRANT SELECT, INSERT, UPDATE ON sluice.counter TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
