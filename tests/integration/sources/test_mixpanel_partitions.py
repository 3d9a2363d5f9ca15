"""Where Mixpanel's events lie: days as partitions, made and forgotten by two functions, and read alone."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from local.postgres import Database
from ops.verify import verify_mixpanel
from sluice.core.errors import DatabaseUnavailable, InvariantBroken, RowRejected
from sluice.core.keys import StreamKey
from sluice.core.records import Record
from sluice.postgres import tables
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.loader import merge
from sluice.postgres.partitions import EventPartitions, make_room
from sluice.sources.mixpanel.counting_sql import COUNT
from sluice.sources.mixpanel.events_table import EVENTS

Rows = psycopg.Connection[tuple[Any, ...]]
DAY = timedelta(days=1)
MAKE = "SELECT sluice.make_room_for_mixpanel_events(%s::date[])"


@pytest.fixture
def app(database: Database) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(database.app_url)
    yield connection
    connection.close()


@pytest.fixture
def today(rows: Rows) -> date:
    """By the database's clock."""
    found = rows.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchone()
    assert found is not None
    return found[0]


def partitions(rows: Rows) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'mixpanel_events'::regclass ORDER BY 1"
    return [row[0] for row in rows.execute(query)]


def event(day: date, number: object, who: str = "a", effects: str = '{"add": {"n": 1}}') -> Record:
    """A record whose values are in its body."""
    digest = hashlib.blake2b(f"{day} {number}".encode(), digest_size=16)
    at = datetime.combine(day, datetime.min.time(), UTC).isoformat()
    raw = json.dumps({"who": who, "at": at, "effects": effects}).encode()
    return Record(f"{day}/{digest.hexdigest()}", digest.digest(), raw)


def values(record: Record) -> Sequence[Any]:
    row = json.loads(record.raw)
    return ("e", row["who"], row["at"], "i", None, row["effects"])


def store(app: PostgresConnection, client: str, records: Sequence[Record]):
    """As a slice does."""
    make_room(app, EVENTS, records)
    with app.transaction() as tx:
        return merge(tx, EVENTS, client, records, seq=1, values=values)


def totals(rows: Rows, client: str) -> dict[str, tuple[Any, ...]]:
    found = rows.execute(
        "SELECT distinct_id, counters, flags, events_processed, first_event_time, last_event_time"
        " FROM public.mixpanel_subscribers WHERE client_id = %s",
        [client],
    )
    return {row[0]: row[1:] for row in found}


def known(rows: Rows, client: str) -> None:
    """A stream that has a cursor, as `sluice verify` wants."""
    rows.execute(
        "INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token)"
        " VALUES (%s, %s, 'mixpanel', 'events', 1)",
        [str(StreamKey(client, "mixpanel", "events")), client],
    )


def verified(rows: Rows, client: str):
    with rows.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return verify_mixpanel(cursor, client)


def test_a_partition_is_made_for_each_day_that_comes_and_once(app, rows, today):
    """What is not there is made before the slice's transaction; the next slice finds it."""
    store(app, "c", [event(today, 1), event(today - DAY, 1), event(today, 2)])
    made = partitions(rows)
    assert made == [f"mixpanel_events_{day:%Y%m%d}" for day in (today - DAY, today)]
    store(app, "c", [event(today, 3)])
    assert partitions(rows) == made
    assert totals(rows, "c")["a"][2] == 4


def test_readers_and_writers_of_other_days_go_on_while_one_is_made(app, rows, database, today):
    """ATTACH locks neither out; both hold their locks here while it is made."""
    store(app, "c", [event(today, 1)])
    with psycopg.connect(database.app_url) as busy:
        busy.execute("SELECT count(*) FROM public.mixpanel_events")
        busy.execute(
            "INSERT INTO public.mixpanel_events (client_id, event_id, content_hash, version, document)"
            " VALUES ('d', %s, %s, 1, '{}')",
            [event(today, 9).id, uuid.uuid4()],
        )
        store(app, "c", [event(today - DAY, 1)])
        assert len(partitions(rows)) == 2


def test_two_makers_of_the_same_day_do_not_meet(database, rows, today):
    """Whoever waits finds it made; neither fails."""
    days = [today - DAY * number for number in range(40)]
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def make() -> None:
        with psycopg.connect(database.app_url, autocommit=True) as connection:
            start.wait()
            try:
                for at in range(0, 40, 4):
                    connection.execute(MAKE, [days[at : at + 4]])
            except psycopg.Error as error:
                failures.append(error)

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert failures == []
    assert len(partitions(rows)) == 40


def test_a_maker_that_cannot_have_its_lock_soon_says_so(app, database, today):
    """In our words, so that the slice comes back later."""
    with psycopg.connect(database.owner_url) as other:
        other.execute("LOCK TABLE public.mixpanel_events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailable):
            make_room(app, EVENTS, [event(today, 1)])


def test_what_is_asked_of_the_makers_is_checked(app, rows, today):
    """No null, no flood; days out of reach get no room, and their rows are rejected one by one."""
    for bad in (None, [None], [today] * 401):
        with pytest.raises(psycopg.errors.InvalidParameterValue), app.transaction() as tx:
            tx.execute(MAKE, [bad])
    far = [today - 401 * DAY, today + 3 * DAY]
    merged = store(app, "c", [*(event(day, 1) for day in far), event(today, 1)])
    assert partitions(rows) == [f"mixpanel_events_{today:%Y%m%d}"]
    assert (merged.inserted, len(merged.rejects)) == (1, 2)
    assert all("no partition" in reject.reason for reject in merged.rejects)
    assert totals(rows, "c")["a"][2] == 1


def test_the_functions_are_their_owners_and_nobody_elses_way_in(rows):
    """A fixed search path, and no right for PUBLIC."""
    query = (
        "SELECT proname, prosecdef, proconfig::text, has_function_privilege('sluice_app', oid, 'EXECUTE'),"
        " proacl::text FROM pg_proc WHERE proname IN ('make_room_for_mixpanel_events', 'forget_mixpanel_events')"
    )
    found = rows.execute(query).fetchall()
    assert len(found) == 2
    for _, definer, config, may, grants in found:
        assert definer
        assert may
        assert "search_path=pg_catalog, pg_temp" in config
        assert "lock_timeout=2s" in config
        assert not any(grant.startswith("=") for grant in grants.strip("{}").split(","))


def test_recent_days_are_not_forgotten(app, rows, today):
    """They may be read again, and would count again."""
    forgets = EventPartitions(app)
    store(app, "c", [event(today - 99 * DAY, 1)])
    for bound in (today - 99 * DAY, today, today + DAY):
        with pytest.raises(InvariantBroken, match="last 100 days are kept"):
            forgets.forget(before=bound)
    assert forgets.forget(before=today - 100 * DAY) is None
    assert len(partitions(rows)) == 1


def test_forgotten_days_still_count_and_still_verify(app, rows, today):
    """Oldest first, one at a time; what they added is kept, and no later reading finds room to add it again."""
    old, older = today - 120 * DAY, today - 130 * DAY
    for day in (older, old):
        rows.execute(
            sql.SQL(
                "CREATE TABLE public.{} PARTITION OF public.mixpanel_events FOR VALUES FROM ({}) TO ({})"
            ).format(
                sql.Identifier(f"mixpanel_events_{day:%Y%m%d}"),
                sql.Literal(f"{day}"),
                sql.Literal(f"{day + DAY}"),
            )
        )
    records = [
        *(event(day, n, "a" if n % 2 else "b") for day in (older, old, today) for n in range(5)),
        event(older, "f", "c", '{"set": ["linked"], "add": {"cents": 0.10}}'),
    ]
    for client in ("one", "two"):
        known(rows, client)
        store(app, client, records)
    before = totals(rows, "one")
    forgets = EventPartitions(app)
    assert forgets.forget(before=older) is None
    assert forgets.forget(before=today - 101 * DAY) == older
    assert forgets.forget(before=today - 101 * DAY) == old
    assert forgets.forget(before=today - 101 * DAY) is None
    assert partitions(rows) == [f"mixpanel_events_{today:%Y%m%d}"]
    again = store(app, "one", records)
    assert (again.inserted, len(again.rejects)) == (0, 11)
    for client in ("one", "two"):
        assert totals(rows, client) == before
        assert verified(rows, client).equal
    rows.execute("DELETE FROM public.mixpanel_forgotten WHERE client_id = 'two'")
    assert verified(rows, "two").differences == 3
    assert verified(rows, "one").equal


def _plan(tx: psycopg.Connection[Any], query: sql.Composable, **more: Any) -> list[str]:
    explain = sql.SQL("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ") + query
    return [row[0] for row in tx.execute(explain, {"client_id": "c", **more})]


def _read(plan: Sequence[str]) -> set[str]:
    """Partitions that were read, by name."""
    scans = [
        line for line in plan if " on mixpanel_events_2" in line and "never executed" not in line
    ]
    words = {word for line in scans for word in line.split()}
    return {w for w in words if w.startswith("mixpanel_events_2") and not w.endswith("_pkey")}


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_batch_reads_its_own_days_only(app, rows, today, analyzed):
    """Of 60 partitions with 10,000 incoming rows: comparison and counting touch the batch's day."""
    rows.execute(MAKE, [[today - DAY * number for number in range(60)]])
    rows.execute(
        "INSERT INTO public.mixpanel_events (client_id, event_id, content_hash, version, distinct_id, document)"
        " SELECT 'c', to_char(current_date - d, 'YYYY-MM-DD') || '/' || md5(d || '/' || n), gen_random_uuid(), 1,"
        " 'u', '{}' FROM generate_series(0, 59) d, generate_series(1, 500) n"
    )
    if analyzed:
        rows.execute("ANALYZE public.mixpanel_events")
    expected = {f"mixpanel_events_{today - 3 * DAY:%Y%m%d}"}
    fill = sql.SQL(
        " SELECT to_char(current_date - 3, 'YYYY-MM-DD') || '/' || md5('3/' || n)"
        " AS id FROM generate_series(1, 10000) n"
    )
    with app.transaction() as tx:
        tx.execute("CREATE TEMP TABLE incoming (id text, hash uuid, version bigint) ON COMMIT DROP")
        tx.execute(sql.SQL("INSERT INTO incoming (id)") + fill)
        tx.execute("UPDATE incoming SET hash = gen_random_uuid(), version = 1")
        assert _read(_plan(tx, tables.compare(EVENTS), ties_win=True)) == expected
        tx.execute("CREATE TEMP TABLE written (id text) ON COMMIT DROP")
        tx.execute(tables.create_staged(EVENTS))
        tx.execute(sql.SQL("INSERT INTO written") + fill)
        assert _read(_plan(tx, sql.SQL(COUNT.sql))) == set()


def test_a_batch_is_looked_up_however_much_its_day_holds(app, rows, today):
    """Read by the bounds of its keys, which lie all over their day, each batch would read the whole day: slices
    of a large first load would take longer and longer, until none ends in time."""
    rows.execute(MAKE, [[today]])
    rows.execute(
        "INSERT INTO public.mixpanel_events (client_id, event_id, content_hash, version, distinct_id, document)"
        " SELECT 'c', to_char(current_date, 'YYYY-MM-DD') || '/' || md5(n::text), gen_random_uuid(), 1, 'u', '{}'"
        " FROM generate_series(1, 20000) n"
    )
    with app.transaction() as tx:
        tx.execute("CREATE TEMP TABLE incoming (id text, hash uuid, version bigint) ON COMMIT DROP")
        tx.execute(
            "INSERT INTO incoming SELECT to_char(current_date, 'YYYY-MM-DD') || '/' || md5('new' || n),"
            " gen_random_uuid(), 2 FROM generate_series(1, 1000) n"
        )
        plan = _plan(tx, tables.compare(EVENTS), ties_win=True)
    scans = [line for line in plan if " on mixpanel_events_2" in line]
    assert [line for line in scans if "loops=1000)" not in line] == []
    assert scans


def test_a_bad_effect_is_rejected_alone(app, rows, today):
    """Halved until it is found; what the others add is added once."""
    bad = event(today, "bad", "z", '{"add": {"n": "much"}}')
    records = [*(event(today, n) for n in range(9)), bad]
    merged = store(app, "c", records)
    assert (merged.inserted, [reject.record_id for reject in merged.rejects]) == (9, [bad.id])
    assert {who: each[2] for who, each in totals(rows, "c").items()} == {"a": 9}


amounts = st.decimals(-1000, 1000, places=2).filter(lambda n: n == n)
effects = st.fixed_dictionaries(
    {},
    optional={
        "add": st.dictionaries(st.sampled_from(["x", "y", "ä \"'"]), amounts, min_size=1),
        "set": st.lists(st.sampled_from(["f", "g"]), min_size=1, max_size=2, unique=True),
    },
)
batches = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 30), st.sampled_from(["a", "b", "c d", "é"]), st.integers(0, 4), effects
        ),
        max_size=12,
    ),
    min_size=1,
    max_size=5,
)


def _one_by_one(
    batches: Sequence[Sequence[tuple[Record, dict[str, Any]]]],
) -> dict[str, tuple[Any, ...]]:
    """The same in a loop: each subscriber's row read, changed and written back, an event after the other."""
    found: dict[str, list[Any]] = {}
    seen: set[str] = set()
    for batch in batches:
        last = {record.id: (record, what) for record, what in batch}  # of a batch the last one wins
        for record, what in last.values():
            if record.id in seen:
                continue
            seen.add(record.id)
            row = json.loads(record.raw)
            at = datetime.fromisoformat(row["at"])
            held = found.setdefault(row["who"], [{}, {}, 0, at, at])
            for name, amount in what.get("add", {}).items():
                held[0][name] = held[0].get(name, Decimal(0)) + amount
            held[1].update(dict.fromkeys(what.get("set", []), True))
            held[2] += 1
            held[3], held[4] = min(held[3], at), max(held[4], at)
    return {
        who: ({name: float(n) for name, n in held[0].items()}, *held[1:])
        for who, held in found.items()
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches)
def test_adding_up_in_sets_equals_adding_up_in_a_loop(app, rows, today, given_batches):
    """Over batches with repetitions, fractions, flags and several days."""
    client = uuid.uuid4().hex
    known(rows, client)
    made = []
    for batch in given_batches:
        records = []
        for number, who, back, what in batch:
            added = ", ".join(f"{json.dumps(k)}: {v:f}" for k, v in what.get("add", {}).items())
            parts = [f'"add": {{{added}}}'] if added else []
            parts += [f'"set": {json.dumps(what["set"])}'] if "set" in what else []
            records.append(
                (event(today - back * DAY, number, who, f"{{{', '.join(parts)}}}"), what)
            )
        made.append(records)
        store(app, client, [record for record, _ in records])
    stored = {
        who: ({name: float(n) for name, n in each[0].items()}, *each[1:])
        for who, each in totals(rows, client).items()
    }
    assert stored == _one_by_one(made)
    assert verified(rows, client).equal


def test_values_that_are_refused_make_no_row(app, rows, today):
    """A reject of the stream's own is none of the database's."""

    def refuse(record: Record) -> Sequence[Any]:
        raise RowRejected("no", field="properties.amount")

    records = [event(today, 1)]
    make_room(app, EVENTS, records)
    with app.transaction() as tx:
        merged = merge(tx, EVENTS, "c", records, seq=1, values=refuse)
    assert (merged.inserted, len(merged.rejects)) == (0, 1)
    assert totals(rows, "c") == {}
