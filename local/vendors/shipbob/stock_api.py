"""Products, inventory, returns, receiving orders, channels and places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from local.vendors.loopback.answers import Answer
from local.vendors.shipbob.asked import Asked, Document, NotThereError, answered
from local.vendors.shipbob.paging import Page, cursor_text, cut, read_cursor
from local.vendors.shipbob.places import PLACES, center, location
from local.vendors.shipbob.products import (
    Product,
    inventory_document,
    name_of,
    product_document,
    sku_of,
)
from local.vendors.shipbob.stages import (
    Receiving,
    Return,
    receiving_document,
    return_document,
    stages,
)

T = TypeVar("T")


def products(asked: Asked) -> Answer:
    """A page of products by id; the way on is an address."""
    found = [each for each in _products(asked) if _wanted_product(asked, each)]
    if (asked.text("SortOrder") or "ASC").upper() == "DESC":
        found.reverse()
    user_id = asked.merchant.user_id if asked.merchant else 0
    return _by_cursor(asked, found, 250, lambda each: product_document(each, user_id))


def product(asked: Asked) -> Answer:
    """One product with its variants."""
    number = asked.number_in_path("id")
    if asked.merchant is None or number not in asked.merchant.products:
        raise NotThereError
    return answered(product_document(asked.merchant.products[number], asked.merchant.user_id))


def inventory(asked: Asked) -> Answer:
    """A page of inventory levels by id."""
    wanted = set(asked.numbers("InventoryIds"))
    found = [
        (product, variant)
        for product in _products(asked)
        for variant in product.variants
        if variant.inventory_id is not None and (not wanted or variant.inventory_id in wanted)
    ]
    return _by_cursor(asked, found, 250, lambda pair: inventory_document(*pair))


def channels(asked: Asked) -> Answer:
    """The channels of the token."""
    found = asked.merchant.channels() if asked.merchant else []
    return _by_cursor(asked, found, 250, lambda each: each, size_name="RecordsPerPage", ends=False)


def returns(asked: Asked) -> Answer:
    """A page of returns; here the cursor is the number of the page."""
    limit = asked.whole("Limit", 50, 1, 250)
    page = asked.whole("Cursor", 1, 1, 2_147_483_647)
    found = [each for each in _returns(asked) if _wanted_return(asked, each)]
    order = (asked.text("SortOrder") or "Desc").lower()
    found.sort(key=lambda each: (each.created_ms, each.id), reverse=order != "asc")
    cutting = cut(asked, found, (page - 1) * limit, limit)
    rows = [return_document(each, asked.now_ms) for each in cutting.rows]
    pages = max(1, -(-cutting.total // limit))
    following = None if cutting.following is None else str(cutting.following // limit + 1)
    previous = str(page - 1) if page > 1 else None
    links = {
        "first": asked.link("1", absolute=True),
        "prev": asked.link(previous, absolute=True),
        "next": asked.link(following, absolute=True),
        "last": asked.link(str(pages), absolute=True),
    }
    headers = {"Page-Number": str(page), "Page-Size": str(limit)}
    headers |= {"Total-Pages": str(pages), "Total-Count": str(cutting.total)}
    return asked.enveloped(rows, links, headers=headers)


def one_return(asked: Asked) -> Answer:
    """One return."""
    number = asked.number_in_path("id")
    found = asked.merchant.returns.get(number) if asked.merchant else None
    if found is None:
        raise NotThereError
    return answered(return_document(found, asked.now_ms))


def receivings(asked: Asked) -> Answer:
    """A page of receiving orders, newest first; the headers tell about the pages."""
    page, limit = asked.whole("Page", 1, 1, 2_147_483_647), asked.whole("Limit", 50, 1, 250)
    listed = asked.merchant.receivings.values() if asked.merchant else ()
    found = [each for each in listed if _wanted_receiving(asked, each)]
    found.sort(key=lambda each: (each.created_ms, each.id), reverse=True)
    cutting = cut(asked, found, (page - 1) * limit, limit)
    headers = {
        "Page-Number": str(page),
        "Page-Size": str(limit),
        "Total-Pages": str(-(-cutting.total // limit)),
        "Total-Count": str(cutting.total),
    }
    if cutting.following is not None:
        headers["Next-Page"] = f"{asked.path}?Page={page + 1}&Limit={limit}"
    rows = [receiving_document(each, asked.now_ms) for each in cutting.rows]
    return asked.listed(rows, headers=headers)


def one_receiving(asked: Asked) -> Answer:
    """One receiving order."""
    number = asked.number_in_path("id")
    found = asked.merchant.receivings.get(number) if asked.merchant else None
    if found is None:
        raise NotThereError
    return answered(receiving_document(found, asked.now_ms))


def locations(asked: Asked) -> Answer:
    """All locations."""
    return asked.listed([location(place) for place in PLACES])


def centers(asked: Asked) -> Answer:
    """All fulfilment centres."""
    return asked.listed([center(place) for place in PLACES])


def _products(asked: Asked) -> Iterable[Product]:
    return asked.merchant.products.values() if asked.merchant else ()


def _returns(asked: Asked) -> Iterable[Return]:
    return asked.merchant.returns.values() if asked.merchant else ()


def _wanted_product(asked: Asked, product: Product) -> bool:
    since = asked.moment("LastUpdatedTimestamp")
    shelf, sku = asked.text("InventoryId"), asked.text("SKU")
    name, number = asked.text("Name"), asked.text("ProductId")
    return (
        (since is None or (product.updated_ms or product.created_ms) >= since)
        and (shelf is None or shelf in map(str, product.inventory_ids()))
        and (sku is None or any(sku == sku_of(each) for each in product.variants))
        and (name is None or name.lower() in name_of(product).lower())
        and (number is None or number == str(product.id))
    )


def _wanted_return(asked: Asked, thing: Return) -> bool:
    document_status = stages(thing, asked.now_ms)[-1].status
    return (
        _inside(asked, "StartDate", "EndDate", thing.created_ms)
        and _named(asked, "Ids", str(thing.id))
        and _named(asked, "Status", document_status)
        and _named(asked, "ReferenceIds", f"RMA-{thing.id}")
        and _named(asked, "OriginalShipmentIds", str(thing.shipment_id))
        and _inside(asked, "CompletedStartDate", "CompletedEndDate", _completed(thing, asked))
    )


def _wanted_receiving(asked: Asked, thing: Receiving) -> bool:
    return (
        _inside(asked, "InsertStartDate", "InsertEndDate", thing.created_ms)
        and _named(asked, "IDs", str(thing.id))
        and _named(asked, "Statuses", stages(thing, asked.now_ms)[-1].status)
        and _inside(asked, "CompletedStartDate", "CompletedEndDate", _completed(thing, asked))
    )


def _completed(thing: Return | Receiving, asked: Asked) -> int | None:
    reached = stages(thing, asked.now_ms)
    return reached[-1].at_ms if reached[-1].status == "Completed" else None


def _named(asked: Asked, name: str, value: str) -> bool:
    wanted = asked.texts(name)
    return not wanted or value in wanted


def _inside(asked: Asked, start_name: str, end_name: str, at_ms: int | None) -> bool:
    start, end = asked.moment(start_name), asked.moment(end_name)
    if start is None and end is None:
        return True
    return at_ms is not None and (start or 0) <= at_ms and (end is None or at_ms <= end)


def _by_cursor(
    asked: Asked,
    found: Sequence[T],
    most: int,
    written: Callable[[T], Document],
    *,
    size_name: str = "PageSize",
    ends: bool = True,
) -> Answer:
    """A page of a listing whose links are addresses; ``ends``: first and last are told, too."""
    size = asked.whole(size_name, 50, 1, most)
    text = asked.text("Cursor")
    start = 0 if text is None else int(read_cursor(text)["at"])
    cutting: Page[T] = cut(asked, found, start, size)

    def link(at: int | None) -> str | None:
        return None if at is None else asked.link(cursor_text(at))

    links = {"prev": link(cutting.previous), "next": link(cutting.following)}
    if ends:
        links |= {"first": link(0), "last": link(cutting.last)}
    return asked.enveloped([written(each) for each in cutting.rows], links)
