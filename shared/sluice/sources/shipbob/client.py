"""ShipBob's calls, each answer judged before it is believed.

What is asked again, how often, and when it is our turn is the HTTP room's business. A page shorter than
asked for is asked for twice: nothing else tells the end of a listing from a page that failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from sluice.core.budget import Budget
from sluice.core.errors import NotFound, RequestRefused, RowRejected
from sluice.core.records import Record, Reject
from sluice.core.slices import Traffic
from sluice.sources.http import Got, VendorHttp
from sluice.sources.json_rows import RowShape
from sluice.sources.shipbob.answered import (
    ROWS,
    Listed,
    array_page,
    linked_page,
    one_row,
    wrapped_array,
)
from sluice.sources.urls import Base

T = TypeVar("T")
Params = Mapping[str, str | int]

BARE = RowShape(ROWS)
ITEMS = RowShape("items")
TIMELINE = RowShape("events", id_field="shipment_id")
TRANSACTIONS = RowShape("items", id_field="transaction_id")
INVOICES = RowShape("items", id_field="invoice_id")
QUERY_SIZE = 100
"""Rows of a page of charges where no size was asked for."""

SAID_BEFORE_GONE = 2


def bearer(token: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """A personal access token goes into the Authorization header."""
    return {"authorization": f"Bearer {token}"}, {}


@dataclass(frozen=True, slots=True)
class ShipBobClient:
    """One account's calls during a slice. Its methods may be called from several threads.

    Each listing method takes the query as it goes to the vendor and answers one page. ``size`` is the page
    size that the query, or the listing whose cursor is in it, asks for. Where the vendor told of the next
    page, ``Listed.following`` is the query to ask with.
    """

    http: VendorHttp
    base: Base
    version: str

    def orders(self, params: Params, budget: Budget, *, size: int) -> Got[Listed]:
        """A page of orders."""
        return self._array("/order", params, size, budget)

    def receiving(self, params: Params, budget: Budget, *, size: int) -> Got[Listed]:
        """A page of receiving orders."""
        return self._array("/receiving", params, size, budget)

    def products(self, params: Params, budget: Budget, *, size: int) -> Got[Listed]:
        """A page of products."""
        return self._linked("/product", params, ITEMS, size, budget)

    def returns(self, params: Params, budget: Budget, *, size: int) -> Got[Listed]:
        """A page of returns."""
        return self._linked("/return", params, ITEMS, size, budget)

    def invoices(self, params: Params, budget: Budget, *, size: int) -> Got[Listed]:
        """A page of invoices."""
        return self._linked("/invoices", params, INVOICES, size, budget)

    def transactions(
        self, filters: Mapping[str, Any], cursor: str | None, budget: Budget
    ) -> Got[Listed]:
        """A page of charges: ``filters`` is the body of the query, with its ``page_size``.

        With a ``cursor`` the vendor ignores the body; it is sent all the same, because the size of the
        pages it began with says which of them are short. ``following["Cursor"]`` goes on.
        """
        path, size = self._path("/transactions:query"), int(filters.get("page_size", QUERY_SIZE))
        body = orjson.dumps(dict(filters), option=orjson.OPT_SORT_KEYS)
        params = {} if cursor is None else {"Cursor": cursor}
        return self.http.ask_until_believed(
            f"{path} {body.decode()} {params}",
            path,
            params,
            lambda answer, doubt: self._counted(
                linked_page(answer, TRANSACTIONS, size, doubt, self.base)
            ),
            budget=budget,
            posted=body,
        )

    def order(self, order_id: str, budget: Budget) -> Got[Record | None]:
        """One order with its shipments; see ``one``."""
        return self.one("/order/{id}", order_id, budget)

    def shipment(self, shipment_id: str, budget: Budget) -> Got[Record | None]:
        """One shipment, which names its ``order_id``; see ``one``."""
        return self.one("/shipment/{id}", shipment_id, budget)

    def timeline(self, shipment_id: str, budget: Budget) -> Got[Record | Reject | None]:
        """What happened to a shipment, as a row ``{shipment_id, events: [...]}``; None where the vendor
        has no timeline of it (404)."""
        name = "/shipment/{id}/timeline"
        try:
            return self.http.get(
                self._path(name.format(id=plain_number(shipment_id))),
                {},
                lambda answer: wrapped_array(answer, TIMELINE, shipment_id),
                budget=budget,
                endpoint=self._path(name),
            )
        except NotFound:
            return Got(None, requests=1)

    def one(self, name: str, record_id: str, budget: Budget) -> Got[Record | None]:
        """The object at the address ``name``, in which ``{id}`` stands for its id.

        None where the vendor says 404 or 410 twice: once may be an outage of its own. RowRejected when the
        object cannot be read.
        """
        path = self._path(name.format(id=plain_number(record_id)))
        for said in range(1, 1 + SAID_BEFORE_GONE):
            try:
                got = self._one(name, path, record_id, budget)
            except NotFound:
                if said < SAID_BEFORE_GONE:
                    budget.spend(requests=1)
                continue
            except RowRejected:  # it is there
                self._taken_back(said)
                raise
            self._taken_back(said)
            return got
        return Got(None, requests=1)

    def _taken_back(self, said: int) -> None:
        """Something is there; all that was said before is that it is not."""
        if said > 1:
            self.http.contradicted()

    def _one(self, name: str, path: str, record_id: str, budget: Budget) -> Got[Record | None]:
        return self.http.get(
            path,
            {},
            lambda answer: one_row(answer, BARE, record_id),
            budget=budget,
            endpoint=self._path(name),
        )

    def traffic(self) -> Traffic:
        """What this slice cost so far."""
        return self.http.traffic()

    def _array(self, name: str, params: Params, size: int, budget: Budget) -> Got[Listed]:
        path = self._path(name)
        return self.http.ask_until_believed(
            _question(path, params),
            path,
            params,
            lambda answer, doubt: self._counted(array_page(answer, BARE, size, doubt)),
            budget=budget,
        )

    def _linked(
        self, name: str, params: Params, shape: RowShape, size: int, budget: Budget
    ) -> Got[Listed]:
        path = self._path(name)
        return self.http.ask_until_believed(
            _question(path, params),
            path,
            params,
            lambda answer, doubt: self._counted(linked_page(answer, shape, size, doubt, self.base)),
            budget=budget,
        )

    def _path(self, name: str) -> str:
        return f"/{self.version}{name}"

    def _counted(self, page: T) -> T:
        self.http.page()
        return page


def plain_number(record_id: str) -> str:
    """The id, if it can stand in an address; RequestRefused otherwise."""
    if not (record_id.isascii() and record_id.isdigit()):
        raise RequestRefused(f"{record_id[:40]!r} is no id of ShipBob's: they are whole numbers")
    return record_id


def _question(path: str, params: Params) -> str:
    return f"{path} {sorted(params.items())}"
