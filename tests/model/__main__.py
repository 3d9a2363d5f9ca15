"""`python -m tests.model`: every configuration, then every guard's absence. `--without GUARD`: its trace.

`--guards` prints the absences alone, as a Markdown table; `--stuck CONFIGURATION` the shortest ways to
states that need the tick or the silent runs; `--large` walks through what takes minutes.
"""

from __future__ import annotations

import argparse
import sys

from tests.model.absences import ABSENCES, SILENCE, TICK, Absence
from tests.model.configurations import CONFIGURATIONS, LARGE
from tests.model.explore import Exploration, Model, explore
from tests.model.protocol import Protocol


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--without", choices=sorted(ABSENCES), metavar="GUARD")
    parser.add_argument("--stuck", choices=sorted(CONFIGURATIONS | LARGE), metavar="CONFIGURATION")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--guards", action="store_true")
    options = parser.parse_args()
    if options.without:
        return _trace(ABSENCES[options.without])
    if options.stuck:
        return _ways((CONFIGURATIONS | LARGE)[options.stuck])
    if options.guards:
        return _guards()
    held = _table(LARGE if options.large else CONFIGURATIONS)
    if not options.large:
        _say("")
        _guards()
    return 0 if held else 1


def _table(models: dict[str, Model]) -> bool:
    held = True
    _say(f"{'configuration':<55}{'states':>9}{'moves':>11}{'depth':>6}{'s':>6}  verdict")
    for name, model in models.items():
        found = explore(model)
        held &= found.holds
        _say(
            f"{name:<55}{found.states:>9,}{found.transitions:>11,}{found.depth:>6}"
            f"{found.seconds:>6.1f}  {_verdict(found, model)}"
        )
    return held


def _verdict(found: Exploration, model: Model) -> str:
    if found.violation or found.stuck[""]:
        return f"BROKEN: {found.violation or 'stuck for ever'}"
    if isinstance(model, Protocol) and not model.config.cleanup:
        return f"holds; with no cleanup {len(found.stuck[TICK]):,} states wait for the tick"
    ends = {TICK: "the tick", SILENCE: "the tick or the silence"}
    needs = [f"{len(found.stuck[n]):,} wait for {end}" for n, end in ends.items() if found.stuck[n]]
    return "; ".join(["holds", *(needs or ["no state waits for the tick"])])


def _guards() -> int:
    _say("| without | configuration | states | shortest way | what breaks |")
    _say("|---|---|--:|--:|---|")
    for name, absence in ABSENCES.items():
        found, waiting = absence.explore()
        moves = len(absence.way(found)) or "none"
        broken = _shown(absence, found, waiting)
        _say(f"| {name} | {absence.setting} | {found.states:,} | {moves} | {broken} |")
    return 0


def _shown(absence: Absence, found: Exploration, waiting: int) -> str:
    if found.violation:
        return found.violation
    if absence.waits_for is None:
        return "nothing: redundant alone, defence in depth"
    end = "tick, or cleanup to notice the silence" if absence.waits_for == SILENCE else "tick"
    number = len(found.stuck[absence.waits_for])
    return f"liveness only: {number} states wait for the {end} ({waiting} with the guard)"


def _trace(absence: Absence) -> int:
    found, waiting = absence.explore()
    way = absence.way(found)
    _say("\n".join([*way, _shown(absence, found, waiting)]))
    return 1 if way else 0


def _ways(model: Model) -> int:
    for name, way in explore(model).way_to_stuck.items():
        _say(f"stuck without the {name or 'grace of chance'}:")
        _say("\n".join(way))
    return 0


def _say(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
