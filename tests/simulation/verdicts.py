"""A seed, run to its end: what broke, if something did, and what befell it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sluice.core.fault_points import FaultPoint
from tests.simulation.guards import Guards
from tests.simulation.universe import Universe
from tests.simulation.violations import TELLS_OF_NO_GUARD, Violation


@dataclass(frozen=True)
class Verdict:
    """``counts`` are misfortunes, by kind; ``reached`` are the fault points that somebody came to."""

    violation: Violation | None
    counts: Counter[str]
    reached: frozenset[FaultPoint]


def verdict_of(seed: int, guards: Guards | None = None) -> Verdict:
    """Run a seed. Its violation is named by it."""
    universe = Universe(seed, guards or Guards())
    found = None
    try:
        universe.run()
    except Violation as violation:
        found = type(violation)(f"seed {seed}: {violation}")
    finally:
        universe.close()
    return Verdict(found, universe.counts, frozenset(universe.deaths.reached))


def violation_of(seed: int, guards: Guards | None = None) -> Violation | None:
    """Run a seed; what broke, if something did."""
    return verdict_of(seed, guards).violation


def noticed(seed: int, guards: Guards) -> Violation | None:
    """Run a seed without a guard; what tells that it is gone. A control that does not fit the code tells nothing."""
    violation = violation_of(seed, guards)
    return None if isinstance(violation, TELLS_OF_NO_GUARD) else violation
