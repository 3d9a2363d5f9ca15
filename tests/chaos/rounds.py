"""Rounds: break for a while what a seed chose, then let everything calm down and look at what is there."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.vendors.cars.models import Mutation
from sluice.core.keys import StreamKey
from tests.chaos import oracle
from tests.chaos.breakers import BREAKERS, Breaker
from tests.chaos.poller import FencePoller
from tests.chaos.stand import Stand
from tests.chaos.timing import SLOWER, TIMES

STEP_S = 0.2
MUTATED_AT_ONCE = 3
MOST_GONE = 12
"""Cars that leave a catalogue in one round: fewer than the delete brake holds back."""

UNSOUND = frozenset({*(make().name for make in BREAKERS), "skew"})
"""Kinds that break a store, the way to it, or clocks."""

ASKED_SHARE = 0.2
"""Of the ticks: so often, a person asks for all timelines of a merchant, or for all of a project."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: its number, its seed, the kinds chosen, its length, and what was found wrong."""

    number: int
    seed: str
    kinds: tuple[str, ...]
    seconds: float
    calm_s: float = 0.0
    violations: Sequence[str] = ()


@dataclass
class Rounds:
    """Plays rounds on one stand. ``kinds`` makes the breakers that may be chosen, by name."""

    stand: Stand
    kinds: dict[str, Callable[[], Breaker]]
    seed: int
    progress: Callable[[Rounds], None] = lambda _: None
    shortest_s: float = 15.0 * SLOWER
    longest_s: float = 40.0 * SLOWER
    done: list[Round] = field(default_factory=list)
    present: str = ""
    _gone: dict[str, int] = field(default_factory=dict)
    _incarnation: int = 0

    def play(
        self,
        number: int,
        poller: FencePoller,
        *,
        names: tuple[str, ...] | None = None,
        seconds: float | None = None,
    ) -> Round:
        """Break, calm down, look. What is not said, the seed chooses."""
        seed = f"{self.seed}/{number}"
        chance = random.Random(seed)  # noqa: S311  # chance, not a secret
        names = names or self._choose(chance)
        seconds = seconds or chance.uniform(self.shortest_s, self.longest_s)
        self.present = f"round {number} {'+'.join(names)}"
        poller.heed_leads = "restore_dynamo" not in names
        if self.stand.mixpanel is not None:
            self.stand.mixpanel.skewed = "skew" in names
        self.stand.tally.holders.sound = not UNSOUND.intersection(names)
        self._break([self.kinds[name]() for name in names], seconds, chance)
        calm = time.monotonic()
        found = self._look(poller)
        played = Round(number, seed, names, seconds, time.monotonic() - calm, found)
        self.done.append(played)
        return played

    def _choose(self, chance: random.Random) -> tuple[str, ...]:
        """Two or three kinds; nearly every round has deaths in it."""
        names = sorted(self.kinds)
        chosen = set(chance.sample(names, min(len(names), chance.choice((1, 2, 2, 3)))))
        if "kills" in names and chance.random() < 0.9:
            chosen.add("kills")
        return tuple(sorted(chosen))

    def _break(self, breakers: Sequence[Breaker], seconds: float, chance: random.Random) -> None:
        stand = self.stand
        self._gone = {}
        self._incarnation = stand.database.incarnation
        stand.begin_round()
        stand.event_source.conditions.calm = False
        begun: list[Breaker] = []
        try:
            for breaker in breakers:
                begun.append(breaker)
                breaker.begin(stand, chance)
            self._work(begun, seconds, chance)
        finally:
            stand.fates.calm()
            for breaker in reversed(begun):
                breaker.end()
            stand.event_source.conditions.calm = True
        for breaker in begun:
            stand.tally.add(f"rounds.{breaker.name}")
            for name, count in breaker.counts().items():
                stand.tally.add(name, count)

    def _work(self, breakers: Sequence[Breaker], seconds: float, chance: random.Random) -> None:
        end, tick_at = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            if time.monotonic() >= tick_at:
                tick_at = time.monotonic() + TIMES.tick_every_s
                self._change_catalogues(chance)
                self._change_worlds(chance)
                self.progress(self)
            for breaker in breakers:
                breaker.disturb()
            self.stand.event_source.check()
            time.sleep(STEP_S)

    def _change_catalogues(self, chance: random.Random) -> None:
        """Some catalogues change."""
        stand = self.stand
        for client in chance.sample(stand.clients, min(MUTATED_AT_ONCE, len(stand.clients))):
            gone = self._gone.get(client.client_id, 0)
            leaves = 1 if gone < MOST_GONE and chance.random() < 0.7 else 0
            self._gone[client.client_id] = gone + 2 * leaves
            wanted = Mutation(
                change=8, sell=2, add=2, remove=leaves, archive=leaves, seed=chance.randrange(10**9)
            )
            stand.vendor.mutate(client.api_key, wanted)

    def _change_worlds(self, chance: random.Random) -> None:
        """Vendors' worlds go on; now and then a person asks for all of what is due in minutes or days only."""
        stand = self.stand
        asked: list[StreamKey] = []
        if stand.shipbob is not None:
            stand.shipbob.change(chance)
            asked += [k for k in stand.shipbob.keys if k.stream == "timelines"]
        if stand.mixpanel is not None:
            stand.mixpanel.change(chance)
            asked += stand.mixpanel.keys
        if asked and chance.random() < ASKED_SHARE:
            now = datetime.fromtimestamp(stand.now_s(), UTC)
            stand.messages.ask_for_slice(chance.choice(asked), reason="manual", full_since=now)

    def _look(self, poller: FencePoller) -> list[str]:
        stand = self.stand
        self.present += ", calming down"
        found = oracle.settle(stand, rewound=stand.database.incarnation != self._incarnation)
        found += oracle.faults(stand)
        found += poller.take_faults()
        found += self._applied_twice()
        stand.tally.forget_deaths()
        return found

    def _applied_twice(self) -> list[str]:
        """A delivery is applied once, however often it comes. A database that went back forgot what it applied."""
        pushes = self.stand.pushes
        if pushes is None:
            return []
        twice = pushes.take_applied_twice()
        if self.stand.database.incarnation != self._incarnation:
            return []
        return [f"the delivery {each} was applied twice" for each in twice]
