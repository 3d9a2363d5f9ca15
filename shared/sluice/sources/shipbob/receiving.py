"""The ``receiving_orders`` stream: what a merchant sends to a fulfilment centre (WRO).

The vendor lists them newest first and cannot be asked otherwise, so the upper limit in time follows the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Required

import orjson
from pydantic import TypeAdapter, with_config
from typing_extensions import TypedDict

from sluice.core.records import Record
from sluice.sources.shipbob.client import ShipBobClient
from sluice.sources.shipbob.collection import Collection
from sluice.sources.shipbob.moments import (
    milliseconds,
    moments_in,
    objects_in,
    required_moment,
)
from sluice.sources.shipbob.paging import Asking, Dated
from sluice.sources.shipbob.rows import STRICT, Moment, Named, Whole, name_in, names_of, read_row
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.streams import ListingStream
from sluice.sources.shipbob.tables import RECEIVING_ORDERS

NAME = "receiving_orders"
MOST_ROWS = 50
"""The vendor documents this as the default and no greatest size. What it would cut off silently would look
like the end of the listing."""

Quantity = Literal["expected_quantity", "received_quantity", "stowed_quantity"]


@with_config(STRICT)
class Quantities(TypedDict, total=False):
    expected_quantity: Whole | None
    received_quantity: Whole | None
    stowed_quantity: Whole | None


@with_config(STRICT)
class ReceivingOrder(TypedDict, total=False):
    insert_date: Required[Moment]
    last_updated_date: Moment | None
    expected_arrival_date: Moment | None
    purchase_order_number: str | None
    status: str | None
    package_type: str | None
    fulfillment_center: Named | None
    inventory_quantities: list[Quantities] | None


_RECEIVING: TypeAdapter[ReceivingOrder] = TypeAdapter(ReceivingOrder)
_FIELDS = names_of(Quantities, ReceivingOrder, Named)


def dated(record: Record) -> Dated:
    """The receiving order with its version: its last update, or the newest step of its life."""
    document = orjson.loads(record.raw)
    created = required_moment(document, "insert_date")
    newest = max([created, *moments_in(document, "last_updated_date")])
    for path, step in objects_in(document, "status_history"):
        newest = max([newest, *moments_in(step, "timestamp", path=path)])
    return Dated(Record(record.id, record.hash, record.raw, milliseconds(newest)), created)


def values_of(record: Record) -> Sequence[Any]:
    """A receiving order's values in the order of the table's columns."""
    order = read_row(_RECEIVING, record, _FIELDS)
    quantities = order.get("inventory_quantities") or []

    def total(name: Quantity) -> int:
        return sum(each.get(name) or 0 for each in quantities)

    return (
        order.get("purchase_order_number"),
        order.get("status"),
        order.get("package_type"),
        order["insert_date"],
        order.get("expected_arrival_date"),
        order.get("last_updated_date"),
        name_in(order.get("fulfillment_center")),
        total("expected_quantity"),
        total("received_quantity"),
        total("stowed_quantity"),
    )


class ReceivingStream(ListingStream):
    """The receiving orders of one merchant."""

    def __init__(self, client: ShipBobClient, settings: ShipBobSettings) -> None:
        def asking(since: str) -> Asking:
            return Asking(
                client.receiving,
                "Limit",
                min(settings.page_size, MOST_ROWS),
                since=since,
                bound="InsertEndDate",
                number="Page",
                oldest_first=False,
            )

        collection = Collection(
            name=NAME,
            table=RECEIVING_ORDERS,
            changes=[asking("InsertStartDate"), asking("CompletedStartDate")],
            listing=asking("InsertStartDate"),
            point="/receiving/{id}",
            dated=dated,
            values=values_of,
            changes_every=settings.receiving_every,
            listing_every=settings.listing_every,
            history=settings.history,
            reach=settings.reconcile_reach,
        )
        super().__init__(client, settings, collection)
