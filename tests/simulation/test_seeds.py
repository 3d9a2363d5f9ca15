"""The real engine in hundreds of small universes: nothing lost, nothing overwritten, nothing live removed."""

from __future__ import annotations

import pytest

from tests.simulation.controls import CONTROLS
from tests.simulation.universe import Universe, violation_of

SEEDS = 400
MOST_SEEDS = 1500


@pytest.mark.parametrize("block", range(SEEDS // 50))
def test_no_seed_breaks_anything(block: int) -> None:
    """To replay one: `python -m tests.simulation SEED` prints its trace."""
    assert [violation_of(seed) for seed in range(50 * block, 50 * block + 50)] == [None] * 50


@pytest.mark.parametrize("guard", CONTROLS)
def test_without_a_guard_some_seed_does(guard: str) -> None:
    """Else the simulation could not see what the guard is for."""
    assert any(violation_of(seed, CONTROLS[guard]) for seed in range(MOST_SEEDS))


def test_a_seed_is_the_same_universe_every_time() -> None:
    first, second = Universe(7), Universe(7)
    first.run()
    second.run()
    assert first.trace == second.trace
    assert len(first.trace) > 100
