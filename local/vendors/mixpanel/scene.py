"""What the addresses of the vendor and of its control share: one world, its limits, its faults."""

from __future__ import annotations

from collections import Counter

from local.vendors.loopback.clock import VendorClock
from local.vendors.mixpanel.access import Turnstile
from local.vendors.mixpanel.faults import Faults, Hits
from local.vendors.mixpanel.models import ApiKind, Feed, Limits, NewWorld, ProjectSpec
from local.vendors.mixpanel.world import World

_NOTHING = NewWorld(projects=(ProjectSpec(feed=Feed(per_day=0), profiles=0),))


class Scene:
    """The world on show; another one may take its place. At first there is nothing in it."""

    def __init__(self, clock: VendorClock) -> None:
        self.clock = clock
        self.faults = Faults()
        self.served: Counter[str] = Counter()
        self.faulty = 0
        self.show(World(_NOTHING, clock))

    def show(self, world: World) -> None:
        """Put this world in place of the one before; faults and their counts go with that one."""
        self.world = world
        self.faults.clear()
        self.forget_served()
        self.limit(world.options.limits)

    def limit(self, limits: Limits | None) -> None:
        """Other limits from now on; what was asked before does not count."""
        self.world.options = self.world.options.model_copy(update={"limits": limits})
        self._turnstiles: dict[tuple[int, ApiKind], Turnstile] = {}

    def turnstile(self, project: int, endpoint: ApiKind) -> Turnstile:
        """The limit of that project on that API."""
        key = (project, endpoint)
        if key not in self._turnstiles:
            self._turnstiles[key] = Turnstile(self.world.options.limits, endpoint)
        return self._turnstiles[key]

    def most_at_once(self) -> int:
        """The most requests that one limit saw under way together."""
        return max((each.most_at_once for each in self._turnstiles.values()), default=0)

    def forget_served(self) -> None:
        """Count anew."""
        self.served.clear()
        self.faulty = 0

    def count(self, hits: Hits) -> None:
        """Count the faults an answer really met."""
        labels = [fault.label for fault in (hits.refusal, hits.delivery) if fault is not None]
        self.served.update([*labels, *hits.served])
        self.faulty += bool(labels or hits.served)
