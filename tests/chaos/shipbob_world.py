"""The simulated ShipBob of the suite: one parent and its merchants, whose world goes on during rounds.

Its clock is everybody's: while time stands still for a comparison, no parcel goes on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from local.vendors.loopback.clock import VendorClock
from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import MerchantSpec, NewWorld, Options, RateLimit
from local.vendors.shipbob.server import vendor_in_thread
from ops.webhooks.shipbob import ShipBobSubscriptions
from ops.webhooks.subscriptions import Wanted
from sluice.core.keys import StreamKey
from sluice.sources.pushes import topics_of
from sluice.sources.registry import check_settings
from sluice.webhooks.standard import new_secret

SOURCE = "shipbob"
PARENT = "house"
NAMES = ("Acme", "Acme Pets", "Нива & Söhne", "Bolt")
"""What the merchants are called; one begins another's, as real ones do."""

OF_A_MERCHANT = ("orders", "timelines", "products", "returns", "receiving_orders")
OF_THE_PARENT = ("transactions", "invoices")
LATER = ("timelines", "transactions")
"""Streams that go on from what others read."""

PER_MINUTE = 1200
"""The vendor's 150 requests a minute in scaled time: a full read of everything takes seconds."""

HISTORY_DAYS = 2
"""How old the world is when it begins. ``history`` reaches further back, by the time that passes in a long run."""

MOST_GONE = 10
"""Orders of a merchant that vanish in one round: fewer than the delete brake holds back."""

_SETTINGS: Mapping[str, Any] = {
    "page_size": 40,
    "billing_page_size": 100,
    "requests_per_minute": PER_MINUTE,
    "slice_rows": 150,
    "slice_requests": 60,
    "history": "P4D",
    "orders_every": "PT1S",
    "timelines_every": "PT1S",
    "timelines_batch": 60,
    "products_every": "PT2S",
    "returns_every": "PT2S",
    "receiving_every": "PT2S",
    "listing_every": "PT6S",
    "reconcile_every": "PT4S",
    "transactions_every": "PT2S",
    "attribute_every": "PT3S",
    "invoices_every": "PT5S",
}


@dataclass
class ShipBobWorld:
    """``now`` is everybody's time, seconds since 1970. ``webhooks`` is where pushes are received."""

    seed: int
    merchants: int
    orders: int
    now: Callable[[], float]
    webhooks: str
    secrets: dict[str, str] = field(default_factory=dict)
    changes_refused: int = 0
    _gone: dict[str, int] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Serve, make the world, and subscribe to its pushes."""
        self.url = self._stack.enter_context(vendor_in_thread(VendorClock(self.now)))
        self.control = ShipBobControl(self.url)
        self._stack.callback(self.control.close)
        made = self.control.create_world(
            NewWorld(
                seed=self.seed,
                merchants=tuple(
                    MerchantSpec(key=each, name=name) for each, name in self._named().items()
                ),
                orders=self.orders * self.merchants,
                products=12 * self.merchants,
                returns=10 * self.merchants,
                receivings=6 * self.merchants,
                transactions=80 * self.merchants,
                history_days=HISTORY_DAYS,
                options=Options(
                    rate_limit=RateLimit(requests=PER_MINUTE, per_s=60), retry_scale=0.1
                ),
            )
        )
        self.tokens = {
            PARENT if each == "parent" else each: told for each, told in made.merchants.items()
        }
        self.control.change(invoice=True)
        for client_id in self.clients:
            self._subscribe(client_id)

    def stop(self) -> None:
        self._stack.close()

    @property
    def names(self) -> Sequence[str]:
        """The merchants; each is a client of ours by the same name."""
        return list(self._named())

    @property
    def clients(self) -> Sequence[str]:
        return [*self.names, PARENT]

    @property
    def keys(self) -> Sequence[StreamKey]:
        of_merchants = [StreamKey(each, SOURCE, s) for each in self.names for s in OF_A_MERCHANT]
        return [*of_merchants, *(StreamKey(PARENT, SOURCE, stream) for stream in OF_THE_PARENT)]

    def settings_of(self, client_id: str) -> dict[str, Any]:
        """As a clients file would say it."""
        chosen = {**_SETTINGS, "base_url": self.url}
        if client_id == PARENT:
            merchants = {each: {"names": [name]} for each, name in self._named().items()}
            chosen["billing"] = {"merchants": merchants, "internal": PARENT}
        return check_settings(SOURCE, chosen, allow_loopback=True)

    def hold(self) -> None:
        """Let the vendor's time stand still."""
        self.control.hold_clock()

    def release(self) -> None:
        """Let it be everybody's again. A new round may begin."""
        self.control.hold_clock(hold=False)
        self._gone.clear()

    def change(self, chance: random.Random) -> None:
        """The world goes on. What it has nothing left for is counted."""
        merchant = chance.choice(self.names)
        gone = self._gone.get(merchant, 0)
        leaves = 1 if gone < MOST_GONE and chance.random() < 0.4 else 0
        self._gone[merchant] = gone + leaves

        def perhaps(share: float) -> int:
            return int(chance.random() < share)

        self._ask(merchant=merchant, seed=chance.randrange(10**9), remove_orders=leaves)
        self._ask(
            seed=chance.randrange(10**9),
            orders=perhaps(0.6),
            late_orders=perhaps(0.2),
            held_back=perhaps(0.1),
            reveal=chance.random() < 0.1,
            update=3,
            hold=perhaps(0.1),
            exception=perhaps(0.1),
            cancel=perhaps(0.2),
            products=perhaps(0.1),
            update_products=perhaps(0.6),
            returns=perhaps(0.3),
            receivings=perhaps(0.3),
            charges=1 + perhaps(0.5),
            late_charges=perhaps(0.2),
            invoice=chance.random() < 0.05,
        )
        self._ask(
            seed=chance.randrange(10**9),
            scan=1,
            deliver=perhaps(0.7),
            deliver_quietly=perhaps(0.5),
        )

    def settled(self, patience_s: float = 5.0) -> None:
        """Wait until each push that is due was at least tried once."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            waiting = [p for p in self.control.pushes() if p.state == "waiting" and not p.statuses]
            if not waiting:
                return
            time.sleep(0.1)

    def _ask(self, **counts: Any) -> None:
        try:
            self.control.change(**counts)
        except ControlRefusedError:  # as "no shipment is left that could be delivered"
            self.changes_refused += 1

    def _named(self) -> Mapping[str, str]:
        keys = ("acme", "acme-pets", "niva", "bolt")
        return dict(zip(keys[: self.merchants], NAMES, strict=False))

    def _subscribe(self, client_id: str) -> None:
        """As ``sluice webhooks ensure`` does."""
        by_stream = topics_of(SOURCE)
        streams = OF_THE_PARENT if client_id == PARENT else OF_A_MERCHANT
        topics = frozenset(t for each in streams for t in by_stream.get(each, ()))
        self.secrets[client_id] = new_secret()
        wanted = Wanted(client_id, SOURCE, f"{self.webhooks}/{SOURCE}/{client_id}", topics)
        with ShipBobSubscriptions(self.url, "2026-01", self.tokens[client_id]) as vendor:
            vendor.make(wanted, self.secrets[client_id])
