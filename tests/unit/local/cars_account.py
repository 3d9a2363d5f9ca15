"""A simulated cars vendor in a thread, its control and its addresses through one client."""

from __future__ import annotations

from typing import Any

import httpx

from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import AccountOptions

NOON = 1_800_000_000.0
KEY = "key/one"
PLAIN = AccountOptions(volatile=False)


class Vendor(CarsVendorControl):
    """Control and vendor addresses through one client."""

    def ask(self, path: str, key: str | None = KEY, **query: Any) -> httpx.Response:
        headers = {} if key is None else {"x-api-key": key}
        return self._client.get(self.base_url + path, params=query, headers=headers)

    def page(self, page: int = 1, **query: Any) -> dict[str, Any]:
        query = {"page": page, "simple_paginate": 0, **query}
        return self.ask("/api/cars", **query).json()

    def scroll(self, **query: Any) -> httpx.Response:
        return self.ask("/cars", None, api_key=KEY, **query)


def ids(answer: dict[str, Any]) -> list[int]:
    return [row["id"] for row in answer["data"]]
