"""A merchant with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from local.vendors.shipbob.models import MerchantSpec
from local.vendors.shipbob.orders import Order, OrderBook
from local.vendors.shipbob.products import Product
from local.vendors.shipbob.stages import Receiving, Return

_SCOPES = ("channels", "inventory", "orders", "products", "receiving", "returns", "webhooks")


@dataclass
class Merchant:
    """One client of the vendor. Ids are the world's, so a gap in them tells nothing."""

    spec: MerchantSpec
    user_id: int
    book: OrderBook
    products: dict[int, Product] = field(default_factory=dict)
    returns: dict[int, Return] = field(default_factory=dict)
    receivings: dict[int, Receiving] = field(default_factory=dict)
    held_back: list[Order] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What control and truth call it."""
        return self.spec.key

    def channels(self) -> list[dict[str, Any]]:
        """As /channel writes them: the token's own, which may write, and the default one."""
        read = [f"{scope}_read" for scope in _SCOPES] + ["fulfillments_read", "locations_read"]
        return [
            {
                "id": self.user_id * 10 + 1,
                "name": f"Token of {self.spec.called}",
                "application_name": "SMA",
                "scopes": [*read, *(f"{scope}_write" for scope in _SCOPES)],
            },
            {
                "id": self.user_id * 10,
                "name": "ShipBob Default",
                "application_name": "ShipBob",
                "scopes": read,
            },
        ]
