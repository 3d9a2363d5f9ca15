"""The database's breakers: what they break is broken, what was committed stays, and all comes back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from local import pgbouncer
from sluice.core.errors import DatabaseUnavailable
from sluice.postgres.connection import PostgresConnection
from tests.chaos.database import STANDS_STILL_S, ChaosDatabase, wait_for_replay
from tests.chaos.tcp_proxy import TcpProxy

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def database(scratch: Path) -> Iterator[ChaosDatabase]:
    if pgbouncer.installed() is None:
        if os.environ.get("SLUICE_REQUIRE_PGBOUNCER") == "1":
            pytest.fail("PgBouncer is required here and not installed")
        pytest.skip("PgBouncer is not installed")
    made = ChaosDatabase(scratch / "chaos", {"fsync": "off"})
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def proxy(database: ChaosDatabase) -> Iterator[TcpProxy]:
    made = TcpProxy(database.address, seed=2)
    yield made
    made.close()


@pytest.fixture
def worker(database: ChaosDatabase, proxy: TcpProxy) -> Iterator[PostgresConnection]:
    """A worker's connection: proxy, pooler, server."""
    made = PostgresConnection(database.url_through(proxy.port))
    yield made
    made.close()


def committed(database: ChaosDatabase, key: str) -> int:
    """How many times ``commit_once`` was stored for ``key``."""
    with psycopg.connect(database.database.owner_url) as owner:
        row = owner.execute(
            "SELECT seq FROM sluice.sync_commit WHERE stream_key = %s", (key,)
        ).fetchone()
    return int(row[0]) if row else 0


def commit_once(worker: PostgresConnection, key: str) -> None:
    with worker.transaction() as tx:
        tx.execute(
            "INSERT INTO sluice.sync_commit AS c"
            " (stream_key, client_id, source, stream, fencing_token, seq)"
            " VALUES (%s, 'chaos', 'cars', 'cars', 1, 1)"
            " ON CONFLICT (stream_key) DO UPDATE SET seq = c.seq + 1",
            (key,),
        )


def until_committed(worker: PostgresConnection, key: str) -> None:
    """As a worker does it: what failed is tried again, and nobody has to help."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return commit_once(worker, key)
        except DatabaseUnavailable:
            assert time.monotonic() < deadline, "the database does not come back"
            time.sleep(0.1)


def lose_within_a_transaction(worker: PostgresConnection, disturb: Callable[[], object]) -> None:
    def disturbed() -> None:
        with worker.transaction() as tx:
            disturb()
            tx.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        disturbed()


@pytest.mark.parametrize(
    ("kind", "stored"), [("commit_unanswered", 1), ("commit_unheard", 0), ("commit_late", 1)]
)
def test_a_commit_fails_for_the_client_and_is_stored_or_not(
    database: ChaosDatabase,
    proxy: TcpProxy,
    worker: PostgresConnection,
    kind: str,
    stored: int,
) -> None:
    key = f"chaos#cars#cars#{kind}"
    commit_once(worker, "warm")
    proxy.weather(**{kind: 1.0})
    with pytest.raises(DatabaseUnavailable):
        commit_once(worker, key)
    proxy.weather()
    assert proxy.counts()[kind] == 1
    deadline = time.monotonic() + 2
    while committed(database, key) < 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert committed(database, key) == stored


def test_backends_within_a_transaction_are_ended_before_idle_ones(
    database: ChaosDatabase, worker: PostgresConnection
) -> None:
    idle = [psycopg.connect(database.database.app_url) for _ in range(3)]
    ended: list[int] = []
    lose_within_a_transaction(worker, lambda: ended.append(database.terminate_backends(1)))
    for each in idle:
        each.execute("SELECT 1")
        each.close()
    assert ended == [1]
    until_committed(worker, "after backends")


def test_a_crash_ends_what_ran_and_keeps_what_was_committed(
    database: ChaosDatabase, worker: PostgresConnection
) -> None:
    commit_once(worker, "before the crash")
    before = database.incarnation
    lose_within_a_transaction(worker, lambda: database.crash(away_s=0.2))
    until_committed(worker, "before the crash")
    assert committed(database, "before the crash") == 2
    assert database.incarnation == before


def test_a_pooler_that_is_killed_restarted_or_paused_comes_back(
    database: ChaosDatabase, worker: PostgresConnection
) -> None:
    for disturb in (database.kill_pooler, database.restart_pooler):
        lose_within_a_transaction(worker, disturb)
        until_committed(worker, "after the pooler")
    assert database.pause_resume_pooler() is True
    commit_once(worker, "after the pooler")
    with worker.transaction():
        assert database.pause_resume_pooler() is False  # an open transaction cannot be waited for
    commit_once(worker, "after the pooler")


def test_a_failover_loses_what_its_replica_never_received(
    database: ChaosDatabase, proxy: TcpProxy, worker: PostgresConnection
) -> None:
    """Data and position together; the pooler leads to the new primary by itself."""
    commit_once(worker, "failover")
    database.prepare_replica()
    before, port = database.incarnation, database.server.port
    stop = threading.Event()
    acknowledged: list[str] = ["failover"]
    made = threading.Thread(target=commit_until, args=(worker, acknowledged, stop))
    made.start()
    cost = database.fail_over_losing_commits(most_s=PATIENCE_S, at_least=5)
    stop.set()
    made.join(PATIENCE_S)
    assert cost.lost_commits >= 5
    assert database.incarnation == before + 1
    assert database.server.port != port
    assert 1 <= committed(database, "failover") <= len(acknowledged) - 4  # one may be unanswered


def test_a_record_that_was_cut_in_the_middle_is_not_waited_for() -> None:
    """Received and never replayed: replay stands still where the last whole record ended."""
    places = iter(["0/10", "0/20", "0/20"])
    asked = []

    def ask() -> tuple[bool, str]:
        asked.append(next(places, "0/20"))
        return False, asked[-1]

    began = time.monotonic()
    wait_for_replay(ask)
    assert STANDS_STILL_S <= time.monotonic() - began < PATIENCE_S
    assert len(asked) > 3
    wait_for_replay(lambda: (True, "0/30"))


def commit_until(worker: PostgresConnection, made: list[str], stop: threading.Event) -> None:
    """Commit for ``made``'s key; each that was acknowledged is one more in the list."""
    while not stop.is_set():
        until_committed(worker, made[0])
        made.append(made[0])


def test_two_failovers_in_a_row_each_keep_what_was_replicated(
    database: ChaosDatabase, worker: PostgresConnection
) -> None:
    for _ in range(2):
        commit_once(worker, "twice")
        assert database.fail_over_losing_commits(most_s=0.1).lost_commits == 0
        until_committed(worker, "twice")
    assert committed(database, "twice") == 4


def test_a_restored_backup_is_the_older_state(
    database: ChaosDatabase, worker: PostgresConnection
) -> None:
    commit_once(worker, "restore")
    database.snapshot()
    for _ in range(3):
        commit_once(worker, "restore")
    before = database.incarnation
    assert database.restore_snapshot() == 3
    assert committed(database, "restore") == 1
    assert database.incarnation == before + 1
    until_committed(worker, "restore")
    assert committed(database, "restore") == 2
