"""`sluice-sim --seed N`: replay a seed and print what happened. `--seeds N`: try many, in all processes."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.controls import CONTROLS
from tests.simulation.guards import Guards
from tests.simulation.record import CONTROLS_HEAD, control_line, record_seeds, without_each_guard
from tests.simulation.universe import Universe
from tests.simulation.verdicts import verdict_of
from tests.simulation.violations import Unforeseen, Violation

BLOCK = 50


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sluice-sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="replay this one (or begin with it)")
    parser.add_argument("--seeds", type=int, help="try this many")
    parser.add_argument("--without", choices=sorted(CONTROLS), help="take a guard away")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--record", action="store_true", help="into docs/results/simulation.md")
    parser.add_argument("--controls", action="store_true", help="take each guard away in turn")
    options = parser.parse_args(arguments)
    if options.controls:
        return _take_guards_away()
    if options.seeds is None:
        return replay(options.seed, _guards(options.without))
    tried = Tried()
    seeds = range(options.seed, options.seed + options.seeds)
    for tried in try_seeds(seeds, options.without, options.jobs):
        print(tried.line(len(seeds)), end="\r", flush=True)  # noqa: T201
    print(tried.line(len(seeds)))  # noqa: T201
    print("\n".join([*tried.violations[:20], tried.befell()]))  # noqa: T201
    if options.record:
        command = " ".join(["sluice-sim", *(arguments or sys.argv[1:])])
        seconds = time.monotonic() - tried.began
        print(record_seeds(command, seeds, seconds, tried.violations, tried.counts))  # noqa: T201
    return 1 if tried.violations else 0


def _take_guards_away() -> int:
    missed = 0
    print(CONTROLS_HEAD)  # noqa: T201
    for caught in without_each_guard(list(CONTROLS)):
        missed += caught.violation is None
        print(control_line(caught), flush=True)  # noqa: T201
    return 1 if missed else 0


@dataclass
class Tried:
    """What many seeds showed. ``counts`` are misfortunes, by kind."""

    began: float = field(default_factory=time.monotonic)
    seeds: int = 0
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def line(self, due: int) -> str:
        rate = self.seeds / max(time.monotonic() - self.began, 0.001)
        left = (due - self.seeds) / rate if self.seeds else 0
        return (
            f"{self.seeds:,} of {due:,} seeds, {rate * 60:,.0f} a minute, {left:.0f} s left, "
            f"{len(self.violations)} violations "
        )

    def befell(self) -> str:
        return ", ".join(f"{kind} {number:,}" for kind, number in sorted(self.counts.items()))


def try_seeds(seeds: range, without: str | None, jobs: int) -> Iterator[Tried]:
    """Run blocks of seeds in processes; after each block all that was seen so far."""
    tried = Tried()
    blocks = [seeds[start : start + BLOCK] for start in range(0, len(seeds), BLOCK)]
    with ProcessPoolExecutor(jobs) as pool:
        for block, (violations, counts) in zip(
            blocks, pool.map(_try_block, blocks, [without] * len(blocks)), strict=True
        ):
            tried.seeds += len(block)
            tried.violations += violations
            tried.counts.update(counts)
            yield tried


def _try_block(seeds: range, without: str | None) -> tuple[list[str], Counter[str]]:
    violations, counts = [], Counter[str]()
    for seed in seeds:
        verdict = verdict_of(seed, _guards(without))
        if verdict.violation is not None:
            violations.append(str(verdict.violation))
        counts.update(verdict.counts)
    return violations, counts


def _guards(without: str | None) -> Guards:
    return CONTROLS[without] if without else Guards()


def replay(seed: int, guards: Guards) -> int:
    """Print all that happens under a seed; of an error that nobody foresees also where it came from."""
    universe = Universe(seed, guards)
    try:
        universe.run()
    except Violation as violation:
        universe.note(f"VIOLATION {violation}")
        if isinstance(violation, Unforeseen):
            universe.note("".join(traceback.format_exception(violation.__cause__)))
        return 1
    finally:
        print("\n".join(universe.trace))  # noqa: T201
        universe.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
