"""The ``orders`` stream: orders with their shipments and the lines of both.

A new order carries no last_update_at, so three windows are read: created, updated, and tracking updated
(which moves last_update_at at no vendor we know for sure).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required

import orjson
from pydantic import TypeAdapter, with_config
from typing_extensions import TypedDict

from sluice.core.budget import Budget
from sluice.core.errors import RowRejected
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
from sluice.sources.shipbob.rows import (
    STRICT,
    Id,
    Moment,
    Named,
    Number,
    Whole,
    amount,
    id_text,
    name_in,
    names_of,
    read_row,
)
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.streams import ListingStream
from sluice.sources.shipbob.tables import ORDERS

NAME = "orders"
SHIPMENT = "shipment:"
"""Before a hint's id: it is a shipment's, whose order is not known."""

_UPDATES = ("last_update_at", "last_tracking_update_at")


@with_config(STRICT)
class InventoryItem(TypedDict, total=False):
    id: Required[Id]
    name: str | None
    quantity: Whole | None
    quantity_committed: Whole | None
    lot: str | None
    expiration_date: Moment | None


@with_config(STRICT)
class ShippedProduct(TypedDict, total=False):
    id: Id | None
    reference_id: str | None
    sku: str | None
    name: str | None
    inventory_items: list[InventoryItem] | None


@with_config(STRICT)
class StatusDetail(TypedDict, total=False):
    id: Whole | None
    name: str | None


@with_config(STRICT)
class Tracking(TypedDict, total=False):
    carrier: str | None
    carrier_service: str | None
    tracking_number: str | None


@with_config(STRICT)
class Measurements(TypedDict, total=False):
    total_weight_oz: Number | None
    length_in: Number | None
    width_in: Number | None
    depth_in: Number | None


@with_config(STRICT)
class Zone(TypedDict, total=False):
    id: Id | None


@with_config(STRICT)
class Shipment(TypedDict, total=False):
    """Looked at whole before the order is stored: the statements that unfold it trust these types."""

    id: Required[Id]
    created_date: Required[Moment]
    last_update_at: Moment | None
    last_tracking_update_at: Moment | None
    status: str | None
    status_details: list[StatusDetail] | None
    reference_id: str | None
    location: Named | None
    ship_option: str | None
    tracking: Tracking | None
    products: list[ShippedProduct] | None
    measurements: Measurements | None
    estimated_fulfillment_date: Moment | None
    actual_fulfillment_date: Moment | None
    delivery_date: Moment | None
    insurance_value: Number | None
    invoice_amount: Number | None
    invoice_currency_code: str | None
    zone: Zone | None


@with_config(STRICT)
class OrderedProduct(TypedDict, total=False):
    id: Id | None
    reference_id: str | None
    sku: str | None
    quantity: Whole | None
    unit_price: Number | None
    external_line_id: Id | None
    gtin: str | None
    upc: str | None


@with_config(STRICT)
class Address(TypedDict, total=False):
    city: str | None
    state: str | None
    zip_code: str | None
    country: str | None


@with_config(STRICT)
class Recipient(TypedDict, total=False):
    name: str | None
    address: Address | None


@with_config(STRICT)
class Financials(TypedDict, total=False):
    total_price: Number | None


@with_config(STRICT)
class Order(TypedDict, total=False):
    created_date: Required[Moment]
    purchase_date: Moment | None
    reference_id: str | None
    order_number: str | None
    status: str | None
    type: str | None
    channel: Named | None
    shipping_method: str | None
    recipient: Recipient | None
    products: list[OrderedProduct] | None
    shipments: list[Shipment] | None
    financials: Financials | None


_ORDER: TypeAdapter[Order] = TypeAdapter(Order)
_FIELDS = names_of(
    InventoryItem,
    ShippedProduct,
    StatusDetail,
    Tracking,
    Measurements,
    Zone,
    Shipment,
    OrderedProduct,
    Address,
    Recipient,
    Financials,
    Order,
    Named,
)


def dated(record: Record) -> Dated:
    """The order with its version: the newest of all instants that it and its shipments tell of."""
    document = orjson.loads(record.raw)
    created = required_moment(document, "created_date")
    newest = created
    for path, shipment in objects_in(document, "shipments"):
        told = moments_in(shipment, "created_date", *_UPDATES, path=path)
        newest = max(newest, *told, created)
    return Dated(Record(record.id, record.hash, record.raw, milliseconds(newest)), created)


def values_of(record: Record) -> Sequence[Any]:
    """An order's values in the order of the table's columns."""
    order = read_row(_ORDER, record, _FIELDS)
    channel: Named = order.get("channel") or {}
    shipments = order.get("shipments") or []
    updates = [each["last_update_at"] for each in shipments if each.get("last_update_at")]
    return (
        order["created_date"],
        order.get("purchase_date"),
        order.get("reference_id"),
        order.get("order_number"),
        order.get("status"),
        order.get("type"),
        id_text(channel.get("id")),
        name_in(channel),
        order.get("shipping_method"),
        amount((order.get("financials") or {}).get("total_price")),
        *_recipient(order.get("recipient")),
        len(shipments),
        max((each for each in updates if each is not None), default=None),
    )


def _recipient(recipient: Recipient | None) -> Sequence[str | None]:
    found: Recipient = recipient or {}
    address: Address = found.get("address") or {}
    return (
        found.get("name"),
        address.get("city"),
        address.get("state"),
        address.get("zip_code"),
        address.get("country"),
    )


class OrdersStream(ListingStream):
    """The orders of one merchant."""

    def __init__(self, client: ShipBobClient, settings: ShipBobSettings) -> None:
        def asking(since: str) -> Asking:
            return Asking(
                client.orders,
                "Limit",
                settings.page_size,
                {"SortOrder": "Oldest"},
                since=since,
                bound="StartDate",
                number="Page",
                turned={"SortOrder": "Newest"},
            )

        windows = ("StartDate", "LastUpdateStartDate", "LastTrackingUpdateStartDate")
        collection = Collection(
            name=NAME,
            table=ORDERS,
            changes=[asking(each) for each in windows],
            listing=asking("StartDate"),
            point="/order/{id}",
            dated=dated,
            values=values_of,
            changes_every=settings.orders_every,
            listing_every=settings.reconcile_every,
            history=settings.history,
            reach=settings.reconcile_reach,
        )
        super().__init__(client, settings, collection)

    def reread(self, object_id: str, budget: Budget) -> Record | None:
        """The order, which a hint may name by one of its shipments (``shipment:17``)."""
        if not object_id.startswith(SHIPMENT):
            return super().reread(object_id, budget)
        shipment_id = object_id.removeprefix(SHIPMENT)
        if not (shipment_id.isascii() and shipment_id.isdigit()):
            raise RowRejected("an id of ShipBob's is a whole number")
        got = self._client.shipment(shipment_id, budget)
        budget.spend(requests=got.requests)
        if got.value is None:
            return None
        order_id = orjson.loads(got.value.raw).get("order_id")
        return super().reread(str(order_id), budget)
