"""Behind PgBouncer in transaction mode: each transaction may meet another session, or another client's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from local.pgbouncer import PgBouncer
from local.postgres import Postgres
from sluice.core.errors import DatabaseUnavailable
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from tests.integration.postgres.worker import Rows, Worker, loaded, row


@pytest.fixture
def first(pooler: PgBouncer) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(pooler.url, application_name="sluice-first")
    yield connection
    connection.close()


@pytest.fixture
def second(pooler: PgBouncer) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(pooler.url, application_name="sluice-second")
    yield connection
    connection.close()


@pytest.fixture
def stranger(pooler: PgBouncer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Another program behind the same pooler, with statements of its own."""
    with psycopg.connect(pooler.url, autocommit=True, prepare_threshold=None) as connection:
        yield connection


def _ask(connection: PostgresConnection, query: LiteralString) -> object:
    with connection.transaction() as tx:
        row = tx.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_clients_that_take_turns_on_one_session_do_not_notice(
    first: PostgresConnection, second: PostgresConnection
) -> None:
    """The same statements twenty times over: none is prepared, or another client would meet it."""
    pids = {
        _ask(client, "SELECT pg_backend_pid() FROM sluice.run RIGHT JOIN (SELECT 1) one ON true")
        for _ in range(20)
        for client in (first, second)
    }
    assert len(pids) == 1
    prepared: LiteralString = "SELECT count(*) FROM pg_prepared_statements"
    assert _ask(first, prepared) == 0


def test_settings_end_with_the_transaction_that_made_them(
    first: PostgresConnection, stranger: Rows
) -> None:
    """The stranger gets the very session that our limits were set in, and finds none of them."""
    pid = _ask(first, "SELECT pg_backend_pid()")
    names = "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"
    for name in names:
        query = "SELECT pg_backend_pid(), current_setting(%s)"
        assert stranger.execute(query, (name,)).fetchone() == (pid, "0")


def test_limits_hold_whatever_a_stranger_left_in_the_session(
    first: PostgresConnection, stranger: Rows
) -> None:
    """They are set anew in each transaction, so a careless neighbour changes nothing."""
    stranger.execute("SET statement_timeout = '1h'")
    assert _ask(first, "SHOW statement_timeout") == "20s"


def test_each_client_is_seen_by_its_own_name(
    first: PostgresConnection, second: PostgresConnection
) -> None:
    """On a session that is shared, the name is that of whoever works there now."""
    for client, name in ((first, "sluice-first"), (second, "sluice-second")) * 2:
        assert _ask(client, "SHOW application_name") == name


def test_two_workers_sync_over_one_session(
    first: PostgresConnection, second: PostgresConnection, rows: Rows
) -> None:
    """Claims, merges, rejects and temporary tables of two clients in turn, on the same session."""
    workers = [Worker(PostgresCommits(connection)) for connection in (first, second)]
    for year in (2001, 2002):
        cars = [row(id=number, year=year) for number in range(30)]
        for worker in workers:
            counts = worker.read_all([*cars, b'{"id":"bad","year":"x"}'])
            assert (counts.inserted + counts.updated, counts.rejected) == (30, 1)
    for worker in workers:
        assert {car["year"] for car in loaded(rows, worker.key).values()} == {2002}
    assert _ask(first, "SELECT count(*) FROM pg_prepared_statements") == 0


def test_work_goes_on_after_the_pooler_was_killed(
    first: PostgresConnection, pooler: PgBouncer
) -> None:
    """While it is away, work is refused in our words; when it is back, a new connection is made."""
    assert _ask(first, "SELECT 1") == 1
    pooler.kill()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            _ask(first, "SELECT 1")
    pooler.start()
    assert _ask(first, "SELECT 1") == 1


def test_a_restarted_pooler_costs_no_attempt(first: PostgresConnection, pooler: PgBouncer) -> None:
    """Between two invocations: the kept connection is dead, and nothing ran on it."""
    assert _ask(first, "SELECT 1") == 1
    pooler.kill()
    pooler.start()
    assert _ask(first, "SELECT 1") == 1


def test_work_goes_on_after_the_session_behind_the_pooler_was_ended(
    first: PostgresConnection, postgres_server: Postgres
) -> None:
    """A failover behind the pooler costs no attempt either: it is found out at BEGIN."""
    before = _ask(first, "SELECT pg_backend_pid()")
    with psycopg.connect(postgres_server.url(), autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s::int, 5000)", (before,))
    assert _ask(first, "SELECT pg_backend_pid()") != before


@pytest.mark.parametrize("part", ["password", "database", "port"])
def test_what_the_pooler_refuses_is_told_in_one_line_without_the_password(
    pooler: PgBouncer, part: str
) -> None:
    """It has words of its own for the same mistakes."""
    head = pooler.url.rpartition("/")[0]
    password = pooler.url.split(":")[2].split("@")[0]
    url = {
        "password": pooler.url.replace(password, "geheim"),
        "database": f"{head}/no_such_database",
        "port": pooler.url.replace(f":{pooler.port}/", ":1/"),
    }[part]
    with pytest.raises(DatabaseUnavailable) as caught:
        _ask(PostgresConnection(url), "SELECT 1")
    message = str(caught.value)
    assert {"password": "auth", "database": "no such database", "port": "refused"}[part] in message
    assert "\n" not in message
    assert password not in message
    assert "geheim" not in message
