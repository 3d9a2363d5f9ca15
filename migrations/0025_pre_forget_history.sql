-- migrate:up
-- Old history, forgotten within narrow bounds: docs/health.md. The application may not delete runs, slices and rejects;
-- this function does, as their owner, and never what is still needed.
--
-- A run goes with its slices, slices first, oldest first. What stays, however old: of each stream the run that is open, the
-- newest, the newest that ended, the newest that completed (and the newest of those that was no backfill, by which a first
-- load is known to be over), and the slice that sync_commit points at, with its whole run. So the log of a stream keeps
-- an end without gaps. Rejects go once they are resolved. Each kind: at most so many rows a call.
--
-- Plans are held to the indexes, oldest first, so that a call looks at little more than what it deletes. Left alone, the
-- planner joins whole tables, because it does not know that a LIMIT of 5,000 is small: among 200,000 runs that took longer
-- than a statement may. So does a scan for runs without slices: there may be a hundred thousand of them, or none.
CREATE FUNCTION sluice.is_last_success(r sluice.run) RETURNS boolean LANGUAGE sql STABLE
RETURN r.outcome = 'completed' AND (
  r.run_id = (SELECT n.run_id FROM sluice.run n WHERE n.stream_key = r.stream_key AND n.outcome = 'completed'
               ORDER BY n.started_at DESC LIMIT 1) OR
  r.run_id = (SELECT n.run_id FROM sluice.run n WHERE n.stream_key = r.stream_key AND n.outcome = 'completed'
                 AND n.reason <> 'backfill' ORDER BY n.started_at DESC LIMIT 1));

CREATE FUNCTION sluice.forget_history(bound timestamptz, most integer, OUT runs integer, OUT slices integer, OUT rejects integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off AS $$
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

REVOKE ALL ON FUNCTION sluice.forget_history, sluice.is_last_success FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sluice.forget_history TO sluice_app;

-- Failures to read a secret are looked up before one more is noted; of other actions nothing is.
CREATE INDEX audit_secret_unreadable ON sluice.audit (at DESC) WHERE action = 'secret-unreadable';

-- migrate:down
-- Forward only: mend with a new migration.
