"""What the simulation showed, kept in docs/results: runs of many seeds, and who notices a missing guard."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.provenance import RESULTS, commit, machine, moment
from tests.simulation.controls import CONTROLS
from tests.simulation.verdicts import noticed

MOST_SEEDS = 3000


def record_seeds(
    command: str,
    seeds: range,
    seconds: float,
    violations: Sequence[str],
    counts: Mapping[str, int],
    folder: Path = RESULTS,
) -> Path:
    """Add a run to those recorded, and write the page anew."""
    kept = folder / "simulation.json"
    runs = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    runs.append(
        {
            "date": moment(),
            "commit": commit(),
            "command": command,
            "machine": machine(),
            "first": seeds.start,
            "seeds": len(seeds),
            "seconds": round(seconds),
            "violations": list(violations),
            "counts": dict(sorted(counts.items())),
        }
    )
    kept.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    return write_page(folder)


def write_page(folder: Path = RESULTS) -> Path:
    """Write the page anew from the runs kept beside it."""
    runs = json.loads((folder / "simulation.json").read_text(encoding="utf-8"))
    page = folder / "simulation.md"
    page.write_text(page_of(runs), encoding="utf-8")
    return page


def distinct_seeds(runs: Iterable[Mapping[str, Any]]) -> int:
    """How many seeds were tried at least once: runs may overlap."""
    ranges = (range(run["first"], run["first"] + run["seeds"]) for run in runs)
    return len(set().union(*ranges))


def page_of(runs: Sequence[Mapping[str, Any]]) -> str:
    """What is told of the recorded runs, oldest first."""
    totals: Counter[str] = Counter()
    for run in runs:
        totals.update(run["counts"])
    seeds = sum(run["seeds"] for run in runs)
    lines = [
        "# Simulation: seeds tried, and what befell them",
        "",
        "Written by `sluice-sim --seeds N --record`; raw numbers are in `simulation.json`. The real use cases and"
        " core, in-memory",
        "ports, a virtual clock. `sluice-sim --seed N` replays one and prints its trace (of the same commit).",
        "",
        f"{seeds:,} seeds in {len(runs)} recorded runs, {distinct_seeds(runs):,} of them distinct,"
        f" {sum(len(r['violations']) for r in runs)} violations.",
        "",
        "| date | commit | command | machine | seeds | a minute | slices | violations |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        rate = run["seeds"] / max(run["seconds"], 1) * 60
        lines.append(
            f"| {run['date']} | {run['commit']} | `{run['command']}` | {run['machine']} | {run['first']:,} +"
            f" {run['seeds']:,} | {rate:,.0f} | {run['counts']['slices']:,} | {len(run['violations'])} |"
        )
    befell = "".join(f"| {kind} | {number:,} |\n" for kind, number in sorted(totals.items()))
    lines += ["", "| what befell them | times |", "|---|---|", befell, *_violations(runs)]
    return "\n".join(lines)


def _violations(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "Violations:\n"
    found = [f"- {run['commit']}: {each}" for run in runs for each in run["violations"]]
    yield "\n".join(found or ["none."]) + "\n"


@dataclass(frozen=True)
class Caught:
    """The first seed that notices that a guard is missing, or None."""

    guard: str
    seeds: int
    seconds: float
    violation: str | None


BEGIN = {"slice that is followed": 2026112701098}
"""What is so rare that of ten thousand universes one met it: the seed that found it."""


def without_each_guard(guards: Sequence[str]) -> Iterator[Caught]:
    """Take each away in turn, and try seeds until one notices: from the guard's ``BEGIN`` on."""
    for guard in guards:
        began, first = time.monotonic(), BEGIN.get(guard, 0)
        for seed in range(first, first + MOST_SEEDS):
            violation = noticed(seed, CONTROLS[guard])
            if violation is not None:
                break
        seconds = time.monotonic() - began
        yield Caught(guard, seed - first + 1, seconds, str(violation) if violation else None)


def control_line(caught: Caught) -> str:
    verdict = caught.violation or f"NOT CAUGHT in {caught.seeds:,} seeds"
    return f"| {caught.guard} | {caught.seeds:,} | {caught.seconds:.0f} s | {verdict[:140]} |"


CONTROLS_HEAD = (
    "| guard taken away | seeds until noticed | time | the first violation |\n|---|---|---|---|"
)
