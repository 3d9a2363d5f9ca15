"""What faulty answers showed, kept in docs/results: every run raw, and a page that is written from them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.answers import kept
from tests.answers.rounds import BY_ROWS, Tally
from tests.provenance import RESULTS, commit, machine, moment


def record(
    command: str, seed: int, seconds: float, tallies: Mapping[str, Tally], folder: Path = RESULTS
) -> Path:
    """Add a run to those recorded, and write the page anew."""
    runs = kept.runs(folder)
    runs.append(
        {
            "date": moment(),
            "commit": commit(),
            "command": command,
            "machine": machine(),
            "seed": seed,
            "seconds": round(seconds),
            "vendors": {vendor: _counted(tally) for vendor, tally in tallies.items()},
            "violations": [each for tally in tallies.values() for each in tally.violations],
        }
    )
    kept.path(folder).write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    page = folder / f"{kept.NAME}.md"
    page.write_text(_page(runs), encoding="utf-8")
    return page


def table(tallies: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each kind, a column for each vendor."""
    kinds = sorted({kind for each in tallies.values() for kind in each["by_kind"]} - set(BY_ROWS))
    lines = [f"| kind | {' | '.join(tallies)} |", "|---|" + "---|" * len(tallies)]
    for kind in kinds:
        counts = " | ".join(f"{each['by_kind'].get(kind, 0):,}" for each in tallies.values())
        lines.append(f"| `{kind}` | {counts} |")
    return "\n".join(lines)


def summary(tallies: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each vendor."""
    lines = [
        "| vendor | faulty answers | rounds | of these without any fault | slices | rows read | violations |",
        "|---|---|---|---|---|---|---|",
    ]
    for vendor, each in tallies.items():
        names = ("faulty", "rounds", "silent", "slices", "rows", "violations")
        lines.append(f"| {vendor} | {' | '.join(f'{each[name]:,}' for name in names)} |")
    return "\n".join(lines)


def counted(tallies: Mapping[str, Tally]) -> dict[str, dict[str, Any]]:
    """As they are recorded."""
    return {vendor: _counted(tally) for vendor, tally in tallies.items()}


def _counted(tally: Tally) -> dict[str, Any]:
    return {
        "faulty": tally.faulty,
        "rounds": tally.rounds,
        "silent": tally.silent,
        "slices": tally.slices,
        "rows": tally.rows,
        "violations": len(tally.violations),
        "by_kind": dict(sorted(tally.by_kind.items())),
        "outcomes": dict(sorted(tally.outcomes.items())),
    }


def _page(runs: Sequence[Mapping[str, Any]]) -> str:
    together = _together(runs)
    faulty = sum(each["faulty"] for each in together.values())
    violations = sum(len(run["violations"]) for run in runs)
    lines = [
        "# Answers: what vendors said wrongly, and what it cost",
        "",
        "Written by `python -m tests.answers --record` (`make faults`); raw numbers are in `answers.json`. The real"
        " use case,",
        "sources and Postgres, over HTTP to the simulated vendors, whose waits are taken as slept. Each round, once the"
        " vendor is well",
        "again, the streams catch up without a full read and are compared with its truth. *Faulty answers* are those"
        " that met any fault, by",
        "the simulator's own count; an answer that met two kinds is in both lines of the table of kinds.",
        "",
        f"{faulty:,} faulty answers in {len(runs)} recorded runs, {violations} violations.",
        "",
        "| date | commit | command | machine | minutes | faulty answers | a second | rows read | violations |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        met = sum(each["faulty"] for each in run["vendors"].values())
        rows = sum(each["rows"] for each in run["vendors"].values())
        lines.append(
            f"| {run['date']} | {run['commit']} | `{run['command']}` | {run['machine']} |"
            f" {run['seconds'] / 60:.0f} | {met:,} | {met / max(run['seconds'], 1):,.0f} | {rows:,} |"
            f" {len(run['violations'])} |"
        )
    lines += ["", summary(together), "", table(together), "", *_violations(runs)]
    return "\n".join(lines)


def _together(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        for vendor, each in run["vendors"].items():
            sums = found.setdefault(vendor, {"by_kind": Counter()})
            for name, value in each.items():
                if isinstance(value, int):
                    sums[name] = sums.get(name, 0) + value
            sums["by_kind"].update(each["by_kind"])
    return found


def _violations(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "Violations:\n"
    found = [f"- {run['commit']}: {each}" for run in runs for each in run["violations"]]
    yield "\n".join(found or ["none."]) + "\n"
