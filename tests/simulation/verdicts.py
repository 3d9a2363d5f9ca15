"""A seed, run to its end: what broke, if something did."""

from __future__ import annotations

from tests.simulation.guards import Guards
from tests.simulation.oracle import Violation
from tests.simulation.universe import Universe


def violation_of(seed: int, guards: Guards | None = None) -> Violation | None:
    """Run a seed; what broke, if something did."""
    universe = Universe(seed, guards or Guards())
    try:
        universe.run()
    except Violation as violation:
        return Violation(f"seed {seed}: {violation}")
    finally:
        universe.close()
    return None
