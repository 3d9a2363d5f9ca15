"""The timelines stream before a vendor in memory; the work list is in the test's hands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from sluice.core.errors import RowRejected
from sluice.core.ports import Stream
from sluice.core.records import Page, ReadPages
from tests.unit.sources.cars_vendor import Clock, json_answer
from tests.unit.sources.shipbob.vendor import ShipBob, opened
from tests.unit.sources.slices import budget

ASKED = "/2026-01/shipment/{}/timeline"
MINUTE = timedelta(minutes=1)


def event(log_id: int, at: str = "2026-10-30T08:00:00Z") -> dict[str, Any]:
    return {"log_type_id": log_id, "log_type_name": "x", "log_type_text": "x", "timestamp": at}


@dataclass
class Vendor(ShipBob):
    """Has a timeline for every shipment but ``unknown``; ``broken`` ones are answered as it says."""

    unknown: set[str] = field(default_factory=set)
    broken: dict[str, Callable[[], httpx.Response]] = field(default_factory=dict)

    def right(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        assert (parts[2], parts[4]) == ("shipment", "timeline"), request.url
        if request.headers["authorization"].removeprefix("Bearer ") not in self.tokens:
            return httpx.Response(401)
        if parts[3] in self.broken:
            return self.broken[parts[3]]()
        return httpx.Response(404) if parts[3] in self.unknown else json_answer([event(601)])

    def ids(self) -> list[str]:
        """Whom it was asked for, in order, with repetitions."""
        return [url.path.split("/")[3] for url in self.asked]


@dataclass
class Stand:
    """The stream and a vendor; the work list is in the test's hands."""

    vendor: Vendor
    stream: Stream

    def step(self, ids: Iterable[str], **detail: Any) -> ReadPages:
        return ReadPages("timelines", detail, [{"shipment_id": each, "tier": 0} for each in ids])

    def read(self, ids: Sequence[str], **allow: Any) -> list[Page]:
        pages = self.stream.pages(self.step(ids), {}, budget(self.vendor.clock, **allow))
        return list(pages)


def stand(**more: Any) -> Stand:
    vendor = Vendor(Clock())
    return Stand(vendor, opened(vendor, "timelines", **more))


def ids_of(pages: Iterable[Page]) -> list[str]:
    return [record.id for page in pages for record in page.records]


def verdicts(stream: Stream, pages: Iterable[Page]) -> list[str | None]:
    """Why each record is rejected, if it is."""
    told: list[str | None] = []
    for page in pages:
        for record in page.records:
            try:
                stream.values(record)
                told.append(None)
            except RowRejected as error:
                told.append(error.reason)
    return told


def rejected(stream: Stream, pages: Iterable[Page]) -> int:
    return sum(told is not None for told in verdicts(stream, pages))


NUMBERS = [str(number) for number in range(101, 121)]


ODD = {
    "html": lambda: httpx.Response(200, html="<html>"),
    "an object": lambda: json_answer({}),
    "cut": lambda: json_answer("cut", content_length="99"),
    "no JSON": lambda: httpx.Response(
        200, content=b"[601,]", headers={"content-type": "application/json"}
    ),
    "500": lambda: httpx.Response(500),
    "422": lambda: httpx.Response(422),
}
