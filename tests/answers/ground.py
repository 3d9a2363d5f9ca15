"""What all rounds of a process stand on: a database, a simulated vendor, and a time that moves only when told."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from local import postgres
from local.places import PROJECT
from local.postgres import Database
from local.vendors.cars.server import vendor_in_thread as cars
from local.vendors.loopback.clock import VendorClock
from local.vendors.mixpanel.server import vendor_in_thread as mixpanel
from local.vendors.shipbob.server import vendor_in_thread as shipbob
from sluice.observability.logs import logger
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.migrations import apply_migrations
from sluice.sources.connections import VendorConnections
from tests.unit.sources.cars_vendor import Clock as Calendar

Rows = psycopg.Connection[dict[str, Any]]
IN_THREAD: Mapping[str, Callable[[VendorClock], AbstractContextManager[str]]] = {
    "cars": cars,
    "shipbob": shipbob,
    "mixpanel": mixpanel,
}
VENDORS = tuple(IN_THREAD)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('public', 'sluice') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname NOT LIKE 'sluice_migration%' AND c.relname <> 'audit'
"""


_CLOCK = """
CREATE SCHEMA IF NOT EXISTS answers;
CREATE TABLE IF NOT EXISTS answers.clock (at timestamptz);
INSERT INTO answers.clock SELECT pg_catalog.now() WHERE NOT EXISTS (SELECT FROM answers.clock);
CREATE OR REPLACE FUNCTION answers.now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN (SELECT at FROM answers.clock);
GRANT USAGE ON SCHEMA answers TO sluice_app;
GRANT SELECT ON answers.clock TO sluice_app;
"""
"""What the application runs finds this ``now()`` before the built-in one, as in ``tests/chaos/database_clock.py``;
here it stands. What columns have by default is the machine's time, which is before any world's."""


class Clock:
    """Everybody's time: the vendor's, the workers' and the database's. Nothing waits for it.

    ``monotonic`` (seconds) is the machine's as it was when ``look`` was last called, so that no cursor depends
    on how long an answer took; deadlines count from there.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.look()

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def look(self) -> None:
        self._looked_at = time.monotonic()

    def monotonic(self) -> float:
        return self._looked_at


def noon(day: date) -> datetime:
    """When a round's world begins."""
    return datetime.combine(day, time_of_day(12), UTC)


@dataclass(frozen=True)
class Ground:
    """``rows`` is the owner's view; ``commits`` what slices are stored through. ``day`` is when worlds begin: near
    the database's own day, since no partition of events is made far ahead of it. ``serve`` begins a vendor anew, in
    place of the one before, whose clock had moved on, and tells its address."""

    vendor: str
    day: date
    rows: Rows
    commits: PostgresCommits
    serve: Callable[[], str]

    def emptied(self) -> None:
        """A database as if no round had been before."""
        found = [(row["nspname"], row["relname"]) for row in self.rows.execute(_TABLES)]
        deletes = (sql.SQL("DELETE FROM {};").format(sql.Identifier(*each)) for each in found)
        self.rows.execute(
            sql.SQL("").join(deletes)
        )  # five times as fast as TRUNCATE of so few rows

    def tell_time(self, at: datetime) -> None:
        """To the database."""
        self.rows.execute("UPDATE answers.clock SET at = %s", (at,))

    def connections(self, clock: Clock) -> VendorConnections:
        """Of one round: nothing that was doubted before is known. Waits are taken as slept, by the accounts' own
        calendar, which they move on."""
        calendar = Calendar(clock.at)
        return VendorConnections(
            allow_loopback=True,
            clock=calendar,
            sleep=calendar.sleep,
            monotonic=clock.monotonic,
        )


@contextmanager
def standing(vendor: str, database: Database, day: date, *, apart: bool = True) -> Iterator[Ground]:
    """The vendor in a process of its own, or in a thread of this one, and connections to the database."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(_CLOCK)
        owner.execute(
            sql.SQL("ALTER DATABASE {} SET search_path = answers, pg_catalog, public").format(
                sql.Identifier(database.name)
            )
        )
    connection = PostgresConnection(database.app_url)
    with (
        _only_the_worst_is_logged(),
        (_in_process if apart else _in_thread)(vendor, noon(day)) as serve,
        psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as rows,
    ):
        yield Ground(vendor, day, rows, PostgresCommits(connection), serve)
        connection.close()


@contextmanager
def _only_the_worst_is_logged() -> Iterator[None]:
    """Accounts are stopped and breakers opened all the time."""
    before = logger.log_level
    logger.setLevel("CRITICAL")
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _in_thread(vendor: str, start: datetime) -> Iterator[Callable[[], str]]:
    with ExitStack() as stack:

        def serve() -> str:
            stack.pop_all().close()
            return stack.enter_context(IN_THREAD[vendor](VendorClock(start.timestamp)))

        yield serve


@contextmanager
def _in_process(vendor: str, start: datetime) -> Iterator[Callable[[], str]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(vendor, start, theirs), daemon=True)
    process.start()
    theirs.close()

    def serve() -> str:
        ours.send(None)
        return str(ours.recv())

    try:
        yield serve
    finally:
        ours.close()
        process.join(timeout=10)


def _serve(vendor: str, start: datetime, pipe: Connection) -> None:
    """Until the other end is closed, or its process has died."""
    with _in_thread(vendor, start) as serve:
        while True:
            try:
                pipe.recv()
            except (EOFError, KeyboardInterrupt):
                return
            pipe.send(serve())


@contextmanager
def throw_away_databases(count: int) -> Iterator[Sequence[Database]]:
    """Migrated databases of an embedded Postgres that does not wait for the disk; gone afterwards."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    server = postgres.create(folder / "postgres", folder / "postgres.log")
    try:
        server.start(fsync="off", full_page_writes="off")
        made = [postgres.create_database(server, f"answers_{at}") for at in range(count)]
        for each in made:
            for phase in ("pre", "post"):
                apply_migrations(each.owner_url, phase=phase, folder=PROJECT / "migrations")
        yield made
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
