"""All workers at once take at most half of the database's pool, and no harm when it lets nobody in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from local.pgbouncer import POOL_SIZE, installed
from sluice.core.keys import StreamKey
from tests.e2e.deployed import Deployed, until
from tests.e2e.test_catalogue import assert_in_step
from tests.e2e.test_database_troubles import dead_letters, slices_logged

pytestmark = pytest.mark.long

EVERY_S = 0.1
CLEANUP = 1
SLICES, BACKFILLS = "SLUICE_QUEUE_URL", "SLUICE_BACKFILL_QUEUE_URL"

needs_pooler = pytest.mark.skipif(installed() is None, reason="PgBouncer is not installed")


@dataclass
class Sampled:
    """Connections of the application's login: the most there were, and were in a transaction, at once.

    ``of_the_pooler`` is the most that PgBouncer itself counted, idle ones included; 0 without it.
    """

    open: int = 0
    in_use: int = 0
    of_the_pooler: int = 0
    looks: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def look(self, server: psycopg.Connection[Any], pooler: psycopg.Connection[Any] | None) -> None:
        found = server.execute(
            "SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity"
            " WHERE datname = 'sluice' AND usename = 'sluice_login'"
        ).fetchone()
        assert found is not None
        self.open, self.in_use = max(self.open, found[0]), max(self.in_use, found[1])
        if pooler is not None:
            self.of_the_pooler = max(self.of_the_pooler, _servers(pooler))
        self.looks += 1


def _servers(pooler: psycopg.Connection[Any]) -> int:
    cursor = pooler.execute("SHOW POOLS")
    columns = [column.name for column in cursor.description or ()]
    pools = [dict(zip(columns, row, strict=True)) for row in cursor]
    states = ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login")
    return sum(pool[state] for pool in pools for state in states if pool["database"] == "sluice")


@contextmanager
def pooler_of(deployed: Deployed) -> Iterator[psycopg.Connection[Any] | None]:
    """PgBouncer's own console, where it is installed."""
    if installed() is None:
        yield None
        return
    address = urlsplit(deployed.names["POOLED_DATABASE_URL"])
    url = address._replace(path="/pgbouncer").geturl()
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as console:
        yield console


@contextmanager
def sampling(deployed: Deployed) -> Iterator[Sampled]:
    """Look at the connections every 100 ms while the block runs."""
    sampled = Sampled()

    def look_again_and_again() -> None:
        url = deployed.names["POSTGRES_SUPERUSER_URL"]
        with psycopg.connect(url, autocommit=True) as server, pooler_of(deployed) as pooler:
            while not sampled.ended.wait(EVERY_S):
                sampled.look(server, pooler)

    thread = threading.Thread(target=look_again_and_again)
    thread.start()
    try:
        yield sampled
    finally:
        sampled.ended.set()
        thread.join()


@contextmanager
def nobody_can_commit(deployed: Deployed) -> Iterator[None]:
    """Whoever claims its stream waits inside its transaction: as when the database is slow, which is
    when a pool runs dry."""
    with psycopg.connect(deployed.names["DATABASE_URL"]) as owner:
        owner.execute("LOCK TABLE sluice.sync_commit IN ACCESS EXCLUSIVE MODE")
        yield


def workers(deployed: Deployed) -> int:
    """How many there may be at once, as Lambda was told for both queues."""
    answer = deployed.aws("lambda").list_event_source_mappings(
        FunctionName=deployed.names["SLUICE_WORKER_FUNCTION"]
    )
    counts = [m["ScalingConfig"]["MaximumConcurrency"] for m in answer["EventSourceMappings"]]
    assert len(counts) == 2
    return sum(counts)


def new_clients(deployed: Deployed, name: str, count: int) -> Sequence[StreamKey]:
    """Each is another client, since one alone runs no more than a few slices at once."""
    return [deployed.add_client(f"{name}-{number}", cars=120) for number in range(count)]


def test_all_workers_at_once_take_at_most_half_of_the_pool(deployed: Deployed) -> None:
    """Three times as many streams are due as there are workers, in both queues, and the database stands
    still until every worker waits for it."""
    most = workers(deployed)
    assert most + CLEANUP <= POOL_SIZE // 2
    fresh, old = new_clients(deployed, "fresh", 2 * most), new_clients(deployed, "old", most)
    began = datetime.now(UTC)
    with sampling(deployed) as sampled:
        with nobody_can_commit(deployed):
            deployed.ask(*fresh, queue=SLICES)
            deployed.ask(*old, queue=BACKFILLS)
            until(lambda: sampled.in_use >= most, f"{most} workers wait for the database", 60)
        deployed.invoke("cleanup")
        for key in (*fresh, *old):
            assert deployed.run_of(key, began)["outcome"] == "completed"
    assert sampled.looks > 20
    assert most - 1 <= sampled.in_use <= sampled.open <= POOL_SIZE // 2
    assert sampled.of_the_pooler <= POOL_SIZE // 2
    for key in (*fresh, *old):
        assert_in_step(deployed, key)


@contextmanager
def server_is_full(deployed: Deployed) -> Iterator[None]:
    """Postgres says "too many connections" to the application's login, and ends those it has."""
    allow = sql.SQL("ALTER ROLE sluice_login CONNECTION LIMIT {}")
    deployed.server.execute(allow.format(sql.Literal(0)))
    try:
        deployed.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sluice_login'"
        )
        yield
    finally:
        deployed.server.execute(allow.format(sql.Literal(-1)))


@contextmanager
def pooler_refuses(deployed: Deployed) -> Iterator[None]:
    """PgBouncer lets nobody in, and drops whom it knows."""
    with pooler_of(deployed) as console:
        assert console is not None
        console.execute("DISABLE sluice")
        try:
            console.execute("KILL sluice")
            yield
        finally:
            console.execute("RESUME sluice")
            console.execute("ENABLE sluice")


@pytest.mark.parametrize(
    "refusing", [server_is_full, pytest.param(pooler_refuses, marks=needs_pooler)]
)
def test_when_the_database_lets_nobody_in_every_slice_waits_by_delay(
    deployed: Deployed, refusing: Any
) -> None:
    """Each message is sent anew with a delay: not one waits out a receive that it burnt. So nothing comes
    near the dead-letter queue, and all of it is done seconds after the database is back."""
    keys = new_clients(deployed, refusing.__name__.replace("_", "-"), 10)
    dead, hidden = dead_letters(deployed), deployed.messages_in(SLICES).hidden
    began = datetime.now(UTC)
    with refusing(deployed):
        deployed.ask(*keys, queue=SLICES)
        until(lambda: all(_deferred(deployed, key) for key in keys), "every slice was put off")
        waiting = until(
            lambda: (found := deployed.messages_in(SLICES)).hidden <= hidden and found,
            "no message is held by a worker",
        )
        assert waiting.delayed + waiting.visible >= len(keys)
    for key in keys:
        run = deployed.run_of(key, began)
        assert (run["outcome"], run["last_error"]) == ("completed", None)
        assert_in_step(deployed, key)
    assert dead_letters(deployed) == dead
    until(lambda: _answers(deployed, "cleanup"), "cleanup has dropped the connection that it kept")
    failed = [line for line in deployed.log_lines("worker") if "slice_failed" in line]
    assert [line for line in failed for key in keys if key.client_id in line] == []


def _answers(deployed: Deployed, function: str) -> bool:
    """A function that kept its connection through the refusal fails once, and is called again on AWS."""
    try:
        deployed.invoke(function)
    except AssertionError:
        return False
    return True


def _deferred(deployed: Deployed, key: StreamKey) -> bool:
    """A tick may have served the stream before: that line is no deferral."""
    lines = [line for line in slices_logged(deployed, key) if line["outcome"] == "deferred"]
    assert all("DatabaseUnavailable" in line["detail"] for line in lines)
    return bool(lines)
