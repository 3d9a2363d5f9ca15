"""A ShipBob in memory, for tests of its listing streams without sockets. Its answers can be spoilt.

It sorts and filters as the vendor documents, includes the earlier end of a window and leaves the later
one out: the less pleasant reading for whoever goes on at the last row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from tests.unit.sources.cars_vendor import START, Clock, Spoil, json_answer

BASE = "https://api.shipbob.com"
TOKEN = "token-1"
Document = dict[str, Any]


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def order(number: int, at: datetime = START - timedelta(days=1), **more: Any) -> Document:
    """An order with one shipment, created at that moment and never updated."""
    return {
        "id": number,
        "created_date": moment(at),
        "order_number": f"#{number}",
        "status": "Processing",
        "shipments": [shipment(number * 10, number, at)],
        **more,
    }


def shipment(number: int, order_id: int, at: datetime, **more: Any) -> Document:
    return {
        "id": number,
        "order_id": order_id,
        "created_date": moment(at),
        "last_update_at": None,
        "last_tracking_update_at": None,
        "status": "Processing",
        **more,
    }


def orders(
    count: int, *, first: int = 1, apart: timedelta = timedelta(minutes=1)
) -> list[Document]:
    """Orders one after the other, the last a minute ago."""
    return [order(first + n, START - apart * (count - n)) for n in range(count)]


def products(count: int) -> list[Document]:
    at = moment(START - timedelta(days=3))
    return [
        {
            "id": number,
            "name": f"product {number}",
            "type": "Regular",
            "created_on": at,
            "updated_on": None,
            "variants": [{"id": number * 10, "inventory": {"inventory_id": number * 100}}],
        }
        for number in range(1, count + 1)
    ]


def returns(count: int) -> list[Document]:
    return [
        {
            "id": n,
            "insert_date": moment(START - timedelta(minutes=count - n + 1)),
            "status": "Arrived",
        }
        for n in range(1, count + 1)
    ]


@dataclass
class ShipBob:
    """``spoil`` may answer instead, given the request and how often this very address was asked before."""

    clock: Clock
    orders: list[Document] = field(default_factory=list)
    products: list[Document] = field(default_factory=list)
    returns: list[Document] = field(default_factory=list)
    receivings: list[Document] = field(default_factory=list)
    spoil: Spoil | None = None
    sorts: bool = True
    absolute: bool = False
    skew: timedelta = timedelta(0)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    asked: list[httpx.URL] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def transport(self, _connections: int = 1) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            before = self.asked.count(request.url)
            self.asked.append(request.url)
            spoilt = self.spoil(request, before) if self.spoil else None
            response = spoilt if spoilt is not None else self.right(request)
            date = format_datetime(self.clock() + self.skew, usegmt=True)
            response.headers.setdefault("date", date)
            # Built anew from a stream: only then can the reader take it byte by byte.
            return httpx.Response(
                response.status_code,
                headers=response.headers,
                stream=httpx.ByteStream(response.content),
            )

    def queries(self, path: str = "/2026-01/order") -> list[dict[str, str]]:
        return [dict(url.params) for url in self.asked if url.path == path]

    def right(self, request: httpx.Request) -> httpx.Response:
        """What a sound vendor answers."""
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return httpx.Response(401)
        query = dict(request.url.params)
        parts = request.url.path.removeprefix("/2026-01/").split("/")
        if len(parts) == 2:
            return self._one(*parts)
        match parts[0]:
            case "order":
                return self._orders(query)
            case "product":
                return self._products(request.url, query)
            case "return":
                return self._returns(request.url, query)
            case "receiving":
                return self._receivings(query)
        return httpx.Response(404)

    def _orders(self, query: dict[str, str]) -> httpx.Response:
        found = [
            each
            for each in self.orders
            if _from(query, "StartDate", [each["created_date"]])
            and _from(query, "LastUpdateStartDate", _moved(each, "last_update_at"))
            and _from(query, "LastTrackingUpdateStartDate", _moved(each, "last_tracking_update_at"))
        ]
        if self.sorts:
            found.sort(
                key=lambda each: each["created_date"], reverse=query["SortOrder"] != "Oldest"
            )
        return json_answer(_page(found, int(query["Page"]), int(query["Limit"])))

    def _receivings(self, query: dict[str, str]) -> httpx.Response:
        found = [
            each
            for each in self.receivings
            if _from(query, "InsertStartDate", [each["insert_date"]])
            and _from(query, "CompletedStartDate", [each.get("completed")])
            and each["insert_date"] < query.get("InsertEndDate", "9")
        ]
        found.sort(key=lambda each: each["insert_date"], reverse=True)
        return json_answer(_page(found, int(query["Page"]), int(query["Limit"])))

    def _returns(self, url: httpx.URL, query: dict[str, str]) -> httpx.Response:
        found = [
            each
            for each in self.returns
            if _from(query, "StartDate", [each["insert_date"]])
            and _from(query, "CompletedStartDate", [each.get("completed_date")])
        ]
        found.sort(key=lambda each: each["insert_date"], reverse=query["SortOrder"] != "Asc")
        page, size = int(query["Cursor"]), int(query["Limit"])
        more = page * size < len(found)
        link = self._link(url, {**query, "Cursor": str(page + 1)}) if more else None
        return json_answer({"items": _page(found, page, size), "next": link})

    def _products(self, url: httpx.URL, query: dict[str, str]) -> httpx.Response:
        found = [
            each
            for each in self.products
            if _from(query, "LastUpdatedTimestamp", [each["updated_on"]])
        ]
        found.sort(key=lambda each: each["id"], reverse=query["SortOrder"] != "ASC")
        size, start = int(query["PageSize"]), int(query.get("Cursor", "0"))
        more = start + size < len(found)
        link = self._link(url, {**query, "cursor": str(start + size)}, "Cursor") if more else None
        return json_answer({"items": found[start : start + size], "next": link})

    def _link(self, url: httpx.URL, query: dict[str, str], *without: str) -> str:
        kept = {name: text for name, text in query.items() if name not in without}
        return f"{BASE if self.absolute else ''}{url.path}?{urlencode(kept)}"

    def _one(self, what: str, text: str) -> httpx.Response:
        kinds: dict[str, Sequence[Document]] = {
            "order": self.orders,
            "product": self.products,
            "return": self.returns,
            "receiving": self.receivings,
            "shipment": [each for o in self.orders for each in o["shipments"]],
        }
        found = [each for each in kinds[what] if str(each["id"]) == text]
        return json_answer(found[0]) if found else httpx.Response(404)


def _page(rows: list[Document], number: int, size: int) -> list[Document]:
    return rows[(number - 1) * size : number * size]


def _from(query: dict[str, str], name: str, moments: Sequence[str | None]) -> bool:
    since = query.get(name)
    return since is None or any(at is not None and at >= since for at in moments)


def _moved(document: Document, name: str) -> list[str | None]:
    return [each.get(name) for each in document["shipments"]]


def opened(vendor: ShipBob, stream: str = "orders", **settings: Any) -> Stream:
    """A stream of one account of a vendor in memory."""
    connections = VendorConnections(
        clock=vendor.clock,
        sleep=vendor.clock.sleep,
        monotonic=vendor.clock.monotonic,
        make_transport=vendor.transport,
    )
    refresh: Callable[[], str] = settings.pop("refresh", lambda: TOKEN)
    return open_stream(
        StreamKey("acme", "shipbob", stream),
        settings={"page_size": 100, "requests_per_minute": 100_000, **settings},
        credentials=TOKEN,
        refresh=refresh,
        connections=connections,
        account="acme",
        chance=lambda: 0.0,
    )
