"""`python -m tests.simulation SEED`: replay a seed and print what happened. `--seeds N`: try many."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.controls import CONTROLS
from tests.simulation.universe import Guards, Universe, Violation, violation_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=0, help="replay this one")
    parser.add_argument("--seeds", type=int, help="try this many, beginning with SEED")
    parser.add_argument("--without", choices=sorted(CONTROLS), help="take a guard away")
    options = parser.parse_args()
    guards = CONTROLS[options.without] if options.without else Guards()
    if options.seeds is None:
        return _replay(options.seed, guards)
    return _try(range(options.seed, options.seed + options.seeds), guards)


def _replay(seed: int, guards: Guards) -> int:
    universe = Universe(seed, guards)
    try:
        universe.run()
    except Violation as violation:
        universe.note(f"VIOLATION {violation}")
        return 1
    finally:
        print("\n".join(universe.trace))  # noqa: T201
        universe.close()
    return 0


def _try(seeds: range, guards: Guards) -> int:
    began, violations = time.monotonic(), 0
    for number, seed in enumerate(seeds, 1):
        violation = violation_of(seed, guards)
        if violation is not None:
            violations += 1
            print(violation)  # noqa: T201
        if number % 500 == 0 or number == len(seeds):
            rate = number / (time.monotonic() - began) * 60
            print(f"{number} of {len(seeds)} seeds, {rate:,.0f} a minute, {violations} violations")  # noqa: T201
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
