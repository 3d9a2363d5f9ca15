"""Who asks: tokens, what each may read, and how often it may ask."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import orjson

from local.vendors.loopback.answers import Answer
from local.vendors.loopback.limits import SlidingWindow
from local.vendors.shipbob.merchants import Merchant
from local.vendors.shipbob.models import PARENT, NewWorld, Options
from local.vendors.shipbob.world import World

_PARENT_SCOPES = frozenset({"billing", "channels", "locations", "webhooks"})
_CHILD_SCOPES = frozenset(
    {"channels", "inventory", "locations", "orders", "products", "receiving", "returns", "webhooks"}
)


@dataclass(frozen=True)
class Access:
    """One token: whose it is and its window of the rate limit."""

    owner: str
    merchant: Merchant | None
    scopes: frozenset[str]
    window: SlidingWindow | None

    def wait_s(self, now_s: float) -> float | None:
        """None: allowed and counted. Otherwise how long the window stays full."""
        return self.window.wait_s(now_s) if self.window else None

    def headers(self, now_s: float) -> dict[str, str]:
        """What is left of the window, told with every answer."""
        return {"x-remaining-calls": str(self.window.remaining(now_s))} if self.window else {}


def tokens(world: World) -> dict[str, Access]:
    """Every token of the world with what it may do."""
    wanted: NewWorld = world.wanted
    child = _CHILD_SCOPES | ({"billing"} if wanted.options.child_billing else set())
    found = {
        merchant.spec.bearer: Access(merchant.key, merchant, child, _window(wanted.options))
        for merchant in world.merchants.values()
    }
    parent = Access(PARENT, None, _PARENT_SCOPES, _window(wanted.options))
    return {**found, wanted.parent_token: parent}


def bearer(header: str | None) -> str | None:
    """The token of an Authorization header."""
    kind, _, token = (header or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def too_many(wait_s: float) -> Answer:
    """429 with the wait in a header and in words; whole seconds, rounded up."""
    seconds = max(1, ceil(wait_s))
    body = {
        "statusCode": 429,
        "message": f"Rate limit is exceeded. Try again in {seconds} seconds.",
    }
    return Answer(429, orjson.dumps(body), headers={"x-retry-after": str(seconds)})


def _window(options: Options) -> SlidingWindow | None:
    limit = options.rate_limit
    if limit is None:
        return None
    return SlidingWindow(limit.requests, limit.per_s, count_refused=limit.count_refused)
