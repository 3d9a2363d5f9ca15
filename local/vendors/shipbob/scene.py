"""What the addresses of the vendor and of its control share: one world, its tokens, its faults."""

from __future__ import annotations

from collections import Counter

from local.vendors.loopback.clock import VendorClock
from local.vendors.shipbob.access import Access, tokens
from local.vendors.shipbob.faults import Faults, Hits
from local.vendors.shipbob.models import NewWorld
from local.vendors.shipbob.world import World


class Scene:
    """The world on show; another one may take its place. At first it is empty."""

    def __init__(self, clock: VendorClock) -> None:
        self.clock = clock
        self.faults = Faults()
        self.served: Counter[str] = Counter()
        self.faulty = 0
        self.show(
            World(NewWorld(orders=0, products=0, returns=0, receivings=0, transactions=0), clock)
        )

    def show(self, world: World) -> None:
        """Put this world in place of the one before; faults and their counts go with that one."""
        self.world = world
        self.tokens: dict[str, Access] = tokens(world)
        self.faults.clear()
        self.forget_served()

    def forget_served(self) -> None:
        """Count anew."""
        self.served.clear()
        self.faulty = 0

    def count(self, hits: Hits) -> None:
        """Count the faults an answer or a push really met."""
        labels = [fault.label for fault in (hits.refusal, hits.delivery) if fault is not None]
        self.served.update([*labels, *hits.served])
        self.faulty += bool(labels or hits.served)
