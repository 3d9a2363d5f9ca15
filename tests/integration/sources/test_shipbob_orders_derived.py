"""What follows from stored orders and products, statement by statement, in the merge's own transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from sluice.core.keys import StreamKey
from sluice.postgres.derivations import follow_removal
from sluice.postgres.loader import Merged, merge
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from sluice.sources.shipbob.tables import ORDERS

CLIENT = "acme"
NOW = datetime.now(UTC).replace(microsecond=0)
AT = (NOW - timedelta(days=1)).isoformat()


def shipment(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "created_date": AT, "status": "Processing", **more}


def order(number: int, *shipments: dict[str, Any], edition: int = 0, **more: Any) -> dict[str, Any]:
    moved = (NOW + timedelta(minutes=edition)).isoformat()
    for each in shipments[:1]:
        each.setdefault("last_update_at", moved)
    return {"id": number, "created_date": AT, "shipments": list(shipments), **more}


class Shelf:
    """A database and the merge of one stream into it, as the application."""

    def __init__(self, app: psycopg.Connection[Any]) -> None:
        self.app = app

    def store(self, *rows: dict[str, Any], stream: str = "orders") -> Merged:
        made = open_stream(
            StreamKey(CLIENT, "shipbob", stream),
            settings={},
            credentials="t",
            refresh=lambda: "t",
            connections=VendorConnections(),
        )
        records = [made.record_of(json.dumps(row)) for row in rows]
        with self.app.transaction():
            return merge(self.app, made.table, CLIENT, records, seq=1, values=made.values)

    def remove(self, *ids: str) -> None:
        with self.app.transaction():
            self.app.execute(
                "UPDATE shipbob_orders SET deleted_at = now(), deleted_generation = 1"
                " WHERE client_id = %s AND order_id = ANY(%s)",
                [CLIENT, list(ids)],
            )
            follow_removal(self.app, ORDERS, CLIENT, list(ids))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.app.execute(query).fetchall()  # type: ignore[arg-type]

    def shipments(self) -> dict[str, tuple[str, bool]]:
        """Each shipment's order and whether it is alive."""
        found = self.ask("SELECT shipment_id, order_id, deleted_at IS NULL FROM shipbob_shipments")
        return {row[0]: row[1:] for row in found}

    def tracked(self) -> dict[str, tuple[bool, int | None]]:
        found = self.ask("SELECT shipment_id, is_open, tier FROM shipbob_tracking")
        return {row[0]: row[1:] for row in found}


@pytest.fixture
def shelf(database: Database) -> Iterator[Shelf]:
    with psycopg.connect(database.app_url, autocommit=True) as app:
        app.execute("SET TimeZone = 'Asia/Tokyo'")  # no statement may depend on it
        yield Shelf(app)


def test_a_shipment_that_left_its_order_is_deleted_and_comes_back(shelf):
    """The document is the whole truth about an order's shipments."""
    shelf.store(order(1, shipment(11), shipment(12)))
    shelf.store(order(1, shipment(11), edition=1))
    assert shelf.shipments() == {"11": ("1", True), "12": ("1", False)}
    assert shelf.tracked() == {"11": (True, 3), "12": (False, None)}
    shelf.store(order(1, shipment(11), shipment(12), edition=2))
    assert shelf.shipments() == {"11": ("1", True), "12": ("1", True)}
    assert shelf.tracked()["12"] == (True, 3)


@pytest.mark.parametrize("together", [True, False])
def test_a_shipment_that_moved_to_another_order_is_alive_there(shelf, together):
    """Whichever of the two orders is read first, or both at once."""
    shelf.store(order(1, shipment(11), shipment(12)), order(2, shipment(21)))
    moved = (order(1, shipment(11), edition=1), order(2, shipment(21), shipment(12), edition=1))
    if together:
        shelf.store(*moved)
    else:
        for each in reversed(moved):
            shelf.store(each)
    assert shelf.shipments()["12"] == ("2", True)
    assert shelf.tracked()["12"] == (True, 3)


def test_a_shipment_told_twice_in_one_document_is_one(shelf):
    """Neither the statement nor the batch fails for it."""
    merged = shelf.store(order(1, shipment(11), shipment(11)), order(2, shipment(21)))
    assert (merged.inserted, merged.rejects) == (2, [])
    assert set(shelf.shipments()) == {"11", "21"}


def test_a_removed_order_takes_its_shipments_along(shelf):
    """And nothing of any other order; once it is listed again all of it is back."""
    shelf.store(order(1, shipment(11)), order(2, shipment(21)))
    shelf.remove("1")
    assert shelf.shipments() == {"11": ("1", False), "21": ("2", True)}
    assert shelf.tracked() == {"11": (False, None), "21": (True, 3)}
    shelf.store(order(1, shipment(11)))
    assert shelf.shipments()["11"] == ("1", True)
    assert shelf.tracked()["11"] == (True, 3)


def test_lines_are_those_of_the_document(shelf):
    """Changed in place, and deleted behind the end of a shorter one."""
    first = {"products": [{"inventory_items": [{"id": 5, "quantity": 1}, {"id": 6}]}, {"sku": "B"}]}
    shelf.store(order(1, shipment(11, **first), products=[{"sku": "A"}, {"sku": "B"}]))
    query = "SELECT line, sku, inventory_id, quantity FROM shipbob_shipment_items ORDER BY line"
    assert shelf.ask(query) == [(1, None, "5", 1), (2, None, "6", None), (3, "B", None, None)]
    second = {"products": [{"inventory_items": [{"id": 6, "quantity": 4}]}]}
    shelf.store(order(1, shipment(11, **second), products=[{"sku": "C"}], edition=1))
    assert shelf.ask(query) == [(1, None, "6", 4)]
    assert shelf.ask("SELECT line, sku FROM shipbob_order_items") == [(1, "C")]
    shelf.store(order(1, shipment(11, products=None), products=None, edition=2))
    assert shelf.ask(query) == shelf.ask("SELECT line, sku FROM shipbob_order_items") == []


def test_what_did_not_change_is_not_written(shelf):
    """An order whose address changed costs no write of its shipments, lines and tracking."""
    made = {"products": [{"inventory_items": [{"id": 5}]}]}
    shelf.store(order(1, shipment(11, **made), products=[{"sku": "A"}]))
    names = ("shipments", "order_items", "shipment_items", "tracking")
    before = [shelf.ask(f"SELECT xmin::text, ctid::text FROM shipbob_{name}") for name in names]
    shelf.store(order(1, shipment(11, **made), products=[{"sku": "A"}], shipping_method="Sled"))
    assert before == [
        shelf.ask(f"SELECT xmin::text, ctid::text FROM shipbob_{name}") for name in names
    ]
    assert shelf.ask("SELECT shipping_method FROM shipbob_orders") == [("Sled",)]


@pytest.mark.parametrize(
    ("told", "delivered"),
    [
        ({"delivery_date": "2026-11-01T10:00:00"}, "2026-11-01 10:00"),
        ({"delivery_date": "2026-11-01T10:00:00+02:00"}, "2026-11-01 08:00"),
        ({"status_details": [{"id": 201}, {"id": 203}], "last_tracking_update_at": "2026-11-02T00:00:00Z"},
         "2026-11-02 00:00"),
        ({"status_details": [{"id": 202}]}, None),
        ({"status": "Completed"}, None),
    ],
)  # fmt: skip
def test_delivered_is_known_by_its_date_or_by_its_detail(shelf, told, delivered):
    """Completed only means that it left. An instant without a zone is UTC, whatever the session's is."""
    shelf.store(order(1, shipment(11, **told)))
    query = "SELECT to_char(delivered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM shipbob_{}"
    assert shelf.ask(query.format("shipments")) == [(delivered,)]
    assert shelf.ask(query.format("tracking")) == [(delivered,)]
    assert shelf.tracked()["11"][0] is (delivered is None)


def test_a_delivery_known_by_its_timeline_is_not_forgotten_by_an_order(shelf):
    """The order's document may say nothing of it for days."""
    shelf.store(order(1, shipment(11)))
    shelf.ask(
        "UPDATE shipbob_tracking SET delivered_at = now(), is_open = false, due_at = NULL, tier = NULL RETURNING 1"
    )
    shelf.store(order(1, shipment(11, status="Completed"), edition=1))
    assert shelf.tracked() == {"11": (False, None)}


def test_a_shipment_beyond_the_reach_is_open_and_never_due(shelf):
    """Fifty days old and nowhere to be seen: no timeline is asked for."""
    old = (NOW - timedelta(days=50)).isoformat()
    shelf.store({"id": 1, "created_date": old, "shipments": [{"id": 11, "created_date": old}]})
    assert shelf.ask("SELECT is_open, due_at, tier FROM shipbob_tracking") == [(True, None, None)]


def test_a_row_that_cannot_be_unfolded_is_rejected_and_stops_no_other(shelf):
    """A moment that only one of the two calendars knows: the batch goes on without the order."""
    odd = order(1, shipment(11, delivery_date="2026-W45-1"))
    merged = shelf.store(odd, order(2, shipment(21)))
    assert (merged.inserted, [reject.record_id for reject in merged.rejects]) == (1, ["1"])
    assert "shipments" in merged.rejects[0].reason
    assert set(shelf.shipments()) == {"21"}


def test_an_inventory_id_keeps_its_row_when_its_product_loses_it(shelf):
    """Charges for storage may come long after; one that comes back is alive again."""

    def product(*shelves: int, edition: int = 0) -> dict[str, Any]:
        changed = (NOW + timedelta(minutes=edition)).isoformat()
        variants = [{"id": n, "inventory": {"inventory_id": n or None}} for n in (*shelves, 0)]
        return {"id": 1, "created_on": AT, "updated_on": changed, "variants": variants}

    query = "SELECT inventory_id, product_id, deleted_at IS NULL FROM shipbob_inventory_items ORDER BY 1"
    shelf.store(product(5, 6), stream="products")
    shelf.store(product(6, edition=1), stream="products")
    assert shelf.ask(query) == [("5", "1", False), ("6", "1", True)]
    shelf.store(product(5, 6, 6, edition=2), stream="products")
    assert shelf.ask(query) == [("5", "1", True), ("6", "1", True)]
