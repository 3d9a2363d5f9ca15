"""Programs that suites share: one embedded Postgres, one embedded AWS, each started when first asked for."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local import aws, pgbouncer, postgres
from local.places import PROJECT, Places
from local.postgres import Database, Postgres
from sluice.postgres.migrations import apply_migrations


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for this session's programs, under .sluice/, gone afterwards."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(scratch: Path) -> Iterator[Postgres]:
    """An embedded Postgres; use ``database`` for one of its databases.

    It does not wait for the disk, since it gets a new database for every other test: a test that
    crashes a server starts one of its own.
    """
    server = postgres.create(scratch / "postgres", scratch / "postgres.log")
    server.start(fsync="off", full_page_writes="off")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated(postgres_server: Postgres) -> Database:
    """The database that others are copied from: all migrations applied, no rows."""
    database = postgres.create_database(postgres_server, "sluice_template")
    for phase in ("pre", "post"):
        apply_migrations(database.owner_url, phase=phase, folder=PROJECT / "migrations")
    return database


@pytest.fixture
def database(postgres_server: Postgres, migrated: Database) -> Iterator[Database]:
    """A fresh migrated database with its owner's and its application's URL; dropped afterwards."""
    name = f"t_{secrets.token_hex(6)}"
    create = sql.SQL(
        "CREATE DATABASE {} TEMPLATE {} OWNER sluice_template_owner STRATEGY FILE_COPY"
    ).format(sql.Identifier(name), sql.Identifier(migrated.name))
    postgres_server.execute(create)
    yield Database(
        name,
        migrated.owner_url.removesuffix(migrated.name) + name,
        migrated.app_url.removesuffix(migrated.name) + name,
        migrated.app_user,
        migrated.app_password,
    )
    postgres_server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def pooled_url(postgres_server: Postgres, database: Database, scratch: Path) -> Iterator[str]:
    """``database`` through PgBouncer in transaction mode; skipped where it is not installed."""
    if pgbouncer.installed() is None:
        if os.environ.get("SLUICE_REQUIRE_PGBOUNCER") == "1":
            pytest.fail("PgBouncer is required here and not installed")
        pytest.skip("PgBouncer is not installed")
    pooler = pgbouncer.PgBouncer(
        postgres_server, database, scratch / f"pgbouncer-{database.name}", scratch / "pgbouncer.log"
    )
    pooler.start()
    yield pooler.url
    pooler.stop()


@pytest.fixture
def rows(database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The owner's connection, to look at what was stored."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def cloud(scratch: Path) -> Iterator[aws.MiniStack]:
    """An embedded AWS without IAM, for adapters; ``cloud.environment()`` says how to reach it."""
    places = Places(scratch / "aws")
    places.make()
    stack = aws.new(places)
    stack.start(auth=False)
    yield stack
    stack.stop()
