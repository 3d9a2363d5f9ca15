"""What must follow from ShipBob's documents as they are stored, unfolded here a second time and without SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import psycopg

from tests.integration.timelines_reference import due_after, tier_at

Rows = psycopg.Connection[dict[str, Any]]
Document = Mapping[str, Any]

DELIVERED = 203

_ORDERS = """
SELECT order_id, document::text AS document, deleted_at FROM public.shipbob_orders WHERE client_id = %s
"""
_PRODUCTS = """
SELECT product_id, document::text AS document, deleted_at FROM public.shipbob_products WHERE client_id = %s
"""
_SHIPMENTS = """
SELECT shipment_id, order_id, deleted_at IS NULL AS alive FROM public.shipbob_shipments WHERE client_id = %s
"""
_ORDER_ITEMS = """
SELECT i.order_id, i.line, i.product_id, i.sku, i.quantity FROM public.shipbob_order_items i
  JOIN public.shipbob_orders o USING (client_id, order_id) WHERE i.client_id = %s AND o.deleted_at IS NULL
"""
_SHIPMENT_ITEMS = """
SELECT i.shipment_id, i.line, i.product_id, i.inventory_id, i.quantity FROM public.shipbob_shipment_items i
  JOIN public.shipbob_shipments s USING (client_id, shipment_id) WHERE i.client_id = %s AND s.deleted_at IS NULL
"""
_INVENTORY = """
SELECT inventory_id, product_id FROM public.shipbob_inventory_items WHERE client_id = %s AND deleted_at IS NULL
"""
_TRACKING = """
SELECT k.shipment_id, k.created_at, k.labelled_at, k.delivered_at, k.is_open, k.checked_at, k.tier,
       nullif(k.due_at, '-infinity') AS due_at, s.status, s.delivered_at AS told_at, s.deleted_at IS NULL AS alive,
       t.event_delivered_at, t.event_labelled_at
  FROM public.shipbob_tracking k
  JOIN public.shipbob_shipments s USING (client_id, shipment_id)
  LEFT JOIN public.shipbob_timelines t USING (client_id, shipment_id)
 WHERE k.client_id = %s
"""


def faults(rows: Rows, client_id: str, since: datetime) -> Iterator[str]:
    """Derived rows that are not what the documents say. ``since``: every open shipment was asked for after it."""
    orders = _documents(rows, _ORDERS, client_id)
    live = [document for document, alive in orders if alive]
    every_shipment = {
        (str(s["id"]), str(document["id"])): alive
        for document, alive in orders
        for s in document["shipments"]
    }
    stored = {
        (row["shipment_id"], row["order_id"]): row["alive"]
        for row in rows.execute(_SHIPMENTS, (client_id,)).fetchall()
    }
    yield from _told(client_id, "shipments", every_shipment.items(), stored.items())
    yield from _told(
        client_id, "order items", _order_items(live), _tuples(rows, _ORDER_ITEMS, client_id)
    )
    yield from _told(
        client_id,
        "shipment items",
        _shipment_items(live),
        _tuples(rows, _SHIPMENT_ITEMS, client_id),
    )
    products = [document for document, alive in _documents(rows, _PRODUCTS, client_id) if alive]
    yield from _told(
        client_id, "inventory ids", _inventory(products), _tuples(rows, _INVENTORY, client_id)
    )
    tracked = rows.execute(_TRACKING, (client_id,)).fetchall()
    yield from _told(
        client_id, "tracked", (s for s, _ in every_shipment), (r["shipment_id"] for r in tracked)
    )
    for row in tracked:
        yield from (
            f"{client_id} tracking of {row['shipment_id']}: {each}"
            for each in _tracking(row, since)
        )


def _tracking(row: Mapping[str, Any], since: datetime) -> Iterator[str]:
    """A shipment is open unless it is known as delivered, cancelled or gone; then it is due by the rules."""
    arrived = row["told_at"] or row["event_delivered_at"]
    is_open = row["alive"] and arrived is None and row["status"] != "Cancelled"
    if row["is_open"] and not is_open:
        yield f"open, though {row['status']}, delivered {arrived}, alive {row['alive']}"
    if is_open and not row["is_open"] and row["delivered_at"] is None:
        yield f"closed, though {row['status']} and never delivered"
    if arrived is not None and row["delivered_at"] is None:
        yield f"delivered at {arrived}, and not known as that"
    if row["event_labelled_at"] is not None and row["labelled_at"] != row["event_labelled_at"]:
        yield f"labelled at {row['event_labelled_at']}, and known as {row['labelled_at']}"
    if not row["is_open"]:
        return
    if row["checked_at"] is None or row["checked_at"] < since:
        yield f"all were asked for at {since}; it was last checked {row['checked_at']}"
        return
    due = due_after(row["checked_at"], row["labelled_at"], row["created_at"])
    tier = None if due is None else tier_at(row["labelled_at"], row["created_at"], due)
    if (due, tier) != (row["due_at"], row["tier"]):
        yield f"due {row['due_at']} in tier {row['tier']}; by the rules {due} in {tier}"


def _documents(rows: Rows, query: Any, client_id: str) -> list[tuple[Document, bool]]:
    found = rows.execute(query, (client_id,)).fetchall()
    return [(json.loads(row["document"]), row["deleted_at"] is None) for row in found]


def _tuples(rows: Rows, query: Any, client_id: str) -> Iterable[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows.execute(query, (client_id,)).fetchall()]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _order_items(orders: Iterable[Document]) -> Iterator[tuple[Any, ...]]:
    for order in orders:
        for line, each in enumerate(order["products"], start=1):
            yield (
                str(order["id"]),
                line,
                _text(each.get("id")),
                each.get("sku"),
                each.get("quantity"),
            )


def _shipment_items(orders: Iterable[Document]) -> Iterator[tuple[Any, ...]]:
    """A line for each inventory item of each product; one for a product that has none."""
    for shipment in (s for order in orders for s in order["shipments"]):
        held = [
            (product, item)
            for product in shipment["products"]
            for item in (product.get("inventory_items") or [{}])
        ]
        for line, (product, item) in enumerate(held, start=1):
            ids = (_text(product.get("id")), _text(item.get("id")))
            yield (str(shipment["id"]), line, *ids, item.get("quantity"))


def _inventory(products: Iterable[Document]) -> Iterator[tuple[str, str]]:
    for product in products:
        for variant in product["variants"]:
            number = (variant.get("inventory") or {}).get("inventory_id")
            if number is not None:
                yield str(number), str(product["id"])


def _told(client_id: str, what: str, wanted: Iterable[Any], found: Iterable[Any]) -> Iterator[str]:
    missing, surplus = set(wanted), set(found)
    missing, surplus = missing - surplus, surplus - missing
    if missing or surplus:
        yield (
            f"{client_id} {what} do not follow from the documents: {len(missing)} missing"
            f" {sorted(missing, key=repr)[:3]}, {len(surplus)} surplus {sorted(surplus, key=repr)[:3]}"
        )
