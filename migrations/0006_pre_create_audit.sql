-- migrate:up
-- Who changed what is in force, in rows that are only ever added: docs/steering.md. Each digest covers the row and the
-- digest before it, so a row that was changed or taken away is found. shared/sluice/postgres/audit.py makes the same sum.
CREATE TABLE sluice.audit (
  number   bigint PRIMARY KEY CHECK (number > 0),
  at       timestamptz NOT NULL,
  login    text NOT NULL,
  actor    text NOT NULL,
  action   text NOT NULL,
  scope    text NOT NULL,
  before   text,
  after    text,
  why      text,
  previous text NOT NULL,
  digest   text NOT NULL
);

-- The database itself numbers, dates and chains, whatever a writer says of that.
CREATE FUNCTION sluice.chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION sluice.refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'sluice.audit only grows: % is refused to everybody', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER chain BEFORE INSERT ON sluice.audit FOR EACH ROW EXECUTE FUNCTION sluice.chain_audit();
CREATE TRIGGER only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON sluice.audit
  FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_change_of_audit();
ALTER TABLE sluice.audit ENABLE ALWAYS TRIGGER chain;
ALTER TABLE sluice.audit ENABLE ALWAYS TRIGGER only_grow;

REVOKE ALL ON sluice.audit FROM PUBLIC, sluice_app;
GRANT SELECT, INSERT ON sluice.audit TO sluice_app;

-- migrate:down
-- Forward only: mend with a new migration.
