"""What a member of sluice_app may do: all that the engine needs, and nothing that loses history."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from local.postgres import Database
from sluice.postgres.commits import PostgresCommits
from tests.integration.postgres.worker import Rows, Worker, new_key, row
from tests.unit.sources.cars_vendor import Clock


@pytest.fixture
def app(shared_database: Database) -> Iterator[Rows]:
    """The application's login, free to write what statements it likes."""
    with psycopg.connect(shared_database.app_url, autocommit=True) as connection:
        yield connection


FORBIDDEN: dict[str, LiteralString] = {
    "forget where a stream stands": "DELETE FROM sluice.sync_commit",
    "forget what slices did": "DELETE FROM sluice.commit_log",
    "rewrite what slices did": "UPDATE sluice.commit_log SET inserted = 0",
    "forget runs": "DELETE FROM sluice.run",
    "forget rejects": "DELETE FROM sluice.rejects",
    "forget events that counted": "DELETE FROM public.mixpanel_events",
    "rewrite events that counted": "UPDATE public.mixpanel_events SET effects = '{}'",
    "forget what dropped days had counted": "DELETE FROM public.mixpanel_forgotten",
    "forget who was in a cohort": "DELETE FROM public.mixpanel_cohort_members",
    "forget which sessions were old": "DELETE FROM public.mixpanel_cohort_sessions",
    "remove cars for good": "DELETE FROM public.cars",
    "empty a table": "TRUNCATE public.cars",
    "empty the log": "TRUNCATE sluice.commit_log",
    "rewrite sightings": "UPDATE sluice.sighting SET ids = '{}'",
    "say that a migration was applied": "INSERT INTO public.sluice_migrations VALUES ('9999')",
    "change a checksum": "UPDATE public.sluice_migration_checksums SET sha256 = ''",
    "change a table": "ALTER TABLE public.cars ADD COLUMN x int",
    "drop a table": "DROP TABLE sluice.commit_log",
    "make a table": "CREATE TABLE public.mine (id int)",
    "make a table in sluice": "CREATE TABLE sluice.mine (id int)",
    "write past the log's triggers": "SET session_replication_role = 'replica'",
    "become the owner": "SET ROLE sluice_template_owner",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_application_may_not(app: Rows, what: str) -> None:
    """A bug, or a stolen login, cannot make history unhappen."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(FORBIDDEN[what])


def test_the_logins_role_is_an_ordinary_one(app: Rows) -> None:
    """No superuser, no owner, nothing that goes round grants."""
    query = (
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
        " FROM pg_roles WHERE rolname = current_user"
    )
    assert app.execute(query).fetchone() == (False,)


def test_the_grants_are_these_and_no_more(shared_rows: Rows) -> None:
    """A new table or a wider grant must be thought about here."""
    query = (
        "SELECT table_schema || '.' || table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type)"
        " FROM information_schema.table_privileges WHERE grantee IN ('sluice_app', 'PUBLIC')"
        " AND table_schema IN ('sluice', 'public') GROUP BY 1 ORDER BY 1"
    )
    assert {str(name): kinds for name, kinds in shared_rows.execute(query)} == {
        "public.cars": "INSERT SELECT UPDATE",
        "public.mixpanel_cohort_members": "INSERT SELECT UPDATE",
        "public.mixpanel_cohort_parts": "DELETE INSERT SELECT",
        "public.mixpanel_cohort_sessions": "INSERT SELECT UPDATE",
        "public.mixpanel_cohorts": "INSERT SELECT UPDATE",
        "public.mixpanel_profiles": "INSERT SELECT UPDATE",
        "public.mixpanel_events": "INSERT SELECT",
        "public.mixpanel_forgotten": "SELECT",
        "public.mixpanel_subscribers": "INSERT SELECT UPDATE",
        "public.mixpanel_subscribers_insights": "SELECT",
        "public.shipbob_inventory_items": "INSERT SELECT UPDATE",
        "public.shipbob_invoices": "INSERT SELECT UPDATE",
        "public.shipbob_orders": "INSERT SELECT UPDATE",
        "public.shipbob_products": "INSERT SELECT UPDATE",
        "public.shipbob_receiving_orders": "INSERT SELECT UPDATE",
        "public.shipbob_returns": "INSERT SELECT UPDATE",
        "public.shipbob_shipments": "INSERT SELECT UPDATE",
        "public.shipbob_timelines": "INSERT SELECT UPDATE",
        "public.shipbob_tracking": "INSERT SELECT UPDATE",
        "public.shipbob_transactions": "INSERT SELECT UPDATE",
        "public.shipbob_order_items": "DELETE INSERT SELECT UPDATE",
        "public.shipbob_shipment_items": "DELETE INSERT SELECT UPDATE",
        "public.shipbob_shipment_timeline": "SELECT",
        "public.sluice_migrations": "SELECT",
        "sluice.audit": "INSERT SELECT",
        "sluice.counter": "INSERT SELECT UPDATE",
        "sluice.inbox": "DELETE INSERT SELECT",
        "sluice.ledger": "INSERT SELECT",
        "sluice.commit_log": "INSERT SELECT",
        "sluice.freshness": "SELECT",
        "sluice.rejects": "INSERT SELECT UPDATE",
        "sluice.run": "INSERT SELECT UPDATE",
        "sluice.run_endpoints": "SELECT",
        "sluice.run_times": "SELECT",
        "sluice.trends": "SELECT",
        "sluice.failing": "SELECT",
        "sluice.shipbob_unattributed": "SELECT",
        "sluice.runs": "SELECT",
        "sluice.sighting": "DELETE INSERT SELECT",
        "sluice.slices": "SELECT",
        "sluice.sync_commit": "INSERT SELECT UPDATE",
    }


def test_the_log_takes_no_slice_that_does_not_add_up(app: Rows) -> None:
    """Not even from code that forgot to count: the database does the sum itself."""
    statement: LiteralString = (
        "INSERT INTO sluice.commit_log (stream_key, seq, fencing_token, run_id, slice_id, kind, cursor_before,"
        " cursor_after, has_more, rows_read, inserted, updated, unchanged, stale, rejected, deleted, pages,"
        " requests, retries, errors, bytes_received, latencies_ms, fetch_ms, merge_ms)"
        " VALUES (%s, 1, 1, %s, %s, 'crawl', '{}', '{}', false, %s, 1, 1, 1, 1, 1, 9, 1, 1, 0, 0, 1, '{}', 1, 1)"
    )
    names = (str(new_key()), uuid.uuid4(), uuid.uuid4())
    for read in (4, 6):
        with pytest.raises(psycopg.errors.CheckViolation, match="every_row_read_is_accounted_for"):
            app.execute(statement, (*names, read))
    app.execute(statement, (*names, 5))


def test_the_application_may_all_that_a_life_of_a_stream_needs(
    commits: PostgresCommits, rows: Rows
) -> None:
    """Reading, changes, rejects, redrive, removal, failure, abandonment: as this login, every one."""
    # Ahead of the database's clock, so that what a listing lacks was written before it began.
    worker = Worker(commits, clock=Clock(datetime.now(UTC) + timedelta(days=1)))
    worker.read_all([row(id=number) for number in range(5)] + [b'{"id":"bad","year":"x"}'])
    worker.clock.sleep(3600)
    counts = worker.read_all([row(id=number, year=2000) for number in range(4)])
    assert (counts.updated, counts.deleted) == (4, 1)
    assert worker.redrive().rejected == 1
    query: LiteralString = "SELECT car_id FROM cars WHERE deleted_at IS NOT NULL"
    assert rows.execute(query).fetchall() == [("4",)]
    now, run_id = worker.clock(), str(uuid.uuid4())
    claim = commits.claim(worker.key, 1000)
    assert claim is not None
    assert commits.open_run(claim, run_id=run_id, reason="manual", now=now) == run_id
    commits.note_failure(worker.key, run_id, "refused", now)
    silent = commits.silent_runs(before=now + timedelta(days=1), limit=10)
    assert [run.run_id for run in silent] == [run_id]
    commits.note_asked(run_id)
    assert commits.abandon_run(run_id, now)
    commits.fail_run(worker.key, error="x", reason="manual", run_id=str(uuid.uuid4()), now=now)
    assert commits.fence(worker.key) == 1000
    query = "SELECT outcome FROM sluice.runs WHERE stream_key = %s ORDER BY started_at DESC LIMIT 2"
    found = rows.execute(query, (str(worker.key),)).fetchall()
    assert sorted(found) == [("abandoned",), ("failed",)]
