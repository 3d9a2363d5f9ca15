"""Programs that suites share: one embedded Postgres, one embedded AWS, each started when first asked for."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from local import aws, pgbouncer, postgres
from local.places import PROJECT, Places
from local.postgres import Database, Postgres
from sluice.observability.logs import logger
from sluice.postgres.migrations import apply_migrations

BUSY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
"""No test fails because the machine is busy, or because the first one to draw texts makes the table of characters."""

settings.register_profile("per-change", derandomize=True, **BUSY)
settings.register_profile("explore", derandomize=False, **BUSY)
settings.load_profile("explore" if os.environ.get("SLUICE_EXPLORE") else "per-change")
"""A change is judged by the same examples every time; `make faults` looks for new ones."""


def pytest_collection_finish() -> None:
    """The thousands of tests that were collected live to the end: no collection of garbage looks through them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def services_described_once() -> Iterator[None]:
    """What botocore reads of AWS's services is kept for all sessions: tests make hundreds, of 0.1 s each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(autouse=True)
def every_level_of_logs_is_put_back() -> Iterator[None]:
    """The logger is every test's: whoever quiets it for good makes others deaf, in an order that chance decides."""
    before = logger.log_level
    yield
    assert logger.log_level == before, "this test has changed what is logged, and left it so"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for this session's programs, under .sluice/, gone afterwards."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
ROOM_BYTES = 4 << 30
"""What the memory file system must have left before a database server is kept in it."""


@pytest.fixture(scope="session")
def copying_room(scratch: Path) -> Iterator[Path]:
    """Where databases are copied fast: in memory where there is much of it, or else ``scratch``."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        yield scratch
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="sluice-tests-") as folder:
        Path(folder).chmod(0o755)  # the server is not this user where that is root
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(scratch: Path, copying_room: Path) -> Iterator[Postgres]:
    """An embedded Postgres; use ``database`` for one of its databases.

    It does not wait for the disk, since it gets a new database for every other test: a test that
    crashes a server starts one of its own.
    """
    server = postgres.create(copying_room / "postgres", scratch / "postgres.log")
    server.start(fsync="off", full_page_writes="off", max_wal_size="512MB")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated(postgres_server: Postgres) -> Database:
    """The database that others are copied from: all migrations applied, no rows."""
    database = postgres.create_database(postgres_server, "sluice_template")
    for phase in ("pre", "post"):
        apply_migrations(database.owner_url, phase=phase, folder=PROJECT / "migrations")
    return database


class Copies:
    """Copies of the migrated database, one made ahead and the used ones dropped while tests run: either takes
    about as long as a small test."""

    def __init__(self, server: Postgres, template: Database) -> None:
        self._server = server
        self._template = template
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="copies")
        self._dropper = ThreadPoolExecutor(1, thread_name_prefix="drops")
        self._drops: list[Future[None]] = []
        self._next = self._maker.submit(self._made)

    def take(self) -> Database:
        """A fresh one; the next is begun."""
        made = self._next.result()
        self._next = self._maker.submit(self._made)
        return made

    def drop(self, database: Database) -> None:
        """Some time soon; what cannot be dropped fails the session at its end."""
        self._drops.append(self._dropper.submit(self._dropped, database))

    def close(self) -> None:
        self.drop(self._next.result())
        for each in self._drops:
            each.result()
        self._maker.shutdown()
        self._dropper.shutdown()

    def _made(self) -> Database:
        name, template = f"t_{secrets.token_hex(6)}", self._template
        create = sql.SQL(
            "CREATE DATABASE {} TEMPLATE {} OWNER sluice_template_owner STRATEGY FILE_COPY"
        ).format(sql.Identifier(name), sql.Identifier(template.name))
        self._server.execute(create)
        return Database(
            name,
            template.owner_url.removesuffix(template.name) + name,
            template.app_url.removesuffix(template.name) + name,
            template.app_user,
            template.app_password,
        )

    def _dropped(self, database: Database) -> None:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name))
        self._server.execute(drop)


@pytest.fixture(scope="session")
def copies(postgres_server: Postgres, migrated: Database) -> Iterator[Copies]:
    made = Copies(postgres_server, migrated)
    yield made
    made.close()


@pytest.fixture
def database(copies: Copies) -> Iterator[Database]:
    """A fresh migrated database with its owner's and its application's URL; dropped afterwards."""
    taken = copies.take()
    yield taken
    copies.drop(taken)


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
