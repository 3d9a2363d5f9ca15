"""What is synced: many clients' cars, crawled again and again, and slices that fail on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.sources.registry import VendorConnections, check_settings, open_stream

NEVER = "P7D"
"""The cadence of a stream that is left alone; it still does what it is asked to."""

CALM = {"crawl_every": NEVER}
CALM_PAGE = {"delta_every": NEVER, "archived_every": NEVER}
CALM_SHIPBOB = dict.fromkeys(
    (
        "orders_every", "timelines_every", "products_every", "returns_every", "receiving_every", "listing_every",
        "reconcile_every", "transactions_every", "attribute_every", "invoices_every",
    ),
    NEVER,
)  # fmt: skip

CALM_MIXPANEL = {"shortest": "PT10M", "reread_every": "P30D"}
"""New events are read once more when time was moved on: all there are by then."""


class SliceBroken(Exception):
    """A bug, as far as the queue can tell: this slice fails each time."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client of the suite: its vendor account, and how its stream is set."""

    client_id: str
    cars: int
    shape: str = "page"

    @property
    def key(self) -> StreamKey:
        return StreamKey(self.client_id, "cars", "cars")

    @property
    def api_key(self) -> str:
        return f"chaos-key-of-{self.client_id}"

    def settings(self, base_url: str) -> dict[str, Any]:
        """Every crawl is due as soon as the last one ended: there is always work."""
        chosen: dict[str, Any] = {
            "shape": self.shape, "base_url": base_url, "page_size": 100, "concurrency": 2,
            "slice_rows": 300, "slice_requests": 40, "crawl_every": "PT1S", "requests_per_second": 20,
            "volatile_fields": ["_fetched_at"],
        }  # fmt: skip
        if self.shape == "scroll":
            chosen["point_read_base_url"] = base_url
        else:
            chosen |= {"delta_every": "PT2S", "archived_every": "PT3S"}
        return check_settings("cars", chosen, allow_loopback=True)


def clients(count: int, cars: int) -> list[Client]:
    """Every fourth is of the other shape; sizes differ by up to a factor of two."""
    return [
        Client(
            f"client-{number:02d}",
            cars=cars + cars * (number % 5) // 4,
            shape="scroll" if number % 4 == 3 else "page",
        )
        for number in range(count)
    ]


def _facts_of(key: StreamKey) -> ModuleType:
    """Imported when first asked for: an older version of the engine knows nothing of facts, and says so
    as a worker of an older deploy does of a source that came later."""
    try:
        return import_module("tests.chaos.facts")
    except ImportError as error:
        raise StreamUnknown(f"{key}: this version knows no source {key.source}") from error


def _calm(key: StreamKey, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings under which nothing is due by itself."""
    if key.source == "shipbob":
        return CALM_SHIPBOB
    if key.source == "mixpanel":
        return {**CALM_MIXPANEL, "profiles": {**settings["profiles"], "every": "P30D"}}
    return CALM | (CALM_PAGE if settings["shape"] == "page" else {})


def _pushes() -> ModuleType:
    """Of this version only: nothing asks an older one because of a push."""
    return import_module("sluice.sources.pushes")


@dataclass
class OpenedStreams:
    """Implements ``core.ports.Streams`` in a worker. ``calm``: nothing is due unless it is asked for.

    ``clients`` holds each stream key's settings and vendor key, ``account_of`` what opening a stream
    takes to know its vendor account. ``ahead`` is how far the vendors' true
    time is ahead of the machine's. ``hurries``: a push asked, so the stream is due whatever its rhythm says.
    """

    clients: Mapping[str, Mapping[str, Any]]
    connections: VendorConnections
    account_of: Callable[[str], Mapping[str, Any]]
    calm: bool = False
    ahead: timedelta = timedelta(0)
    cut_share: float = 0.0
    poisoned: frozenset[str] = frozenset()
    hurries: bool = False

    def open(self, key: StreamKey) -> Stream:
        if str(key) in self.poisoned:
            raise SliceBroken(f"{key} fails each time")
        client = self.clients.get(str(key))
        if client is None:
            raise StreamUnknown(f"{key} is no client of this suite")
        settings = dict(client["settings"])
        if key.source == "shop":
            return _facts_of(key).stream(
                settings, self.ahead, calm=self.calm, cut_share=self.cut_share
            )
        if self.calm:
            settings |= _calm(key, settings)
        if self.hurries:
            settings |= _pushes().hurried(key)
        return open_stream(
            key,
            settings=settings,
            credentials=client["api_key"],
            refresh=lambda: str(client["api_key"]),
            connections=self.connections,
            **self.account_of(client["api_key"]),
        )
