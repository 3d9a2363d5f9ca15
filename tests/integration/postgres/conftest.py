"""Databases in the states that these tests need: empty, and migrated with the application's login."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local import pgbouncer, postgres
from local.pgbouncer import PgBouncer
from local.postgres import Database, Postgres
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.overview import PostgresHistories
from tests.integration.postgres.history import Past
from tests.integration.postgres.worker import Rows


@pytest.fixture
def commits(database: Database) -> Iterator[PostgresCommits]:
    """The product's commits as the application's login, on a fresh migrated database."""
    connection = PostgresConnection(database.app_url)
    yield PostgresCommits(connection)
    connection.close()


@pytest.fixture(scope="session")
def shared_database(postgres_server: Postgres, migrated: Database) -> Database:
    """One migrated database for tests that each use a client of their own; goes with the server."""
    create = sql.SQL("CREATE DATABASE shared TEMPLATE {} OWNER sluice_template_owner")
    postgres_server.execute(create.format(sql.Identifier(migrated.name)))
    return replace(
        migrated,
        name="shared",
        owner_url=migrated.owner_url.removesuffix(migrated.name) + "shared",
        app_url=migrated.app_url.removesuffix(migrated.name) + "shared",
    )


@pytest.fixture
def shared_commits(shared_database: Database) -> Iterator[PostgresCommits]:
    connection = PostgresConnection(shared_database.app_url)
    yield PostgresCommits(connection)
    connection.close()


@pytest.fixture
def shared_rows(shared_database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The owner's connection to ``shared_database``."""
    with psycopg.connect(shared_database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def empty(postgres_server: Postgres) -> Iterator[Database]:
    """A database without any migration, with an owner of its own; gone afterwards with its roles."""
    database = postgres.create_database(postgres_server, f"e_{secrets.token_hex(6)}")
    yield database
    name = sql.Identifier(database.name)
    postgres_server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    for role in (f"{database.name}_owner", database.app_user):
        postgres_server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def pooler(postgres_server: Postgres, database: Database, scratch: Path) -> Iterator[PgBouncer]:
    """PgBouncer in transaction mode with one server connection: every client meets the same one."""
    if pgbouncer.installed() is None:
        if os.environ.get("SLUICE_REQUIRE_PGBOUNCER") == "1":
            pytest.fail("PgBouncer is required here and not installed")
        pytest.skip("PgBouncer is not installed")
    folder = scratch / f"pooler-{database.name}"
    pooler = PgBouncer(postgres_server, database, folder, scratch / "pgbouncer.log", pool_size=1)
    pooler.start()
    yield pooler
    pooler.stop()


@pytest.fixture
def histories(shared_database: Database) -> Iterator[PostgresHistories]:
    """As the application's login asks."""
    connection = PostgresConnection(shared_database.app_url)
    yield PostgresHistories(connection, check=PostgresCommits(connection).check_schema)
    connection.close()


@pytest.fixture
def past(shared_rows: Rows) -> Past:
    return Past(shared_rows)
