"""Breakers of what comes in: messages twice and late, a faulty vendor, poison, one client that floods."""

from __future__ import annotations

import random
from collections.abc import Sequence

from local.vendors.cars.models import Fault, FaultKind, Mutation
from local.vendors.mixpanel import faults as mixpanel_faults
from local.vendors.shipbob import faults as shipbob_faults
from tests.chaos.mixpanel_world import MixpanelWorld
from tests.chaos.others import Compared, Others
from tests.chaos.shipbob_world import ShipBobWorld
from tests.chaos.stand import Stand

FLOOD = 60
"""Messages for one client at once, a hundred times what lies there of any other. No more than its desk lets
in while the suite waits for rest: a refused message comes back in whole seconds, however short slices are."""

FAULTS_THAT_LIE = frozenset(
    {
        FaultKind.EMPTY_PAGE,
        FaultKind.MISSING_ROWS,
        FaultKind.REPEATED_PAGE,
        FaultKind.EARLY_END,
        FaultKind.TOKEN_LOOP,
        FaultKind.POISON_ROWS,
        FaultKind.CHURN,
    }
)
CREDENTIALS = frozenset({FaultKind.UNAUTHORIZED, FaultKind.FORBIDDEN, FaultKind.REDIRECT})

_SAID = {shipbob_faults.FaultKind(word) for word in ("unauthorized", "forbidden")}
_UNTRUE = {shipbob_faults.FaultKind.NOT_FOUND}
SHIPBOB_FAILS = sorted((shipbob_faults.REFUSALS | shipbob_faults.DELIVERIES) - _SAID - _UNTRUE)
SHIPBOB_LIES = sorted(shipbob_faults.CONTENTS | _SAID)

_Kind = mixpanel_faults.FaultKind
MIXPANEL_SAYS = sorted({_Kind.UNAUTHORIZED, _Kind.FORBIDDEN})
MIXPANEL_EXPORTS = sorted(mixpanel_faults.EXPORTS)
MIXPANEL_FAILS = sorted(
    (mixpanel_faults.REFUSALS | mixpanel_faults.DELIVERIES).difference(
        MIXPANEL_SAYS, MIXPANEL_EXPORTS, {_Kind.MALFORMED_JSON}
    )
)
"""Without a spoilt line: one that is told twice is a reject, as it should be, and its event is missing."""
MIXPANEL_LIES = sorted(mixpanel_faults.PAGES)
LATER_PAGES = tuple(range(1, 100))
"""Lies are about pages after the first. A profile is asked for by its id on a first page, and a lie that is told
twice there would be believed."""


class Duplicates:
    """Row 9: messages twice, out of order, and again long after they were acknowledged."""

    name = "duplicates"
    matrix_rows: Sequence[int] = (9,)

    def begin(self, stand: Stand, random: random.Random) -> None:
        self._tally, self._deliveries = stand.tally, stand.tally.counts["deliveries"]
        self._conditions = stand.event_source.conditions
        self._conditions.duplicate_share = random.uniform(0.15, 0.3)
        self._conditions.late_share = random.uniform(0.02, 0.1)
        self._conditions.reorder = True

    def disturb(self) -> None:
        """Each delivery is drawn for itself."""

    def end(self) -> None:
        self._conditions.duplicate_share = self._conditions.late_share = 0.0
        self._conditions.reorder = False
        self._deliveries = self._tally.counts["deliveries"] - self._deliveries

    def counts(self) -> dict[str, int]:
        return {"duplicated.deliveries": self._deliveries}


class Vendor:
    """Row 11: a fifth of the vendor's answers is wrong, in all the ways that its simulator knows."""

    name = "vendor"
    matrix_rows: Sequence[int] = (11,)
    share = 0.2

    def begin(self, stand: Stand, random: random.Random) -> None:
        self._stand, self._random = stand, random
        self._served = 0
        stand.event_source.conditions.cut_share = self.share / 2
        for client in stand.clients:
            stand.vendor.set_faults(client.api_key, *self._faults())
        if stand.shipbob is not None:
            stand.shipbob.control.clear_stats()
            self._break_shipbob(stand.shipbob)
        if stand.mixpanel is not None:
            stand.mixpanel.control.clear_stats()
            self._break_mixpanel(stand.mixpanel)

    def disturb(self) -> None:
        """Each answer is drawn for itself."""

    def end(self) -> None:
        self._stand.event_source.conditions.cut_share = 0.0
        for client in self._stand.clients:
            self._served += sum(self._stand.vendor.stats(client.api_key).faults.values())
            self._stand.vendor.clear_faults(client.api_key)
            self._stand.vendor.clear_stats(client.api_key)
            self._stand.clear_account(client.api_key)  # a 401 waits for a person
        shipbob = self._stand.shipbob
        if shipbob is not None:
            self._served += sum(shipbob.control.stats().faults.values())
            shipbob.control.clear_faults()
            for token in shipbob.tokens.values():
                self._stand.clear_account(token, "shipbob")
        mixpanel = self._stand.mixpanel
        if mixpanel is not None:
            self._served += sum(mixpanel.control.stats().faults.values())
            mixpanel.control.clear_faults()
            for account in mixpanel.accounts:
                self._stand.clear_account(account, "mixpanel")

    def counts(self) -> dict[str, int]:
        return {"vendor.faulty_answers": self._served}

    def _break_shipbob(self, world: ShipBobWorld) -> None:
        """The same; what lies there lies about whole pages. Its 404 for what there is would be believed."""
        kinds = self._random.sample(SHIPBOB_FAILS, 5)
        rare = self._random.sample(SHIPBOB_LIES, 2)
        for kind, share in [(k, self.share / 5) for k in kinds] + [
            (k, self.share / 20) for k in rare
        ]:
            world.control.set_fault(
                kind,
                probability=share,
                seed=self._random.randrange(1_000_000),
                retry_after_s=self._random.choice((None, 1)),
                delay_ms=self._random.choice((0, 20, 100)),
                at_bytes=self._random.choice((None, 1024 * self._random.randrange(1, 20))),
                size_bytes=1024 * 1024,
            )

    def _break_mixpanel(self, world: MixpanelWorld) -> None:
        """The same; what an export lacks at its end is tried in each round. The last project's credentials are
        refused for once: then nothing is asked for it until the round is over."""
        chosen = [*MIXPANEL_EXPORTS, *self._random.sample(MIXPANEL_FAILS, 4)]
        lies = self._random.sample(MIXPANEL_LIES, 2)
        for kind in (*chosen, *lies, self._random.choice(MIXPANEL_SAYS)):
            world.control.set_fault(
                kind,
                probability=self.share / (20 if kind in MIXPANEL_SAYS else 5),
                pages=LATER_PAGES if kind in MIXPANEL_LIES else (),
                projects=(world.projects[-1].spec.id,) if kind in MIXPANEL_SAYS else (),
                seed=self._random.randrange(1_000_000),
                delay_ms=self._random.choice((0, 20, 100)),
                at_bytes=self._random.choice((None, None, 700)),
                size_bytes=1024 * 1024,
            )

    def _faults(self) -> list[Fault]:
        """Five kinds that are found out at once, and two that end a run or only show by comparing."""
        mean = FAULTS_THAT_LIE | CREDENTIALS
        kinds = self._random.sample(sorted(set(FaultKind) - mean), 5)
        rare = self._random.sample(sorted(mean), 2)
        return [self._fault(kind, self.share / 5) for kind in kinds] + [
            self._fault(kind, self.share / 20) for kind in rare
        ]

    def _fault(self, kind: FaultKind, share: float) -> Fault:
        return Fault(
            kind=kind,
            probability=share,
            seed=self._random.randrange(1_000_000),
            retry_after_s=self._random.choice((None, 1)),
            delay_ms=self._random.choice((0, 20, 100)),
            at_bytes=self._random.choice((None, 1024 * self._random.randrange(1, 100))),
            size_bytes=1024 * 1024,
            mutation=Mutation(change=1, seed=self._random.randrange(1_000_000)),
        )


class Poison:
    """Row 16: a client's slices fail each time, end in the dead-letter queue, and are redriven. The others'
    freshness is compared with before."""

    name = "poison"
    matrix_rows: Sequence[int] = (16,)

    def begin(self, stand: Stand, random: random.Random) -> None:
        self._stand, self._unmeasured = stand, 0
        self._victims = frozenset(str(each.key) for each in random.sample(stand.clients, 2))
        self._others = Others(stand.tally, self._victims)

    def disturb(self) -> None:
        """Once it has begun, it is always the same slices that fail."""
        if self._others.begin():
            self._stand.event_source.conditions.poisoned = self._victims

    def end(self) -> None:
        self._stand.event_source.conditions.poisoned = frozenset()
        self._unmeasured = _kept(self._others, self._stand.beside_poison)

    def counts(self) -> dict[str, int]:
        return {"poisoned.clients": len(self._victims), "poison.unmeasured": self._unmeasured}


class Flood:
    """Row 17: one client's messages fill the queue. The others' freshness is compared with before."""

    name = "flood"
    matrix_rows: Sequence[int] = (17,)

    def begin(self, stand: Stand, random: random.Random) -> None:
        self._stand, self._sent, self._unmeasured = stand, 0, 0
        self._client = random.choice(stand.clients)
        self._others = Others(stand.tally, {str(self._client.key)})

    def disturb(self) -> None:
        if self._others.begin():
            self._stand.messages.ask_for_slices([self._client.key] * FLOOD, reason="schedule")
            self._sent = FLOOD

    def end(self) -> None:
        self._unmeasured = _kept(self._others, self._stand.flood)

    def counts(self) -> dict[str, int]:
        return {"flood.messages": self._sent, "flood.unmeasured": self._unmeasured}


def _kept(others: Others, where: list[Compared]) -> int:
    """1 when there was nothing to keep."""
    found = others.compared()
    where += [found] if found else []
    return 0 if found else 1
