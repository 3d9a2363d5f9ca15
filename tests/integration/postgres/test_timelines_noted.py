"""What reading a timeline does to the tracking of its shipment, in the transaction that stores it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import orjson
import psycopg
import pytest
from psycopg.rows import dict_row

from local.postgres import Database
from sluice.core.records import Record, Reject
from sluice.postgres.derivations import follow_removal
from sluice.postgres.loader import merge
from sluice.postgres.shipping import Merged
from sluice.sources.json_rows import record_of
from sluice.sources.shipbob.timelines_payloads import (
    SHAPE,
    no_timeline,
    odd_timeline,
    timeline_record,
    values_of,
)
from sluice.sources.shipbob.timelines_table import TIMELINES

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTES_15 = timedelta(minutes=15)


def read(shipment_id: str, **events: datetime) -> Record:
    """A timeline as it was read: ``e604=...`` is an event of that id."""
    told = [
        {"log_type_id": int(name[1:]), "timestamp": moment.isoformat()}
        for name, moment in events.items()
    ]
    row = orjson.dumps({"shipment_id": shipment_id, "events": told}).decode()
    return timeline_record(record_of(row, SHAPE))


@dataclass
class Store:
    """One client's tables, each change a transaction of the application."""

    connection: psycopg.Connection[tuple[Any, ...]]
    client_id: str = field(default_factory=lambda: f"client-{uuid.uuid4().hex[:12]}")
    seq: int = 0

    def track(self, shipment_id: str, created: datetime, **more: Any) -> None:
        """As an order's derivation leaves a new shipment."""
        row = {"is_open": True, "labelled_at": None, "delivered_at": None, **more}
        self.connection.execute(
            "INSERT INTO public.shipbob_tracking (client_id, shipment_id, order_id, created_at, labelled_at,"
            " delivered_at, is_open, tier, due_at) VALUES (%(client_id)s, %(id)s, 'o', %(created)s, %(labelled_at)s,"
            " %(delivered_at)s, %(is_open)s,"
            " CASE WHEN %(is_open)s THEN sluice.timeline_tier(%(labelled_at)s, %(created)s, now()) END,"
            " CASE WHEN %(is_open)s THEN sluice.timeline_due(NULL, %(labelled_at)s, %(created)s) END)",
            {**row, "client_id": self.client_id, "id": shipment_id, "created": created},
        )
        self.connection.commit()

    def read(self, *records: Record) -> Merged:
        """A slice that read these timelines."""
        self.seq += 1
        with self.connection.transaction():
            return merge(
                self.connection, TIMELINES, self.client_id, records, seq=self.seq, values=values_of
            )

    def tracked(self, shipment_id: str) -> dict[str, Any]:
        """The tracking row; ``wait`` is from its check to when it is due, ``age`` of its check in seconds."""
        return self._one(
            "SELECT *, due_at - checked_at AS wait, extract(epoch FROM now() - checked_at) AS age"
            " FROM (SELECT client_id, shipment_id, labelled_at, delivered_at, is_open, checked_at, tier,"
            " nullif(due_at, '-infinity') AS due_at FROM public.shipbob_tracking) k"
            " WHERE client_id = %s AND shipment_id = %s",
            shipment_id,
        )

    def stored(self, shipment_id: str) -> dict[str, Any]:
        """The shipment in the view that joins its events."""
        return self._one(
            "SELECT events, event_labelled_at, event_delivered_at, last_event_at, is_open"
            " FROM public.shipbob_shipment_timeline WHERE client_id = %s AND shipment_id = %s",
            shipment_id,
        )

    def _one(self, query: LiteralString, shipment_id: str) -> dict[str, Any]:
        with self.connection.transaction(), self.connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(query, [self.client_id, shipment_id]).fetchone()
        assert found is not None
        return found


@pytest.fixture
def store(shared_database: Database) -> Iterator[Store]:
    with psycopg.connect(shared_database.app_url) as connection:
        yield Store(connection)


def test_a_label_puts_a_shipment_into_the_first_tier(store):
    """Known from its timeline alone; the next check is 15 minutes after this one."""
    store.track("1", NOW - 2 * DAY)
    store.read(read("1", e601=NOW - 2 * DAY, e604=NOW - DAY))
    found = store.tracked("1")
    assert (found["tier"], found["wait"], found["labelled_at"]) == (0, MINUTES_15, NOW - DAY)
    assert found["is_open"]
    assert 0 <= found["age"] < 60
    assert store.stored("1")["event_labelled_at"] == NOW - DAY


@pytest.mark.parametrize(
    ("age", "tier", "wait"),
    [
        (5 * DAY, 1, 2 * HOUR),
        (20 * DAY, 2, 24 * HOUR),
        (44.5 * DAY, None, None),
        (50 * DAY, None, None),
    ],
)
def test_an_older_label_is_asked_for_less_often(store, age, tier, wait):
    """And beyond 45 days never again."""
    store.track("1", NOW - age - DAY)
    store.read(read("1", e604=NOW - age))
    found = store.tracked("1")
    assert (found["tier"], found["wait"], found["is_open"]) == (tier, wait, True)


def test_without_a_label_the_creation_counts(store):
    """In the share of shipments without a label, at the pace of its age."""
    store.track("1", NOW - DAY)
    store.track("2", NOW - 5 * DAY)
    store.read(read("1", e601=NOW - DAY), read("2", e601=NOW - 5 * DAY))
    assert [store.tracked(n)["tier"] for n in "12"] == [3, 3]
    assert [store.tracked(n)["wait"] for n in "12"] == [MINUTES_15, 2 * HOUR]


def test_a_label_once_known_stays_known(store):
    """A later timeline that lacks it does not make the shipment young again."""
    store.track("1", NOW - 9 * DAY)
    store.read(read("1", e601=NOW - 9 * DAY, e604=NOW - 8 * DAY))
    store.read(read("1", e601=NOW - 9 * DAY))
    found = store.tracked("1")
    assert (found["labelled_at"], found["tier"]) == (NOW - 8 * DAY, 1)
    assert store.stored("1")["event_labelled_at"] is None


def test_a_newer_label_takes_the_place_of_one_that_was_voided(store):
    """What travels is the shipment with the latest label."""
    store.track("1", NOW - 9 * DAY)
    store.read(read("1", e604=NOW - 8 * DAY))
    store.read(read("1", e604=NOW - DAY))
    assert (store.tracked("1")["tier"], store.tracked("1")["labelled_at"]) == (0, NOW - DAY)


@pytest.mark.parametrize("label", [NOW - 40 * DAY, NOW + 30 * DAY])
def test_a_label_out_of_all_order_says_nothing_of_the_age(store, label):
    """Long before its shipment it would end the asking, far ahead it would never slow down."""
    store.track("1", NOW - 5 * DAY)
    store.read(read("1", e604=label))
    found = store.tracked("1")
    assert (found["labelled_at"], found["tier"], found["wait"]) == (None, 3, 2 * HOUR)
    assert store.stored("1")["event_labelled_at"] == label


def test_a_delivery_ends_the_asking(store):
    """Event 609: closed, dated, never due again."""
    store.track("1", NOW - 2 * DAY)
    store.read(read("1", e604=NOW - DAY, e609=NOW - HOUR))
    found = store.tracked("1")
    assert (found["is_open"], found["delivered_at"]) == (False, NOW - HOUR)
    assert (found["due_at"], found["tier"]) == (None, None)


def test_what_an_order_closed_stays_closed(store):
    """Delivered by its status detail, or cancelled: a timeline without 609 that was on its way opens nothing."""
    store.track("1", NOW - DAY, is_open=False, delivered_at=NOW - HOUR)
    store.track("2", NOW - DAY, is_open=False)
    store.read(read("1", e604=NOW - DAY), read("2", e601=NOW - DAY))
    delivered, cancelled = store.tracked("1"), store.tracked("2")
    assert (delivered["is_open"], delivered["due_at"]) == (False, None)
    assert delivered["delivered_at"] == NOW - HOUR
    assert (cancelled["is_open"], cancelled["due_at"]) == (False, None)


def test_the_first_word_of_a_delivery_stands(store):
    """The order's date, when the timeline tells another one later."""
    store.track("1", NOW - DAY, is_open=False, delivered_at=NOW - HOUR)
    store.read(read("1", e609=NOW - 2 * HOUR))
    assert store.tracked("1")["delivered_at"] == NOW - HOUR


def test_an_unchanged_timeline_was_checked_all_the_same(store):
    """Nothing is written to the timeline, and the shipment is not due again at once."""
    store.track("1", NOW - DAY)
    first = store.read(read("1", e601=NOW - DAY))
    before = store.tracked("1")["checked_at"]
    again = store.read(read("1", e601=NOW - DAY))
    assert (first.inserted, again.unchanged) == (1, 1)
    assert store.tracked("1")["checked_at"] > before


def test_a_rejected_timeline_was_checked_all_the_same(store):
    """Or it would be the first of every list. Its neighbour is loaded."""
    for shipment_id in "1234":
        store.track(shipment_id, NOW - DAY)
    answer = Reject(
        "3", "text with NUL", "events", '{"shipment_id":"3","events":[{"a":"\\u0000"}]}'
    )
    merged = store.read(
        odd_timeline("1", "no answer"),
        read("2", e604=datetime(1, 1, 1, tzinfo=UTC)),
        odd_timeline("3", answer.reason, answer),
        read("4", e604=NOW - HOUR),
    )
    assert [reject.record_id for reject in merged.rejects] == ["1", "2", "3"]
    assert merged.inserted == 1
    assert [store.tracked(n)["wait"] for n in "1234"] == [MINUTES_15] * 4
    assert [store.tracked(n)["tier"] for n in "1234"] == [3, 3, 3, 0]


def test_a_vendor_without_a_timeline_takes_nothing_away(store):
    """404 and an empty list: what was told before stays, and the shipment counts as checked."""
    for shipment_id in "123":
        store.track(shipment_id, NOW - DAY)
    store.read(read("1", e604=NOW - HOUR), read("2", e604=NOW - HOUR))
    before = store.tracked("1")["checked_at"]
    merged = store.read(no_timeline("1"), read("2"), no_timeline("3"))
    assert (merged.stale, merged.inserted, merged.rejects) == (2, 1, [])
    assert [store.stored(n)["events"] for n in "123"] == [1, 1, 0]
    assert store.tracked("1")["checked_at"] > before
    assert store.tracked("3")["wait"] == MINUTES_15
    told = store.read(read("3", e601=NOW - DAY))
    assert (told.updated, store.stored("3")["events"]) == (1, 1)


def test_nobody_else_is_touched(store, shared_database):
    """Not the client's other shipments, and not another client's of the same number."""
    store.track("1", NOW - DAY)
    store.track("2", NOW - DAY)
    other = Store(store.connection)
    other.track("1", NOW - DAY)
    store.read(read("1", e609=NOW))
    assert store.tracked("2")["checked_at"] is None
    assert other.tracked("1")["checked_at"] is None
    assert other.tracked("1")["is_open"]


def test_a_removal_notes_no_check(store):
    """Nobody asked the vendor for a timeline that is put away."""
    store.track("1", NOW - DAY)
    with store.connection.transaction():
        follow_removal(store.connection, TIMELINES, store.client_id, ["1"])
    assert store.tracked("1")["checked_at"] is None


def test_an_order_that_closes_a_shipment_meanwhile_wins(store, shared_database):
    """Its transaction is under way when the timeline is stored: that waits for it and then opens nothing."""
    store.track("1", NOW - DAY)
    with psycopg.connect(shared_database.app_url) as order:
        order.execute(
            "UPDATE public.shipbob_tracking SET is_open = false, due_at = NULL, tier = NULL, delivered_at = %s"
            " WHERE client_id = %s AND shipment_id = '1'",
            [NOW - HOUR, store.client_id],
        )
        reading = threading.Thread(target=store.read, args=(read("1", e604=NOW - DAY),))
        reading.start()
        _wait_for_a_lock(order, store.connection.info.backend_pid)
        order.commit()
        reading.join(timeout=30)
    found = store.tracked("1")
    assert (found["is_open"], found["due_at"], found["delivered_at"]) == (False, None, NOW - HOUR)
    assert found["labelled_at"] == NOW - DAY


def _wait_for_a_lock(asking: psycopg.Connection[Any], backend: int) -> None:
    for _ in range(600):
        row = asking.execute("SELECT cardinality(pg_blocking_pids(%s))", [backend]).fetchone()
        if row and row[0]:
            return
        threading.Event().wait(0.05)
    raise AssertionError("nobody waits for the order's transaction")


@pytest.mark.parametrize(
    "wrong",
    ["is_open = false", "tier = 4", "delivered_at = now()"],
)
def test_a_state_that_cannot_be_is_refused(store, wrong):
    """A closed shipment that is due, a tier that is none, a delivered one still open: by the database itself."""
    store.track("1", NOW - DAY)
    query = f"UPDATE public.shipbob_tracking SET {wrong} WHERE client_id = %s"
    with pytest.raises(psycopg.errors.CheckViolation):
        store.connection.execute(query, [store.client_id])
    store.connection.rollback()


def test_the_order_of_a_batch_is_that_of_the_keys(store):
    """Two slices that read the same shipments lock them in one order, however they were read."""
    names = [str(number) for number in range(40)]
    for name in names:
        store.track(name, NOW - DAY)
    locked = _locked_in_order(store, [read(name, e601=NOW - DAY) for name in reversed(names)])
    assert locked == sorted(names)


def _locked_in_order(store: Store, records: Sequence[Record]) -> list[str]:
    """Who the derivation meets, in order: the rows of its first part as they are locked."""
    statement = TIMELINES.derivations[0].sql
    first = statement[statement.index("SELECT") : statement.index("),\ntimed")]
    with store.connection.transaction(force_rollback=True):
        store.connection.execute("CREATE TEMP TABLE incoming (id text) ON COMMIT DROP")
        with store.connection.cursor() as cursor:
            cursor.executemany("INSERT INTO incoming VALUES (%s)", [[each.id] for each in records])
        rows = store.connection.execute(first, {"client_id": store.client_id}).fetchall()
    return [str(row[1]) for row in rows]
