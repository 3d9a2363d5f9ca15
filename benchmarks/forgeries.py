"""`python -m benchmarks.forgeries`: a million requests, nearly all of them forged; how many were believed?

Everything from the request to the message, with stores in memory: what is measured is verification, not
I/O. Exits with 1 when a forgery was taken in or a genuine delivery was not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from tests.provenance import RESULTS, commit, machine, moment
from tests.unit.webhooks.attacking import GENUINE_EVERY, Attack, attack
from tests.unit.webhooks.receiving import Office

SHOWN = 5


def main() -> int:
    """Attack, then say what came of it."""
    options = _options()
    began, cpu_began = time.monotonic(), time.process_time()
    came, office = attack(options.requests, options.seed)
    took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
    console = Console()
    console.print(_by_reason(came))
    lines = dict(_figures(came, office, options, took_s, cpu_s))
    for name, value in lines.items():
        console.print(f"{name}: [bold]{value}[/bold]", soft_wrap=True)
    for way, request in came.believed[:SHOWN]:
        console.print(f"BELIEVED {way}: {request.headers!r} {request.body!r}", markup=False)
    if options.record:
        (RESULTS / "forgeries.md").write_text(_page(came, lines), encoding="utf-8")
    return 1 if came.believed or came.genuine_refused else 0


def _figures(
    came: Attack, office: Office, options: argparse.Namespace, took_s: float, cpu_s: float
) -> Iterator[tuple[str, str]]:
    yield "requests", f"{options.requests:,} (seed {options.seed})"
    yield "forged", f"{came.forged.total():,}, in {len(came.forged)} ways"
    yield "forgeries believed", f"{len(came.believed)}"
    yield "genuine", f"{came.genuine:,}, queued {len(office.queue.sent):,}"
    yield "answers to forgeries", ", ".join(f"{k}: {n:,}" for k, n in sorted(came.answers.items()))
    yield "time", f"{took_s:.0f} s, {options.requests / took_s:,.0f}/s, forging included"
    yield "processor time", f"{cpu_s / options.requests * 1e6:.0f} microseconds a request"


def _page(came: Attack, lines: Mapping[str, str]) -> str:
    figures = "\n".join(f"| {name} | {value} |" for name, value in lines.items())
    reasons = "\n".join(f"| {reason} | {n:,} |" for reason, n in came.refusals.most_common())
    ways = "\n".join(f"| {way.replace('_', ' ')} | {n:,} |" for way, n in came.forged.most_common())
    return f"""# Forged webhooks: how many are believed

Written by `python -m benchmarks.forgeries --record`. {moment()}, commit {commit()}, {machine()}.
Each request goes through all of receiving, from the raw bytes to the message; stores are in memory, so what is
measured is verification. Every {GENUINE_EVERY}th is genuine, with its signature anywhere among some that are not for
us: a door that is simply shut would take in no forgery either. The same seed makes the same requests.

| what | measured |
|---|---|
{figures}

| refused because of | requests |
|---|---|
{reasons}

| way of forging | requests |
|---|---|
{ways}
"""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forgeries", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20261201)
    parser.add_argument("--record", action="store_true", help="write docs/results/forgeries.md")
    return parser.parse_args()


def _by_reason(came: Attack) -> Table:
    table = Table("refused because of", "requests", title="Forgeries")
    for reason, number in came.refusals.most_common():
        table.add_row(reason, f"{number:,}")
    return table


if __name__ == "__main__":
    sys.exit(main())
