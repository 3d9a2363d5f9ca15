"""A round: a vendor that begins to fail, data that change meanwhile, and what is stored once it is well again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tests.answers.cars import CarsScene
from tests.answers.ground import Ground
from tests.answers.kinds import Drawn, draw, kind_of
from tests.answers.mixpanel import MixpanelScene
from tests.answers.scene import Scene
from tests.answers.shipbob import ShipBobScene

SCENES: Mapping[str, type[Scene]] = {
    "cars": CarsScene,
    "shipbob": ShipBobScene,
    "mixpanel": MixpanelScene,
}
SECOND = timedelta(seconds=1)
"""Before each change, so that none has the instant of the pass before it."""

PASSES = (3, 9)
"""Under faults, of all streams."""

BY_ROWS = ("poison_rows",)
"""Kinds that a simulator counts by rows, and that are in no table of answers."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a round met and what was wrong. ``faulty``: answers that met any fault, by the simulator's count;
    ``by_kind``: how often each was met, so that an answer with two kinds is in both."""

    violations: list[str]
    faulty: int
    by_kind: Mapping[str, int]
    rows: int
    slices: int
    outcomes: Mapping[str, int]


@dataclass
class Tally:
    """Rounds of one vendor together. ``silent`` met no fault at all."""

    rounds: int = 0
    silent: int = 0
    faulty: int = 0
    rows: int = 0
    slices: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, played: Played) -> None:
        self.rounds += 1
        self.silent += not played.faulty
        self.faulty += played.faulty
        self.rows += played.rows
        self.slices += played.slices
        self.by_kind.update(played.by_kind)
        self.outcomes.update(played.outcomes)
        self.violations += played.violations


def play(ground: Ground, seed: int, number: int, focus: Sequence[str] = ()) -> Played:
    """Round ``number`` of a seed: all that it does is drawn from these, the vendor's name and the ``focus``."""
    chance = random.Random(f"{seed} {ground.vendor} {number}")  # noqa: S311  # repeatable on purpose
    scene = SCENES[ground.vendor](ground, chance)
    drawn = draw(chance, scene.kinds, focus)
    told = f"{ground.vendor} round {number} of seed {seed} on {ground.day}, {drawn}"
    try:
        wrong = next(_wrong(scene, chance, drawn), None)
        # Those of a round that is broken off are what was served by then.
        served = scene.served()
    finally:
        scene.close()
    by_kind: Counter[str] = Counter()
    for label, count in served.by_label.items():
        by_kind[kind_of(label)] += count
    return Played(
        [f"{told}: {wrong}"] if wrong else [],
        served.faulty,
        by_kind,
        scene.told.rows,
        scene.told.slices,
        scene.told.outcomes,
    )


def _wrong(scene: Scene, chance: random.Random, drawn: Drawn) -> Iterator[str]:
    """Whatever is wrong, as soon as it is seen. Half of the rounds begin with a vendor that is well."""
    if chance.random() < 0.5:
        yield from scene.run(sound=True)
        yield from scene.wrong_now(drawn)
    scene.set_faults(drawn)
    for _ in range(chance.randint(*PASSES)):
        full = chance.random() < 0.15
        asked = {"reason": "manual", "full_since": scene.full_since()} if full else {}
        yield from scene.run(**asked)
        yield from scene.wrong_now(drawn)
        scene.time_passes(SECOND)
        if chance.random() < 0.8:
            scene.change(chance)
        scene.time_passes(scene.pause(chance))
    scene.clear_faults()
    yield from scene.caught_up(drawn)
