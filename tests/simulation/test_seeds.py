"""The real engine in hundreds of small universes: nothing lost, doubled, overwritten; nothing live removed."""

from __future__ import annotations

from collections import Counter

import pytest

from sluice.core.fault_points import FaultPoint
from tests.simulation.controls import CONTROLS
from tests.simulation.deaths import IN_DATABASE, POINTS
from tests.simulation.guards import Guards
from tests.simulation.universe import Universe
from tests.simulation.verdicts import violation_of

SEEDS = 300
BLOCK = 50
MOST_SEEDS = 1500

EACH_CHANGE = 3
"""Blocks of seeds that every change is tried with; the others are `make unit`'s."""

NOTICED_AT = {
    "seq": 559,
    "conditional watermark": 202,
    "tombstone at its own version": 43,
    "vendor's clock": 37,
    "claim": 29,
}
"""Where a misfortune that not every universe meets was met last (`sluice-sim --controls`): tried first, since a seed
costs a twentieth of a second. When the universes change, it is met elsewhere."""


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=[pytest.mark.long] if block >= EACH_CHANGE else [])
        for block in range(SEEDS // BLOCK)
    ],
)
def test_no_seed_breaks_anything(block: int) -> None:
    """To replay one: `sluice-sim --seed N` prints its trace."""
    seeds = range(BLOCK * block, BLOCK * (block + 1))
    assert [violation_of(seed) for seed in seeds] == [None] * BLOCK


@pytest.mark.parametrize("guard", CONTROLS)
def test_without_a_guard_some_seed_does(guard: str) -> None:
    """Else the simulation could not see what the guard is for."""
    seeds = (NOTICED_AT.get(guard, 0), *range(MOST_SEEDS))
    assert any(violation_of(seed, CONTROLS[guard]) for seed in seeds)


def test_a_seed_is_the_same_universe_every_time() -> None:
    first, second = Universe(7), Universe(7)
    first.run()
    second.run()
    assert first.trace == second.trace
    assert len(first.trace) > 100


@pytest.mark.long
def test_the_universes_meet_every_misfortune() -> None:
    """Deaths at every fault point that the engine has without a database, and all else that is drawn."""
    befell: Counter[str] = Counter()
    for seed in range(1000, 1200):
        universe = Universe(seed, Guards())
        universe.run()
        befell.update(universe.counts)
    points: list[str] = [point for points in POINTS.values() for point in points]
    others = [
        "kills",
        "zombies",
        "duplicates",
        "failovers",
        "restores",
        "pushes",
        "commits answer lost",
    ]
    assert [kind for kind in (*points, *others) if not befell[kind]] == []
    elsewhere = [p for p in FaultPoint if p.startswith(("merge.", "webhook.")) or p is IN_DATABASE]
    assert len(points) + len(elsewhere) == len(FaultPoint)
