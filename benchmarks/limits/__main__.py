"""`python -m benchmarks.limits`: what many worker processes use of a vendor's limit, and what an outage costs.

Exits with 1 when a goal is missed. Takes about twelve minutes; ``--quick`` is the first trial alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.limits.trials import Seen, Trial, ground
from tests.provenance import RESULTS, commit, machine, moment

TRIALS = (
    Trial("20 a second, sliding window, 8 workers", "sliding", 20, 1, 8, 60),
    Trial("20 a second, sliding window, 16 workers", "sliding", 20, 1, 16, 60),
    Trial("20 a second, token bucket, 8 workers", "bucket", 20, 1, 8, 60),
    Trial("150 a minute, sliding window, 8 workers", "sliding", 150, 60, 8, 180),
    Trial("20 a second, 8 workers, down for 3 minutes", "sliding", 20, 1, 8, 270, (20, 200)),
)
COLUMNS = ("trial", "requests", "429", "of the limit", "requests a write", "reads", "page", "worst wait",
           "failed", "failed a minute", "back after")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the first trial alone")
    parser.add_argument(
        "--record", action="store_true", help=f"write {RESULTS}/limits.md and .json"
    )
    options = parser.parse_args()
    console, seen = Console(), []
    with ground() as here:
        for trial in TRIALS[:1] if options.quick else TRIALS:
            seen.append(here.run(trial))
            console.print(f"{trial.name}: {seen[-1].outcomes}")
    console.print(_table(seen))
    missed = [f"{each.trial.name}: {what}" for each in seen for what in _missed(each)]
    for line in missed:
        console.print(f"[red]missed[/red] {line}")
    if options.record:
        _record(seen, missed)
    return 1 if missed else 0


def _missed(seen: Seen) -> Sequence[str]:
    trial, found = seen.trial, []
    if seen.refused:
        found.append(f"{seen.refused} answers of 429")
    if trial.down is not None:
        if seen.failed_a_minute > 11:
            found.append(f"{seen.failed_a_minute} failed requests in a minute")
        return found
    if seen.share < 0.95:
        found.append(f"{seen.share:.1%} of the limit used")
    if trial.workers <= 8 and trial.per_s == 1 and seen.writes * 20 > seen.requests:
        found.append(f"{seen.requests / seen.writes:.1f} requests a write")
    return found


def _row(seen: Seen) -> Sequence[str]:
    outage = seen.trial.down is not None
    return (
        seen.trial.name,
        f"{seen.requests:,}",
        str(seen.refused),
        "" if outage else f"{seen.share:.1%}",
        f"{seen.requests / max(seen.writes, 1):.1f}",
        str(seen.reads),
        f"{seen.page_bytes:,} B",
        f"{seen.longest_wait_s:.2f} s",
        str(seen.failed) if outage else "",
        str(seen.failed_a_minute) if outage else "",
        f"{seen.recovered_after_s:.0f} s" if seen.recovered_after_s is not None else "",
    )


def _table(seen: Sequence[Seen]) -> Table:
    table = Table(*COLUMNS)
    for each in seen:
        table.add_row(*_row(each))
    return table


def _record(seen: Sequence[Seen], missed: Sequence[str]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    provenance = {"date": moment(), "commit": commit(), "machine": machine()}
    figures = {**provenance, "command": COMMAND, "trials": [asdict(each) for each in seen]}
    (RESULTS / "limits.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    rows = "\n".join("| " + " | ".join(_row(each)) + " |" for each in seen)
    goals = "\n".join(f"- missed: {line}" for line in missed) or "Every goal was reached."
    (RESULTS / "limits.md").write_text(
        REPORT.format(**provenance, command=COMMAND, rows=rows, goals=goals,
                      head="| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|"),
        encoding="utf-8",
    )  # fmt: skip


COMMAND = "python -m benchmarks.limits --record"
REPORT = """# Limits: one vendor account, many worker processes

{date}, commit {commit}, `{command}`, {machine}; vendor, embedded DynamoDB and workers on one machine.

Each worker is a process of its own that makes one request after the other in slices of 45 s, with no memory shared
but the account's page in DynamoDB. The vendor counts arrivals by itself (`benchmarks/limits/vendor.py`), answers after
30 ms and refuses with 429 whatever is too much. Goals: at least 95 % of the limit used, no 429, at least 20 requests a
write for up to 8 workers at 20 a second (a write that was refused counts), and at most 11 failed requests in any
minute of an outage.

{head}
{rows}

{goals}

Writes are all `UpdateItem` calls, reads all `GetItem` calls. The worst wait is from
wanting a request to its answer. "Back after" is from the end of the outage to the first answer.
"""


if __name__ == "__main__":
    sys.exit(main())
