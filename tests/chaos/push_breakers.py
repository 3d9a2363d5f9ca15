"""The breaker of pushes: bursts, copies, shuffled orders, lost and late ones, and forged ones among them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence

from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.shipbob.faults import FaultKind
from local.vendors.shipbob.models import Burst
from local.vendors.shipbob.sending import Spoil
from tests.chaos.shipbob_world import ShipBobWorld
from tests.chaos.stand import Stand

EVERY_S = (0.7, 2.0)
SPOILT: Sequence[Spoil] = ("signature", "no_signature", "body", "old", "future")


class Pushes:
    """Rows 12 and 13: the vendor's pushes come in bursts, several times, in any order, late or never; some are
    forged, and must not be noted. Cohorts are pushed in every round; here, too, somebody forges some."""

    name = "pushes"
    matrix_rows: Sequence[int] = (12, 13)

    def begin(self, stand: Stand, random: random.Random) -> None:
        if stand.shipbob is None and stand.mixpanel is None:
            raise LookupError("there is no vendor on this stand that could push")
        self._stand, self._random = stand, random
        self._did: Counter[str] = Counter()
        self._outcomes = Counter(stand.tally.counts)
        self._next_at = 0.0
        if stand.mixpanel is not None:
            self._pages = stand.mixpanel.cohorts.counts["pages"]
        if stand.shipbob is not None:
            self._break_shipbob(stand.shipbob)

    def _break_shipbob(self, world: ShipBobWorld) -> None:
        random = self._random
        for kind, share in (
            (FaultKind.LOST_PUSH, random.uniform(0.02, 0.1)),
            (FaultKind.DOUBLED_PUSH, random.uniform(0.05, 0.3)),
            (FaultKind.LATE_PUSH, random.uniform(0.05, 0.3)),
        ):
            world.control.set_fault(
                kind,
                probability=share,
                seed=random.randrange(1_000_000),
                copies=2,
                delay_ms=random.choice((300, 1000, 3000)),
            )

    def disturb(self) -> None:
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + self._random.uniform(*EVERY_S)
        if self._stand.shipbob is not None:
            self._push(self._stand.shipbob)
        if self._stand.mixpanel is not None:
            forged = self._stand.mixpanel.cohorts.forge()
            self._did["forged"] += len(forged)
            self._stand.forged |= set(forged)

    def _push(self, world: ShipBobWorld) -> None:
        wanted = Burst(
            count=self._random.randint(2, 4),
            rounds=self._random.choice((1, 1, 2)),
            copies=self._random.choice((1, 1, 2)),
            seed=self._random.randrange(1_000_000),
        )
        self._burst(world, "sent", wanted)
        forged = Burst(
            count=2, seed=self._random.randrange(1_000_000), spoil=self._random.choice(SPOILT)
        )
        self._stand.forged |= set(self._burst(world, "forged", forged))

    def end(self) -> None:
        if self._stand.shipbob is not None:
            self._stand.shipbob.control.clear_faults()
        if self._stand.mixpanel is not None:
            pages = self._stand.mixpanel.cohorts.counts["pages"] - self._pages
            self._did["pages of cohorts"] = pages

    def counts(self) -> dict[str, int]:
        since = Counter(self._stand.tally.counts)
        since.subtract(self._outcomes)
        told = {
            f"pushes.{name.removeprefix('outcome.')}": count
            for name, count in sorted(since.items())
            if name.startswith(("outcome.webhook.", "outcome.apply.")) and count
        }
        return {f"pushes.{kind}": count for kind, count in sorted(self._did.items())} | told

    def _burst(self, world: ShipBobWorld, what: str, wanted: Burst) -> list[str]:
        """The ids of what is pushed; none when there are too few shipments, which is counted."""
        try:
            made = world.control.burst(wanted)
        except ControlRefusedError:
            self._did["refused"] += 1
            return []
        self._did[what] += len(made)
        return [each.webhook_id for each in made]
