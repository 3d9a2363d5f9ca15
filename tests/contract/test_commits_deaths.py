"""Backends that die, servers that stay away, and workers that reach the same row at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from local.places import free_port
from local.postgres import Database, Postgres
from sluice.core.errors import CommitUnknown, DatabaseUnavailable, Superseded
from sluice.core.ports import Stream
from sluice.core.slices import Claim, Committed, Counts
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from tests.contract.stores import KEY, STREAM, PostgresStore, Things, Worker, draft
from tests.memory.streams import thing
from tests.oracle import chain_faults
from tests.tcp_proxy import TcpProxy

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = %s"


@pytest.fixture(params=["direct", "pooled"])
def url(request: pytest.FixtureRequest, database: Database) -> str:
    if request.param == "direct":
        return database.app_url
    pooled: str = request.getfixturevalue("pooled_url")
    return pooled


@pytest.fixture
def served(url: str, database: Database) -> Iterator[PostgresStore]:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        store = PostgresStore(url, owner)
        yield store
        store.connection.close()


@pytest.fixture
def kill_backends(postgres_server: Postgres, database: Database) -> Callable[[], int]:
    """Ends the application's sessions at the server, as a failover does; how many there were."""

    def kill() -> int:
        with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
            return len(admin.execute(KILL, (database.name, database.app_user)).fetchall())

    return kill


def test_a_backend_killed_within_the_transaction_stores_nothing(
    served: PostgresStore, kill_backends: Callable[[], int]
) -> None:
    """The slice is given up; the next one needs no help to find a server again."""
    kills: list[int] = []
    deadly = cast(Stream, Things(first=lambda _: kills.append(kill_backends())))
    worker = Worker(served)
    worker.commit(thing("before"))
    claim = worker.claim()
    with pytest.raises(CommitUnknown):
        served.commits.commit(claim, draft(claim, [thing("a")], sighting=1), deadly)
    assert kills[0] > 0
    assert set(served.rows("acme")) == {"before"}
    assert served.sighted(KEY) == {}
    assert worker.commit(thing("a")).counts == Counts(read=1, inserted=1)
    assert list(chain_faults(*served.chain(KEY))) == []


def test_a_backend_killed_between_two_transactions_is_no_more_than_a_retry(
    served: PostgresStore, kill_backends: Callable[[], int]
) -> None:
    """A warm environment keeps its connection; the first use after a failover says so and closes it.

    Behind the pooler it often works at once, and else fails in one of two ways: hence several turns.
    """
    worker = Worker(served)
    for turn in range(1, 11):
        with contextlib.suppress(DatabaseUnavailable):
            worker.claim()
            kill_backends()
            worker.claim()
        assert worker.commit(thing("a", turn)).seq == turn


def test_what_cannot_be_looked_up_is_found_by_the_next_worker(database: Database) -> None:
    """COMMIT's answer is lost and then the server cannot be reached: nobody knows, nobody replays."""
    at = urlsplit(database.app_url)

    def through(port: int) -> str:
        return urlunsplit(at._replace(netloc=at.netloc.replace(f":{at.port}", f":{port}")))

    proxy = TcpProxy(("127.0.0.1", int(at.port or 0)))
    ways = [through(proxy.port), through(free_port()), database.app_url]
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        store = PostgresStore(database.app_url, owner)
        store.commits = PostgresCommits(PostgresConnection(lambda: ways.pop(0)))
        claim = Worker(store).claim()
        proxy.cut(b"COMMIT\0", "unanswered")
        with pytest.raises(DatabaseUnavailable):
            store.commits.commit(claim, draft(claim, [thing("a")]), STREAM)
        found = store.commits.claim(KEY, 2)
        store.commits.connection.close()
        assert found is not None
        assert (found.seq, found.cursor, found.run_id) == (1, {"at": 1}, claim.run_id)
        assert set(store.rows("acme")) == {"a"}
    proxy.close()


@pytest.fixture
def crowd(url: str) -> Iterator[list[PostgresCommits]]:
    made = [PostgresCommits(PostgresConnection(url)) for _ in range(6)]
    yield made
    for each in made:
        each.connection.close()


def test_of_many_commits_on_one_claim_one_is_stored(
    served: PostgresStore, crowd: list[PostgresCommits]
) -> None:
    """Whatever made the same worker run six times: fence and seq let one through."""
    worker = Worker(served)

    def commit(commits: PostgresCommits, claim: Claim, size: int) -> Committed | Superseded:
        gate.wait()
        try:
            return commits.commit(claim, draft(claim, [thing("a", size)]), STREAM)
        except Superseded as error:
            return error

    gate = Barrier(len(crowd), timeout=30)
    with ThreadPoolExecutor(len(crowd)) as pool:
        for turn in range(1, 6):
            claim, sizes = worker.claim(), [turn * 10 + n for n in range(len(crowd))]
            ended = list(pool.map(commit, crowd, [claim] * len(crowd), sizes))
            (stored,) = [
                size for size, e in zip(sizes, ended, strict=True) if isinstance(e, Committed)
            ]
            assert served.rows("acme")["a"].size == stored
    assert list(chain_faults(*served.chain(KEY))) == []
    assert served.chain(KEY)[1].seq == 5


def test_of_many_claims_at_once_the_highest_is_the_fence(
    served: PostgresStore, crowd: list[PostgresCommits]
) -> None:
    """On a stream never seen before too, whose row each of them may be the first to make."""

    def claim(commits: PostgresCommits, token: int) -> Claim | None:
        gate.wait()
        return commits.claim(KEY, token)

    gate = Barrier(len(crowd), timeout=30)
    with ThreadPoolExecutor(len(crowd)) as pool:
        for turn in range(5):
            tokens = [turn * 10 + n for n in (3, 6, 1, 5, 2, 4)]
            granted = [c.fencing_token for c in pool.map(claim, crowd, tokens) if c is not None]
            assert max(tokens) in granted
            assert len(set(granted)) == len(granted)
            assert served.commits.fence(KEY) == max(tokens)
