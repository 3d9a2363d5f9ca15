"""A simulated ShipBob in a thread, its control and its addresses through one client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from local.vendors.loopback.clock import VendorClock
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.server import vendor_in_thread

NOON = 1_800_000_000.0  # a Friday, 2027-01-15 08:00 UTC
LONG_AGO = "2020-01-01T00:00:00Z"
KEYS = ("acme", "acme-pets", "niva")
UNLIMITED = {"rate_limit": None}


class Vendor(ShipBobControl):
    """Control and vendor addresses through one client; ``naps`` are the waits it only noted."""

    naps: list[float]

    def ask(
        self,
        path: str,
        key: str | None = "acme",
        *,
        method: str = "GET",
        json: Any = None,
        version: str = "2026-01",
        **query: Any,
    ) -> httpx.Response:
        """Ask as that merchant (or "parent"); None: without a token."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}-token"}
        url = f"{self.base_url}/{version}{path}"
        return self._client.request(method, url, headers=headers, json=json, params=query or None)

    def orders(self, key: str = "acme", **query: Any) -> list[dict[str, Any]]:
        """One page of orders."""
        return self.ask("/order", key, **query).json()

    def all_orders(self, key: str = "acme", **query: Any) -> list[dict[str, Any]]:
        """Every page until a short one."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.orders(key, Page=len(found) // 250 + 1, Limit=250, **query)
            found += page
            if len(page) < 250:
                return found

    def query(self, cursor: str | None = None, **filters: Any) -> dict[str, Any]:
        """One page of transactions, as the parent account."""
        asked = {} if cursor is None else {"Cursor": cursor}
        answer = self.ask("/transactions:query", "parent", method="POST", json=filters, **asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all_transactions(self, **filters: Any) -> list[dict[str, Any]]:
        """Every page; the filters are told once."""
        page = self.query(**{"from_date": LONG_AGO, "page_size": 1000, **filters})
        found = page["items"]
        while page["next"] is not None:
            page = self.query(page["next"])
            found += page["items"]
        return found

    def subscribe(self, url: str, *topics: str, key: str = "acme", **fields: Any) -> dict[str, Any]:
        """Make a subscription."""
        wanted = {"url": url, "topics": list(topics), **fields}
        answer = self.ask("/webhook", key, method="POST", json=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def standing_vendor(**world: Any) -> Iterator[Vendor]:
    """A world at a fixed moment that never waits, without a rate limit unless asked for."""
    wanted = {"options": UNLIMITED, **world}
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    clock = VendorClock(lambda: NOON)
    with vendor_in_thread(clock, nap) as base_url, Vendor(base_url) as vendor:
        vendor.naps = naps
        vendor.create_world(**wanted)
        yield vendor


def ids(rows: list[dict[str, Any]]) -> list[int]:
    """The ids of the rows, in order."""
    return [row["id"] for row in rows]


def truth_ids(vendor: Vendor, kind: str, merchant: str | None = None) -> set[Any]:
    """The ids of everything of that kind."""
    return {line["id"] for line in vendor.truth(kind, merchant)}
