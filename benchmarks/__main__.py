"""`make bench`: one worker loads a catalogue twice, beside raw COPY of the same rows.

Rounds are interleaved (load, second pass, COPY, and again), so that a machine whose speed drifts slows
all of them; medians are shown. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.stage import API_KEY, Stage, stage

CHANGED_SHARE = 0.02
PEAK_RSS_MB = 200
RESULTS = Path("docs/results/bench-cars.md")


@dataclass(frozen=True)
class Round:
    """One load of everything, one second pass, one COPY."""

    first: dict[str, Any]
    second: dict[str, Any]
    tuples: int
    copy_s: float


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``goal`` is None where there is none."""

    name: str
    value: str
    goal: str = ""
    reached: bool = True


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--cars", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every round's figures here")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS}")
    options = parser.parse_args()
    console = Console()
    with stage(options.cars) as built:
        rounds = [_round(built, number, options.cars, console) for number in range(options.rounds)]
    figures = _figures(rounds, options.cars)
    console.print(_table(figures, options.cars))
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in rounds], indent=2), encoding="utf-8")
    if options.record:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(_report(figures, options.cars, options.rounds), encoding="utf-8")
    return 0 if all(figure.reached for figure in figures) else 1


def _round(built: Stage, number: int, cars: int, console: Console) -> Round:
    built.start_over()
    first = built.crawl()
    console.print(f"round {number + 1}: first pass {cars / first['wall_s']:,.0f} rows/s")
    built.vendor.mutate(API_KEY, change=int(cars * CHANGED_SHARE))
    before = built.tuples_written()
    second = built.crawl()
    tuples = built.tuples_written() - before
    console.print(f"round {number + 1}: second pass {cars / second['wall_s']:,.0f} rows/s")
    copy_s = built.raw_copy()
    console.print(f"round {number + 1}: raw COPY {cars / copy_s:,.0f} rows/s")
    return Round(first, second, tuples, copy_s)


EVENT_SOURCES = ("ReceiveMessage", "DeleteMessage")
"""Made by AWS for the worker, of several messages at once where it can."""


def _figures(rounds: Sequence[Round], cars: int) -> list[Figure]:
    first_s = median(r.first["wall_s"] for r in rounds)
    second_s = median(r.second["wall_s"] for r in rounds)
    copy_s = median(r.copy_s for r in rounds)
    rss = max(max(r.first["peak_rss_mb"], r.second["peak_rss_mb"]) for r in rounds)
    changed = int(cars * CHANGED_SHARE)
    tuples = max(r.tuples for r in rounds)
    last = rounds[-1].first
    writes = last["dynamodb_calls"].get("UpdateItem", 0) / last["slices"]
    reads = sum(last["dynamodb_calls"].values()) / last["slices"] - writes
    sqs = sum(n for name, n in last["sqs_calls"].items() if name not in EVENT_SOURCES)
    sqs /= last["slices"]
    ratio = median(r.first["wall_s"] / r.second["wall_s"] for r in rounds)
    engine = median(_overhead(r.first) for r in rounds)
    return [
        Figure("first pass, everything new", f"{cars / first_s:,.0f} rows/s"),
        Figure("  its processor time", f"{median(r.first['cpu_s'] for r in rounds):.1f} s"),
        Figure("  of which fetch / merge", f"{last['fetch_s']:.1f} s / {last['merge_s']:.1f} s"),
        Figure("second pass, 2 % changed", f"{cars / second_s:,.0f} rows/s"),
        Figure("  against the first pass", f"{ratio:.1f}x", ">= 2.5x", ratio >= 2.5),
        Figure("  tuples written", f"{tuples:,}", f"{changed:,}", tuples == changed),
        Figure("raw COPY, logged, primary key", f"{cars / copy_s:,.0f} rows/s"),
        Figure("  first pass against it", f"{copy_s / first_s:.0%}"),
        Figure("worker's peak memory", f"{rss:.0f} MB", f"<= {PEAK_RSS_MB} MB", rss <= PEAK_RSS_MB),
        Figure("DynamoDB writes per slice", f"{writes:.2f}", "<= 5", writes <= 5),
        Figure("  reads", f"{reads:.2f}"),
        Figure("SQS calls per slice", f"{sqs:.2f}", "<= 3", sqs <= 3),
        Figure("engine beside fetch and merge", f"{engine:.1%}"),
    ]


def _overhead(figures: dict[str, Any]) -> float:
    """The share of a run that is neither fetch nor merge: lease, claim, watermark, messages, start."""
    share: float = 1 - (figures["fetch_s"] + figures["merge_s"]) / figures["wall_s"]
    return share


def _table(figures: Sequence[Figure], cars: int) -> Table:
    table = Table("what", "measured", "goal", "", title=f"{cars:,} cars, one worker process")
    for figure in figures:
        mark = "" if not figure.goal else "[green]ok" if figure.reached else "[red]MISSED"
        table.add_row(figure.name, figure.value, figure.goal, mark)
    return table


def _report(figures: Sequence[Figure], cars: int, rounds: int) -> str:
    lines = "\n".join(f"| {f.name.strip()} | {f.value} | {f.goal} |" for f in figures)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return f"""# Cars: load rate, memory and calls of one worker

{datetime.now(UTC):%Y-%m-%d}, commit {commit}, `make bench BENCH_ARGS="--cars {cars} --rounds {rounds} --record"`,
Python {platform.python_version()}, everything (vendor, Postgres, AWS, worker) on one machine of 2 shared cores.
Medians of {rounds} interleaved rounds; page shape, 100 cars a page, 16 pages at once, slices of 10,000 rows,
connections direct to Postgres with fsync on. A second pass reads everything again after 2 % changed.

| what | measured | goal |
|---|---|---|
{lines}
"""


if __name__ == "__main__":
    sys.exit(main())
