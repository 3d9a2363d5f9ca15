"""The ``products`` stream: products with their variants, and the inventory ids under which they lie."""

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
from sluice.sources.shipbob.rows import STRICT, Id, Moment, Whole, names_of, read_row
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.streams import ListingStream
from sluice.sources.shipbob.tables import PRODUCTS

NAME = "products"


@with_config(STRICT)
class Shelf(TypedDict, total=False):
    inventory_id: Id | None
    on_hand_qty: Whole | None


@with_config(STRICT)
class Variant(TypedDict, total=False):
    id: Id | None
    name: str | None
    sku: str | None
    updated_on: Moment | None
    inventory: Shelf | None


@with_config(STRICT)
class Product(TypedDict, total=False):
    created_on: Required[Moment]
    updated_on: Moment | None
    name: str | None
    type: str | None
    variants: list[Variant] | None


_PRODUCT: TypeAdapter[Product] = TypeAdapter(Product)
_FIELDS = names_of(Shelf, Variant, Product)


def dated(record: Record) -> Dated:
    """The product with its version: the newest instant that it or a variant was changed at."""
    document = orjson.loads(record.raw)
    created = required_moment(document, "created_on")
    newest = max([created, *moments_in(document, "updated_on")])
    for path, variant in objects_in(document, "variants"):
        newest = max([newest, *moments_in(variant, "updated_on", path=path)])
    return Dated(Record(record.id, record.hash, record.raw, milliseconds(newest)), created)


def values_of(record: Record) -> Sequence[Any]:
    """A product's values in the order of the table's columns."""
    product = read_row(_PRODUCT, record, _FIELDS)
    return (
        product.get("name"),
        product.get("type"),
        product["created_on"],
        product.get("updated_on"),
        len(product.get("variants") or ()),
    )


class ProductsStream(ListingStream):
    """The products of one merchant. The vendor's ``next`` leads from page to page.

    Whether the vendor's filter by update shows a product never updated is not documented: the complete
    listing does.
    """

    def __init__(self, client: ShipBobClient, settings: ShipBobSettings) -> None:
        def asking(since: str | None) -> Asking:
            return Asking(
                client.products,
                "PageSize",
                settings.page_size,
                {"SortBy": "Id", "SortOrder": "ASC"},
                since=since,
                turned={"SortOrder": "DESC"},
            )

        collection = Collection(
            name=NAME,
            table=PRODUCTS,
            changes=[asking("LastUpdatedTimestamp")],
            listing=asking(None),
            point="/product/{id}",
            dated=dated,
            values=values_of,
            changes_every=settings.products_every,
            listing_every=settings.listing_every,
            history=settings.history,
            reach=settings.history,
            within=None,
        )
        super().__init__(client, settings, collection)
