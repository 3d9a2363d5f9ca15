"""A cars vendor in memory, for tests of a stream without sockets. Its answers can be spoilt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import orjson

BASE = "https://api.cars-vendor.com"
KEY = "key-1"
START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
Spoil = Callable[[httpx.Request, int], httpx.Response | None]


@dataclass
class Clock:
    """A clock that only moves when told, for wall time and monotonic seconds alike."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def json_answer(value: Any, status: int = 200, **headers: str) -> httpx.Response:
    """A JSON response with the vendor's Date."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.Response(
        status,
        content=orjson.dumps(value),
        headers={"content-type": "application/json", **named},
    )


def car(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "year": 2015, "title": f"car {number}", **more}


@dataclass
class CarsVendor:
    """Both shapes over one list of cars. ``spoil`` may answer instead, given the request and how
    often this very address was asked before."""

    clock: Clock
    cars: list[dict[str, Any]]
    changed: list[dict[str, Any]] = field(default_factory=list)
    archived: list[Any] = field(default_factory=list)
    spoil: Spoil | None = None
    advancing: bool = False
    skew: timedelta = timedelta(0)
    keys: set[str] = field(default_factory=lambda: {KEY})
    asked: list[httpx.URL] = field(default_factory=list)
    _scroll_at: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def transport(self, _connections: int = 1) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            before = self.asked.count(request.url)
            self.asked.append(request.url)
            spoilt = self.spoil(request, before) if self.spoil else None
            response = spoilt if spoilt is not None else self._right(request)
            date = format_datetime(self.clock() + self.skew, usegmt=True)
            response.headers.setdefault("date", date)
            # Built anew from a stream: only then can the reader take it byte by byte.
            return httpx.Response(
                response.status_code,
                headers=response.headers,
                stream=httpx.ByteStream(response.content),
            )

    def paths(self) -> list[str]:
        return [url.path for url in self.asked]

    def _right(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        if (request.headers.get("x-api-key") or query.get("api_key")) not in self.keys:
            return json_answer({"message": "no"}, 401)
        path = request.url.path
        if path == "/api/cars":
            return self._page(query)
        if path == "/cars":
            return self._scroll(query)
        if path == "/api/archived-lots":
            return json_answer({"archived_lots": self.archived})
        return self._one(path.rsplit("/", 1)[1])

    def _page(self, query: dict[str, str]) -> httpx.Response:
        rows = self.changed if "minutes" in query else self.cars
        return json_answer(page_of(rows, int(query["page"]), int(query["per_page"])))

    def _scroll(self, query: dict[str, str]) -> httpx.Response:
        token = query.get("scroll_id")
        if token is None:
            self._limit, self._scroll_at = int(query["limit"]), 0
        at = self._scroll_at if self.advancing or token is None else int(token.split("-")[1])
        end = at + self._limit
        self._scroll_at = end
        more = end < len(self.cars)
        name = "scroll-0" if self.advancing else f"scroll-{end}"
        return json_answer(
            {
                "data": self.cars[at:end],
                "scroll_id": name,
                "next_url": f"{BASE}/cars?api_key={KEY}&scroll_id={name}" if more else "",
            }
        )

    def _one(self, text: str) -> httpx.Response:
        found = [row for row in self.cars if str(row["id"]) == text]
        return json_answer(found[0]) if found else json_answer({"message": "no such car"}, 404)


def page_of(rows: list[dict[str, Any]], number: int, size: int) -> dict[str, Any]:
    last = max(1, -(-len(rows) // size))
    data = rows[(number - 1) * size : number * size]
    return {"data": data, "meta": {"current_page": number, "last_page": last}, "links": {}}


def cars(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [car(number) for number in range(first, first + count)]


def ids(rows: Iterable[Any]) -> list[str]:
    return [row.id for row in rows]
