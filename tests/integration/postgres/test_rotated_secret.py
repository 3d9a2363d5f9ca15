"""A password that changes under a warm environment."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from psycopg import sql

from local.postgres import Postgres
from sluice.core.errors import DatabaseUnavailable
from sluice.postgres.connection import PostgresConnection


@pytest.fixture
def login(postgres_server: Postgres) -> Iterator[str]:
    """A role whose password is ``first``."""
    name = f"rotated_{secrets.token_hex(6)}"
    role = sql.Identifier(name)
    postgres_server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'first'").format(role))
    yield name
    postgres_server.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_rotated_secret_opens_the_next_connection(postgres_server: Postgres, login: str) -> None:
    """An environment keeps the connection that it has, and opens the next one with the new password."""
    password = "first"
    connection = PostgresConnection(lambda: postgres_server.url(user=login, password=password))
    assert _whoami(connection) == login
    password = _rotate(postgres_server, login)
    assert _whoami(connection) == login
    connection.close()
    assert _whoami(connection) == login
    connection.close()


def test_until_the_new_secret_is_known_the_database_is_unavailable(
    postgres_server: Postgres, login: str
) -> None:
    """A refused password is an outage that passes, not a bug: slices are deferred meanwhile."""
    connection = PostgresConnection(lambda: postgres_server.url(user=login, password="first"))
    _rotate(postgres_server, login)
    with pytest.raises(DatabaseUnavailable, match="authentication failed"):
        _whoami(connection)


def _whoami(connection: PostgresConnection) -> str:
    with connection.transaction() as tx:
        row = tx.execute("SELECT current_user").fetchone()
    return str(row[0]) if row else ""


def _rotate(server: Postgres, login: str) -> str:
    change = sql.SQL("ALTER ROLE {} PASSWORD 'second'").format(sql.Identifier(login))
    server.execute(change)
    return "second"
