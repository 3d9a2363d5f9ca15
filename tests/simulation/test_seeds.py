"""The real engine in hundreds of small universes: nothing lost, doubled, overwritten; nothing live removed."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from sluice.core.fault_points import FaultPoint
from tests.simulation.controls import CONTROLS
from tests.simulation.deaths import ELSEWHERE, POINTS
from tests.simulation.record import BEGIN
from tests.simulation.universe import Universe
from tests.simulation.verdicts import Verdict, noticed, verdict_of

SEEDS = 300
BLOCK = 50
MOST_SEEDS = 1500

EACH_CHANGE = 3
"""Blocks of seeds that every change is tried with; the others are `make unit`'s."""

NOTICED_AT = {
    **BEGIN,
    "seq": 559,
    "conditional watermark": 202,
    "tombstone at its own version": 43,
    "vendor's clock": 37,
    "claim": 29,
}
"""Where a misfortune that not every universe meets was met last (`sluice-sim --controls`): tried first, since a seed
costs a twentieth of a second. When the universes change, it is met elsewhere."""

MISFORTUNES = (
    "kills",
    "zombies",
    "duplicates",
    "failovers",
    "restores",
    "pushes",
    "commits answer lost",
)
"""Beside deaths at fault points."""


@cache
def verdicts(block: int) -> list[Verdict]:
    return [verdict_of(seed) for seed in range(BLOCK * block, BLOCK * (block + 1))]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=[pytest.mark.long] if block >= EACH_CHANGE else [])
        for block in range(SEEDS // BLOCK)
    ],
)
def test_no_seed_breaks_anything(block: int) -> None:
    """To replay one: `sluice-sim --seed N` prints its trace."""
    assert [verdict.violation for verdict in verdicts(block)] == [None] * BLOCK


@pytest.mark.parametrize("guard", CONTROLS)
def test_without_a_guard_some_seed_does(guard: str) -> None:
    """Else the simulation could not see what the guard is for. Unforeseen errors and a universe without rest are no
    sign of it: a control that does not fit the code has them, too."""
    seeds = (NOTICED_AT.get(guard, 0), *range(MOST_SEEDS))
    assert any(noticed(seed, CONTROLS[guard]) for seed in seeds)


def test_a_seed_is_the_same_universe_every_time() -> None:
    first, second = Universe(7), Universe(7)
    first.run()
    second.run()
    assert first.trace == second.trace
    assert len(first.trace) > 100


def test_a_few_universes_come_to_every_fault_point() -> None:
    """And meet all else that is drawn: the block that every change is tried with, so it costs nothing more."""
    befell = sum((verdict.counts for verdict in verdicts(0)), Counter[str]())
    reached = frozenset[FaultPoint]().union(*(verdict.reached for verdict in verdicts(0)))
    points = {point for points in POINTS.values() for point in points}
    assert reached == points
    assert points | set(ELSEWHERE) == set(FaultPoint)
    assert [what for what, of in POINTS.items() if not any(befell[point] for point in of)] == []
    assert [kind for kind in MISFORTUNES if not befell[kind]] == []


@pytest.mark.long
def test_the_universes_meet_every_misfortune() -> None:
    """Deaths at every fault point that universes have, and all else that is drawn."""
    befell = sum((verdict_of(seed).counts for seed in range(1000, 1200)), Counter[str]())
    points = [point for points in POINTS.values() for point in points]
    assert [kind for kind in (*points, *MISFORTUNES) if not befell[kind]] == []
