"""Everything there is, as it would be read now without faults, and whose it truly is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from local.vendors.shipbob.charges import charge_document, invoice_document
from local.vendors.shipbob.merchants import Merchant
from local.vendors.shipbob.models import PARENT, Kind
from local.vendors.shipbob.order_documents import (
    order_document,
    shipment_document,
    timeline_documents,
)
from local.vendors.shipbob.products import inventory_document, product_document
from local.vendors.shipbob.stages import receiving_document, return_document
from local.vendors.shipbob.world import World

Document = dict[str, Any]
Line = dict[str, Any]

_VERSION = "2026-01"


def truth(world: World, kind: Kind, merchant: str | None = None) -> Iterator[Line]:
    """A line for each: ``merchant``, ``id`` and ``record``; a charge's ``rule``, too.

    As of the first line, unless the world is changed meanwhile.
    """
    now_ms = world.now_ms()
    if kind == "transactions":
        for charge in world.ledger.charges:
            if merchant in (None, charge.merchant):
                record = charge_document(charge, world.options)
                yield _line(charge.merchant, charge.id, record) | {"rule": charge.rule}
    elif kind == "invoices":
        for invoice in world.ledger.invoices:
            yield _line(PARENT, invoice.id, invoice_document(invoice))
    else:
        keys = [merchant] if merchant else list(world.merchants)
        for key in keys:
            owner = world.merchant(key)
            for an_id, found in _OWNED[kind](world, owner, now_ms):
                yield _line(key, an_id, found)


def removed(world: World) -> dict[str, list[int]]:
    """The orders that vanished, by merchant."""
    return {key: list(owner.book.removed) for key, owner in world.merchants.items()}


def _line(merchant: str, an_id: object, record: object) -> Line:
    return {"merchant": merchant, "id": an_id, "record": record}


Rows = Iterator[tuple[int, object]]


def _orders(world: World, owner: Merchant, now_ms: int) -> Rows:
    for order in list(owner.book.orders.values()):
        yield order.id, order_document(world.stories, order, now_ms, _VERSION)


def _shipments(world: World, owner: Merchant, now_ms: int) -> Rows:
    for each in list(owner.book.shipments.values()):
        state = world.stories.standing(each, now_ms)
        yield each.id, shipment_document(world.stories, each, state, _VERSION)


def _timelines(world: World, owner: Merchant, now_ms: int) -> Rows:
    for each in list(owner.book.shipments.values()):
        yield each.id, timeline_documents(world.stories, each, now_ms)


def _products(_world: World, owner: Merchant, _now_ms: int) -> Rows:
    for product in list(owner.products.values()):
        yield product.id, product_document(product, owner.user_id)


def _inventory(_world: World, owner: Merchant, _now_ms: int) -> Rows:
    for product in list(owner.products.values()):
        for variant in product.variants:
            if variant.inventory_id is not None:
                yield variant.inventory_id, inventory_document(product, variant)


def _returns(_world: World, owner: Merchant, now_ms: int) -> Rows:
    for thing in list(owner.returns.values()):
        yield thing.id, return_document(thing, now_ms)


def _receivings(_world: World, owner: Merchant, now_ms: int) -> Rows:
    for thing in list(owner.receivings.values()):
        yield thing.id, receiving_document(thing, now_ms)


_OWNED: dict[str, Callable[[World, Merchant, int], Rows]] = {
    "orders": _orders,
    "shipments": _shipments,
    "timelines": _timelines,
    "products": _products,
    "inventory": _inventory,
    "returns": _returns,
    "receivings": _receivings,
}
