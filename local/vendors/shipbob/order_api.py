"""/order, /shipment and what hangs below them."""

from __future__ import annotations

from collections.abc import Iterator

from local.vendors.loopback.answers import Answer
from local.vendors.shipbob.asked import Asked, BadParameterError, Document, NotThereError, answered
from local.vendors.shipbob.marks import Standing
from local.vendors.shipbob.order_documents import (
    order_document,
    shipment_document,
    timeline_documents,
)
from local.vendors.shipbob.orders import Order, OrderBook, Shipment, reference_of
from local.vendors.shipbob.paging import Page, cut

_ALWAYS_MS = 1 << 52


def orders(asked: Asked) -> Answer:
    """A page of orders; a page shorter than the limit is the last, and nothing else says so."""
    page = asked.whole("Page", 1, 1, 2_147_483_647)
    limit = asked.whole("Limit", 50, 1, 250)
    found = _found(asked, _book(asked))
    cutting = cut(asked, found, (page - 1) * limit, limit)
    rows = [_order(asked, order) for order in cutting.rows]
    headers = _headers(page, limit, cutting) if asked.world.options.page_headers else {}
    return asked.listed(rows, headers=headers)


def order(asked: Asked) -> Answer:
    """One order."""
    return answered(_order(asked, _order_in_path(asked)))


def shipments(asked: Asked) -> Answer:
    """The shipments of one order."""
    found = _order_in_path(asked).shipments
    return asked.listed([_shipment(asked, each) for each in found])


def shipment(asked: Asked) -> Answer:
    """One shipment."""
    return answered(_shipment(asked, _shipment_in_path(asked)))


def timeline(asked: Asked) -> Answer:
    """What happened to a shipment until now."""
    found = _shipment_in_path(asked)
    return asked.listed(timeline_documents(asked.world.stories, found, asked.now_ms))


def logs(asked: Asked) -> Answer:
    """The same with more kinds of events."""
    found = _shipment_in_path(asked)
    return asked.listed(timeline_documents(asked.world.stories, found, asked.now_ms, whole=True))


def _book(asked: Asked) -> OrderBook:
    """The orders this token may read: none for the parent account."""
    return asked.merchant.book if asked.merchant else OrderBook(asked.world.stories)


def _order(asked: Asked, order: Order) -> Document:
    return order_document(asked.world.stories, order, asked.now_ms, asked.version)


def _shipment(asked: Asked, shipment: Shipment) -> Document:
    state = _standing(asked, shipment)
    return shipment_document(asked.world.stories, shipment, state, asked.version)


def _standing(asked: Asked, shipment: Shipment) -> Standing:
    return asked.world.stories.standing(shipment, asked.now_ms)


def _order_in_path(asked: Asked) -> Order:
    found = _book(asked).orders.get(asked.number_in_path("order_id"))
    if found is None:
        raise NotThereError
    return found


def _shipment_in_path(asked: Asked) -> Shipment:
    """Another merchant's shipment is as absent as one that never was."""
    found = _book(asked).shipments.get(asked.number_in_path("shipment_id"))
    if found is None or asked.names.get("order_id", str(found.order_id)) != str(found.order_id):
        raise NotThereError
    return found


def _found(asked: Asked, book: OrderBook) -> list[Order]:
    """The orders that meet every filter, newest first unless asked otherwise."""
    ids: set[int] | None = None
    for met in _filters(asked, book):
        ids = met if ids is None else ids & met
    found = list(book.orders.values()) if ids is None else book.listed(ids)
    references = set(asked.texts("ReferenceIds"))
    if references:
        found = [each for each in found if reference_of(each.merchant, each.id) in references]
    found.sort(key=lambda each: (each.created_ms, each.id), reverse=_newest_first(asked))
    return found


def _filters(asked: Asked, book: OrderBook) -> Iterator[set[int]]:
    """The ids each filter lets through. A new order is in no window of updates: it has none."""
    if asked.text("IDs") is not None:
        yield set(asked.numbers("IDs"))
    if (window := _window(asked, "")) is not None:
        yield set(book.created.between(*window))
    for name, index in (("LastUpdate", book.moved), ("LastTrackingUpdate", book.tracked)):
        if (window := _window(asked, name)) is not None:
            yield index.latest_between(*window, now_ms=asked.now_ms)
    yield from _by_tracking(asked, book)


def _by_tracking(asked: Asked, book: OrderBook) -> Iterator[set[int]]:
    tracked, uploaded = asked.flag("HasTracking"), asked.flag("IsTrackingUploaded")
    if tracked is not None:
        having = set(book.tracked.between(0, asked.now_ms))
        yield having if tracked else set(book.orders) - having
    if uploaded is not None:
        yield {
            order.id
            for order in book.orders.values()
            if all(_standing(asked, each).shipped_ms for each in order.shipments) is uploaded
        }


def _window(asked: Asked, name: str) -> tuple[int, int] | None:
    """Both ends included; None where neither was given."""
    start, end = asked.moment(f"{name}StartDate"), asked.moment(f"{name}EndDate")
    if start is None and end is None:
        return None
    return start or 0, _ALWAYS_MS if end is None else end


def _newest_first(asked: Asked) -> bool:
    order = (asked.text("SortOrder") or "Newest").lower()
    if order not in {"newest", "oldest"}:
        raise BadParameterError("SortOrder", "SortOrder must be Newest or Oldest.")
    return order == "newest"


def _headers(page: int, limit: int, cutting: Page[Order]) -> dict[str, str]:
    """As versions before 2025-07 told them."""
    headers = {
        "Page-Number": str(page),
        "Page-Size": str(limit),
        "Total-Count": str(cutting.total),
        "Total-Pages": str(-(-cutting.total // limit)),
    }
    if cutting.following is not None:
        headers["Next-Page"] = str(page + 1)
    return headers
