"""The ``returns`` stream. A return has no instant of its last update: created and completed are windows, every
other step in its life is found by a hint or by the next complete listing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required

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
from sluice.sources.shipbob.rows import (
    STRICT,
    Id,
    Moment,
    Named,
    Number,
    amount,
    id_text,
    name_in,
    names_of,
    read_row,
)
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.streams import ListingStream
from sluice.sources.shipbob.tables import RETURNS

NAME = "returns"
_STEPS = tuple(
    f"{word}_date"
    for word in ("awaiting_arrival", "arrived", "processing", "completed", "cancelled")
)


@with_config(STRICT)
class Invoiced(TypedDict, total=False):
    amount: Number | None
    currency_code: str | None


@with_config(STRICT)
class Return(TypedDict, total=False):
    insert_date: Required[Moment]
    reference_id: str | None
    store_order_id: str | None
    original_shipment_id: Id | None
    return_type: str | None
    status: str | None
    arrived_date: Moment | None
    completed_date: Moment | None
    cancelled_date: Moment | None
    tracking_number: str | None
    customer_name: str | None
    fulfillment_center: Named | None
    channel: Named | None
    invoice: Invoiced | None


_RETURN: TypeAdapter[Return] = TypeAdapter(Return)
_FIELDS = names_of(Invoiced, Return, Named)


def dated(record: Record) -> Dated:
    """The return with its version: the newest step of its life."""
    document = orjson.loads(record.raw)
    created = required_moment(document, "insert_date")
    newest = max([created, *moments_in(document, *_STEPS)])
    for path, step in objects_in(document, "status_history"):
        newest = max([newest, *moments_in(step, "timestamp", path=path)])
    return Dated(Record(record.id, record.hash, record.raw, milliseconds(newest)), created)


def values_of(record: Record) -> Sequence[Any]:
    """A return's values in the order of the table's columns."""
    back = read_row(_RETURN, record, _FIELDS)
    invoice: Invoiced = back.get("invoice") or {}
    return (
        back.get("reference_id"),
        back.get("store_order_id"),
        id_text(back.get("original_shipment_id")),
        back.get("return_type"),
        back.get("status"),
        back["insert_date"],
        back.get("arrived_date"),
        back.get("completed_date"),
        back.get("cancelled_date"),
        back.get("tracking_number"),
        back.get("customer_name"),
        name_in(back.get("fulfillment_center")),
        name_in(back.get("channel")),
        amount(invoice.get("amount")),
        invoice.get("currency_code"),
    )


class ReturnsStream(ListingStream):
    """The returns of one merchant. ``Cursor`` is the number of a page."""

    def __init__(self, client: ShipBobClient, settings: ShipBobSettings) -> None:
        def asking(since: str) -> Asking:
            return Asking(
                client.returns,
                "Limit",
                settings.page_size,
                {"SortOrder": "Asc"},
                since=since,
                bound="StartDate",
                number="Cursor",
                turned={"SortOrder": "Desc"},
            )

        collection = Collection(
            name=NAME,
            table=RETURNS,
            changes=[asking("StartDate"), asking("CompletedStartDate")],
            listing=asking("StartDate"),
            point="/return/{id}",
            dated=dated,
            values=values_of,
            changes_every=settings.returns_every,
            listing_every=settings.listing_every,
            history=settings.history,
            reach=settings.reconcile_reach,
        )
        super().__init__(client, settings, collection)
