"""What only a real server can show: lost answers, killed backends, tuples not written, rows locked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from local.postgres import Database
from sluice.core.errors import CommitUnknown, SluiceError, Superseded
from sluice.core.records import Reconcile
from sluice.core.slices import Counts
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from tests.contract.stores import KEY, STREAM, PostgresStore, Worker, draft
from tests.memory.streams import THINGS, thing
from tests.oracle import chain_faults
from tests.tcp_proxy import Cut, TcpProxy


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    made = TcpProxy(("127.0.0.1", int(urlsplit(database.app_url).port or 0)))
    yield made
    made.close()


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(
    database: Database, proxy: TcpProxy, owner: psycopg.Connection[Any]
) -> Iterator[PostgresStore]:
    """Postgres behind the proxy."""
    url = urlsplit(database.app_url)
    behind = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}"))
    made = PostgresStore(urlunsplit(behind), owner)
    yield made
    made.connection.close()


def cut_commit(store: PostgresStore, proxy: TcpProxy, how: Cut) -> Any:
    """A slice whose COMMIT meets the cut; what the engine is told."""
    worker = Worker(store)
    worker.commit(thing("before"))
    claim = worker.claim()
    proxy.cut(b"COMMIT\0", how)  # the statement, not ON COMMIT DROP
    made = draft(claim, [thing("before", 2), thing("new"), thing("bad", "big")])
    try:
        return store.commits.commit(claim, made, STREAM)
    except SluiceError as error:
        return error


def test_a_commit_whose_answer_is_lost_is_found_by_its_slice(
    store: PostgresStore, proxy: TcpProxy
) -> None:
    """The data is durable; the engine learns so on a new connection, with the true counts."""
    committed = cut_commit(store, proxy, "unanswered")
    assert proxy.cuts == 1
    assert (committed.seq, committed.cursor, committed.has_more) == (2, {"at": 2}, True)
    assert committed.counts == Counts(read=3, inserted=1, updated=1, rejected=1)
    assert store.rows("acme")["before"].size == 2
    assert list(chain_faults(*store.chain(KEY))) == []


def test_a_commit_that_never_arrived_is_given_up(store: PostgresStore, proxy: TcpProxy) -> None:
    """Nothing is stored and nothing is replayed: the next worker reads anew from the old cursor."""
    error = cut_commit(store, proxy, "unheard")
    assert proxy.cuts == 1
    assert isinstance(error, CommitUnknown)
    assert set(store.rows("acme")) == {"before"}
    assert store.rejects() == []
    assert store.chain(KEY)[1].seq == 1


def test_a_commit_heard_after_its_sender_gave_up_is_found_by_the_next_worker(
    store: PostgresStore, proxy: TcpProxy
) -> None:
    """The look-up may come too early to see it. Nobody replays, and the next claim waits for the row:
    whatever became of the slice, it is known by then."""
    told = cut_commit(store, proxy, "late")
    claim = store.commits.claim(KEY, 99)
    assert claim is not None
    assert claim.seq == store.chain(KEY)[1].seq
    if not isinstance(told, CommitUnknown):
        assert claim.seq == told.seq
    assert set(store.rows("acme")) == ({"before", "new"} if claim.seq == 2 else {"before"})
    assert list(chain_faults(*store.chain(KEY))) == []


@pytest.mark.parametrize("word", [b"incoming", b"staged", b"sync_commit", b"commit_log"])
def test_a_connection_cut_within_the_transaction_stores_nothing(
    store: PostgresStore, proxy: TcpProxy, word: bytes
) -> None:
    worker = Worker(store)
    claim = worker.claim()
    proxy.cut(word, "unanswered")
    with pytest.raises(CommitUnknown):
        store.commits.commit(claim, draft(claim, [thing("a"), thing("b")]), STREAM)
    assert store.rows("acme") == {}
    assert worker.commit(thing("a")).seq == 1


def test_unchanged_rows_cost_no_written_tuple(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    """Neither a new version of the row nor a lock on the old one: its place and its writer stay."""
    things = [thing(f"t{number}") for number in range(500)]
    worker = Worker(store)
    worker.commit(*things)
    look = (
        "SELECT thing_id, ctid::text, xmin::text, xmax::text FROM public.things ORDER BY thing_id"
    )
    before = owner.execute(look).fetchall()
    counts = worker.commit(*things[:-1], thing("t499", 2)).counts
    assert counts == Counts(read=500, unchanged=499, updated=1)
    changed = {
        row[0]
        for row, now in zip(before, owner.execute(look).fetchall(), strict=True)
        if row != now
    }
    assert changed == {"t499"}


def test_what_is_missing_is_found_in_a_large_table_that_was_never_analyzed(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    """The second listing of a new client comes before autovacuum does; the planner knows nothing."""
    owner.execute("ALTER TABLE public.things SET (autovacuum_enabled = false)")
    claim = Worker(store).claim()
    owner.execute(
        "INSERT INTO public.things SELECT 'acme', 't' || n, gen_random_uuid(), 1, 1, '{}',"
        " now() - interval '1 day', now() - interval '1 day' FROM generate_series(1, 60000) n"
    )
    owner.execute(
        "INSERT INTO sluice.sighting SELECT %s, 2, k, (SELECT array_agg('t' || n)"
        " FROM generate_series(k * 10000 + 4, k * 10000 + 10000) n) FROM generate_series(0, 5) k",
        (str(KEY),),
    )
    began = time.monotonic()
    step = Reconcile(generation=2, started_at=datetime.now(UTC))
    missing, candidates = store.commits.missing(claim, THINGS, step, limit=5)
    assert (missing.missing, missing.alive) == (18, 60_000)
    assert [c.record_id for c in candidates] == ["t1", "t10001", "t10002", "t10003", "t2"]
    assert time.monotonic() - began < 5, (
        "the statement timeout is 20 s; a nested loop takes minutes"
    )


def test_a_zombie_that_waits_for_the_lock_learns_that_it_is_superseded(
    store: PostgresStore, database: Database, owner: psycopg.Connection[Any]
) -> None:
    """Both reach the row; the newer holder commits first, and the older one then sees its token."""
    worker = Worker(store)
    old = worker.claim()
    outcome: list[object] = []
    zombie = PostgresCommits(PostgresConnection(database.app_url))

    def late_commit() -> None:
        try:
            outcome.append(zombie.commit(old, draft(old, [thing("a", 666)]), STREAM))
        except Superseded as error:
            outcome.append(error)

    with psycopg.connect(database.app_url) as newer:
        newer.execute("UPDATE sluice.sync_commit SET fencing_token = fencing_token + 1")
        thread = threading.Thread(target=late_commit)
        thread.start()
        _until_waiting_for_a_lock(owner)
        newer.commit()
    thread.join(10)
    zombie.connection.close()
    assert isinstance(outcome[0], Superseded)
    assert store.rows("acme") == {}


def _until_waiting_for_a_lock(owner: psycopg.Connection[Any]) -> None:
    waiting = (
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.datname = current_database()"
        " WHERE NOT l.granted"
    )
    for _ in range(1000):
        row = owner.execute(waiting).fetchone()
        if row and row[0]:
            return
        owner.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the zombie never came to the lock")
