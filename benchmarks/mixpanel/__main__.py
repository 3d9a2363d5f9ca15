"""What Mixpanel's streams cost, beside goals. Each benchmark brings up programs of its own and takes them away.

  events    a first pass over 95,000 events, then days of 2,500: exact, and 1/25 of the time
  upsert    counters of 250 subscribers as one statement, against one statement a subscriber
  profiles  50,000 profiles, of which 10, 20 and 30 % change: nothing else is written
  memory    a day of 5,000,000 events through one process of less than 200 MB

Exits with 1 when a goal is missed, with 2 when it is asked for something that cannot be.
"""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

from rich.console import Console

from benchmarks.mixpanel import events, figures, memory, profiles, upsert
from tests.provenance import RESULTS

BENCHMARKS: dict[str, ModuleType] = {
    "events": events,
    "upsert": upsert,
    "profiles": profiles,
    "memory": memory,
}


def main() -> int:
    parser = command_line()
    told = parser.parse_args()
    try:
        found = BENCHMARKS[told.benchmark].measure(told, _say)
    except figures.Impossible as error:
        parser.error(str(error))
    Console().print(figures.table(found))
    if told.record:
        _say(f"written: {figures.record(found)}")
    return 0 if found.reached else 1


def command_line() -> argparse.ArgumentParser:
    """A benchmark's name, then its own options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mixpanel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chosen = parser.add_subparsers(dest="benchmark", required=True, metavar="benchmark")
    for name, module in BENCHMARKS.items():
        about = module.__doc__ or ""
        first = about.splitlines()[0].replace("%", "%%")
        each = chosen.add_parser(name, help=first, description=about)
        module.options(each)
        each.add_argument(
            "--record", action="store_true", help=f"write {RESULTS.name}/mixpanel_{name}.md"
        )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
