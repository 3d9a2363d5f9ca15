"""A parent's billing in memory, for tests without sockets. Its answers can be spoilt.

A cursor is a place in the listing as it stands, and keeps its filters and its size; what the body says beside a
cursor is ignored, as the vendor's document tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import orjson

from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from tests.unit.sources.cars_vendor import START, Clock, json_answer

TOKEN = "parent-token"
Document = dict[str, Any]
Spoil = Callable[[Document, int], httpx.Response | None]
"""Given the filters with their ``cursor``, and how often just this was asked before."""


def charge(number: int, *, days_ago: int = 1, **more: Any) -> Document:
    """A charge of shipment ``number``, dated by its day."""
    return {
        "transaction_id": f"T{number:06}",
        "amount": 0.1,
        "charge_date": (START - timedelta(days=days_ago)).date().isoformat(),
        "transaction_fee": "Shipping",
        "transaction_type": "Charge",
        "reference_type": "Shipment",
        "reference_id": str(number),
        "invoiced_status": False,
        **more,
    }


def charges(count: int, *, days: int = 40) -> list[Document]:
    """Over the last days, the same number on each, oldest first."""
    return [charge(n, days_ago=days - n * days // count) for n in range(count)]


def invoice(number: int, *, days_ago: int = 1) -> Document:
    dated = (START - timedelta(days=days_ago)).date().isoformat()
    return {"invoice_id": number, "invoice_date": dated, "amount": 2.5, "running_balance": 1.25}


@dataclass
class Billing:
    """Charges and invoices are listed by their dates, oldest first where that is asked for."""

    clock: Callable[[], datetime] = field(default_factory=Clock)
    charges: list[Document] = field(default_factory=list)
    invoices: list[Document] = field(default_factory=list)
    spoil: Spoil | None = None
    skew: timedelta = timedelta(0)
    asked: list[Document] = field(default_factory=list)

    def transport(self, _connections: int = 1) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        if request.method == "POST":
            asked = {**orjson.loads(request.content), "cursor": query.get("Cursor")}
        else:
            asked = {
                "from_date": query.get("FromDate"), "to_date": query.get("ToDate"),
                "page_size": int(query.get("PageSize", 0)), "cursor": query.get("Cursor"),
            }  # fmt: skip
        before = self.asked.count(asked)
        self.asked.append(asked)
        response = self.spoil(asked, before) if self.spoil else None
        response = response or self.right(request.url.path, asked)
        date = format_datetime(self.clock() + self.skew, usegmt=True)
        return httpx.Response(
            response.status_code,
            headers={**response.headers, "date": date},
            stream=httpx.ByteStream(response.content),
        )

    def right(self, path: str, asked: Document) -> httpx.Response:
        """What a sound vendor answers."""
        rows, day = (
            (self.charges, "charge_date")
            if path.endswith(":query")
            else (self.invoices, "invoice_date")
        )
        kept, at = asked, 0
        if asked["cursor"] is not None:
            kept = orjson.loads(asked["cursor"])
            at = kept["at"]
        wanted = kept.get("reference_ids")
        found = sorted(
            (
                row
                for row in rows
                if kept["from_date"][:10] <= row[day] <= kept["to_date"][:10]
                and (wanted is None or row["reference_id"] in wanted)
            ),
            key=lambda row: row[day],
        )
        end = at + kept["page_size"]
        following = orjson.dumps({**kept, "cursor": None, "at": end}).decode()
        return json_answer(
            {"items": found[at:end], "next": following if end < len(found) else None}
        )


def connected(vendor: Billing, clock: Clock) -> VendorConnections:
    return VendorConnections(
        clock=clock,
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        make_transport=vendor.transport,
    )


def opened(vendor: Billing, clock: Clock, stream: str = "transactions", **settings: Any) -> Stream:
    """A stream of one parent account of a vendor in memory."""
    return open_stream(
        StreamKey("parent", "shipbob", stream),
        settings={"billing_page_size": 100, "requests_per_minute": 100_000, **settings},
        credentials=TOKEN,
        refresh=lambda: TOKEN,
        connections=connected(vendor, clock),
        account="parent",
        chance=lambda: 0.0,
    )
