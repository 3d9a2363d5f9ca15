"""Work lists: a question to the database, answered by column name; and derive steps that answer amiss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from local.postgres import Database
from sluice.core.errors import CommitUnknown, DatabaseUnavailable, InvariantBroken
from sluice.core.ports import Stream
from sluice.core.records import Derivation, Derive, WorkList
from sluice.core.slices import Counts
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from tests.contract.deriving import COUNTED, SIZED, SMALL, Sized
from tests.contract.stores import (
    KEY,
    NOW,
    OTHER,
    SIZED_STREAM,
    PostgresStore,
    Store,
    Things,
    Worker,
    draft,
)
from tests.memory.streams import thing
from tests.tcp_proxy import TcpProxy


def test_a_work_list_names_rows_by_column(store: Store) -> None:
    """Of its own client, as many as it may, with its own parameters and ours."""
    worker = Worker(store)
    worker.commit(*[thing(f"t{size}", size) for size in (5, 4, 2, 1)], thing("t0", 0))
    Worker(store, OTHER).commit(thing("other", 1))
    claim = worker.claim()
    named = store.commits.due(claim, SMALL, now=NOW, limit=2)
    assert list(named) == [
        {"thing_id": "t0", "size": 0, "asked_at": NOW},
        {"thing_id": "t1", "size": 1, "asked_at": NOW},
    ]
    all_below_five = replace(SMALL, parameters={"below": 5})
    assert len(store.commits.due(claim, all_below_five, now=NOW, limit=9)) == 4


def test_its_own_limit_goes_before_the_slices(store: Store) -> None:
    worker = Worker(store)
    worker.commit(thing("a"), thing("b"))
    own = replace(SMALL, parameters={"below": 3, "limit": 1})
    assert len(store.commits.due(worker.claim(), own, now=NOW, limit=9)) == 1


def test_an_empty_work_list_changes_nothing(store: Store) -> None:
    worker = Worker(store)
    claim, before = worker.claim(), store.chain(KEY)
    assert list(store.commits.due(claim, SMALL, now=NOW, limit=9)) == []
    assert store.chain(KEY) == before


# --- what only Postgres can show ----------------------------------------------------------------------


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def real(database: Database, owner: psycopg.Connection[Any]) -> Iterator[PostgresStore]:
    made = PostgresStore(database.app_url, owner)
    yield made
    made.connection.close()


def step(sql: str) -> Derive:
    return Derive("count", Derivation("count", sql), {"counted": True})


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT 1 AS n WHERE false", "answered 0 rows"),
        ("SELECT 1 AS n UNION SELECT 2", "answered 2 rows"),
        ("SELECT NULL::bigint AS n", "n is None"),
        ("SELECT 'many' AS n", "n is 'many'"),
        ("SELECT 0.5 AS n", r"n is Decimal\('0.5'\)"),
        ("SELECT 'NaN'::numeric AS n", r"n is Decimal\('NaN'\)"),
        ("SELECT 1 / 0 AS n", "division by zero"),
    ],
)
def test_a_derive_step_that_answers_amiss_is_a_bug_with_its_name(
    real: PostgresStore, sql: str, says: str
) -> None:
    worker = Worker(real)
    with pytest.raises(InvariantBroken, match=f"derive step 'count'.*{says}"):
        worker.commit(thing("a"), derive=step(sql))
    assert real.rows("acme") == {}


def test_a_sum_is_a_number_whatever_its_type(real: PostgresStore) -> None:
    """A sum of bigint is numeric in Postgres."""
    sql = "SELECT sum(n)::bigint AS plain, sum(n::bigint) AS numeric FROM generate_series(1, 3) n"
    assert Worker(real).commit(derive=step(sql)).derived == {"plain": 6, "numeric": 6}


def test_the_log_keeps_the_numbers_by_name(
    real: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    """And nothing for a slice without a derive step."""
    worker = Worker(real, KEY, SIZED_STREAM)
    worker.commit(thing("a"))
    worker.commit(derive=COUNTED)
    found = owner.execute("SELECT derived, note FROM sluice.commit_log ORDER BY seq").fetchall()
    numbers = {"closed": 1, "parts": 100}
    assert found == [(None, None), (numbers, "closed 1, parts 100")]


def test_a_document_that_names_one_thing_twice_is_rejected(real: PostgresStore) -> None:
    """Its own derivation meets it twice; the stream goes on without it."""
    twice = """
INSERT INTO public.sizes AS s (client_id, thing_id, part, alive)
SELECT %(client_id)s, t.thing_id, n, true FROM public.things t, generate_series(1, t.size) n
 WHERE t.client_id = %(client_id)s AND t.thing_id IN (SELECT id FROM written) ORDER BY t.thing_id
ON CONFLICT (client_id, thing_id) DO UPDATE SET part = excluded.part
"""
    table = replace(SIZED, derivations=(Derivation("unfold", twice),))
    worker = Worker(real, KEY, cast(Stream, Things(table)))
    counts = worker.commit(thing("a", 1), thing("b", 2), thing("c", 1)).counts
    assert counts == Counts(read=3, inserted=2, rejected=1)
    assert set(real.sizes("acme")) == {"a", "c"}
    assert real.rejects()[0].reason.startswith(
        "unfold: ON CONFLICT DO UPDATE command cannot affect"
    )


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    made = TcpProxy(("127.0.0.1", int(urlsplit(database.app_url).port or 0)))
    yield made
    made.close()


@pytest.fixture
def behind(
    database: Database, proxy: TcpProxy, owner: psycopg.Connection[Any]
) -> Iterator[PostgresStore]:
    """Postgres behind the proxy."""
    url = urlsplit(database.app_url)
    way = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}"))
    made = PostgresStore(urlunsplit(way), owner)
    yield made
    made.connection.close()


def test_numbers_of_a_commit_whose_answer_was_lost_are_looked_up(
    behind: PostgresStore, proxy: TcpProxy
) -> None:
    worker = Worker(behind, KEY, SIZED_STREAM)
    worker.commit()
    claim = worker.claim()
    proxy.cut(b"COMMIT\0", "unanswered")
    stored = behind.commits.commit(claim, draft(claim, [thing("a")], derive=COUNTED), SIZED_STREAM)
    assert proxy.cuts == 1
    assert (stored.derived, stored.note) == ({"closed": 1, "parts": 100}, "closed 1, parts 100")
    assert behind.sizes("acme")["a"].alive is False


@pytest.mark.parametrize("word", [b"public.sizes", b"AS closed", b"INSERT INTO written"])
def test_a_connection_cut_while_deriving_stores_nothing(
    behind: PostgresStore, proxy: TcpProxy, word: bytes
) -> None:
    """Neither the rows nor what follows from them; the next slice makes both."""
    worker = Worker(behind, KEY, SIZED_STREAM)
    claim = worker.claim()
    proxy.cut(word, "unanswered")
    with pytest.raises(CommitUnknown):
        behind.commits.commit(claim, draft(claim, [thing("a")], derive=COUNTED), SIZED_STREAM)
    assert (proxy.cuts, behind.rows("acme"), dict(behind.sizes("acme"))) == (1, {}, {})
    worker.commit(thing("a"))
    assert behind.sizes("acme") == {"a": Sized(100, True, 1)}


def test_a_table_without_derivations_pays_nothing_for_them(
    behind: PostgresStore, proxy: TcpProxy
) -> None:
    """No statement of its slices names what only derivations need, though rows are written and removed."""
    worker = Worker(behind)
    worker.commit(thing("a"), thing("b"))
    proxy.cut(b"written", "unanswered")
    gone = worker.judged("a")
    assert worker.commit(thing("c"), archived=["b"], deletions=gone, deleted_generation=1).seq == 2
    assert proxy.cuts == 0


def test_a_work_list_that_takes_too_long_is_tried_again_later(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    """The statement timeout ends it; the slice is deferred as for any database that does not answer."""
    slow = WorkList("slow", "SELECT pg_sleep(30)")
    impatient = PostgresConnection(database.app_url, statement_timeout=timedelta(milliseconds=100))
    commits = PostgresCommits(impatient)
    claim = commits.claim(KEY, 1)
    assert claim is not None
    with pytest.raises(DatabaseUnavailable):
        commits.due(claim, slow, now=NOW, limit=9)
    impatient.close()
