"""``python -m tests.answers``: vendors whose answers are wrong, many thousands of times, and what is stored in the end.

A violation names its round: ``--only VENDOR --seed S --round N --day DAY`` plays that one again, given the same
--without and --focus. All that a round does is drawn from these; the simulators draw faults from the question and how
often it was asked, and every clock stands. Not repeated exactly: one round in four has several requests under way at
once, which threads order.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

from local.postgres import Database
from tests.answers.controls import CONTROLS, take_away
from tests.answers.ground import VENDORS, standing, throw_away_databases
from tests.answers.playing import Wanted, WorkerDiedError, played
from tests.answers.record import counted, record, summary, table
from tests.answers.rounds import Tally, play
from tests.chaos.controls import is_of_the_control
from tests.chaos.report import write_page

PROGRESS_EVERY_S = 10.0
CONTROL_ANSWERS = 5_000
"""A control that was not noticed by then was not noticed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when anything was violated, or a control not noticed; 2 for wrong usage."""
    options = _options(arguments)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(130))
    with ExitStack() as stack:
        databases = stack.enter_context(throw_away_databases(1 if options.round else options.jobs))
        try:
            if options.round:
                return _replay(options, databases[0])
            if options.controls:
                return _take_guards_away(options, databases)
            return _play(options, databases)
        except WorkerDiedError as error:
            say(f"a process of the suite failed: {error}")
            return 1


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


class Progress:
    """A line now and then."""

    def __init__(self, vendor: str, answers: int, vendors_left: int) -> None:
        self._vendor, self._answers = vendor, answers
        self._later = answers * vendors_left
        self._began = self._said = time.monotonic()
        self._violations = 0

    def __call__(self, tally: Tally) -> None:
        for each in tally.violations[self._violations :]:
            say(f"VIOLATION {each}")
        self._violations = len(tally.violations)
        now = time.monotonic()
        if now - self._said < PROGRESS_EVERY_S:
            return
        self._said = now
        rate = tally.faulty / (now - self._began)
        due = max(self._answers - tally.faulty, 0) + self._later
        left = due / rate if rate else 0
        say(
            f"{self._vendor}: {tally.faulty:,} of {self._answers:,} faulty answers, {rate:,.0f} a second, all done in"
            f" some {left:,.0f} s; {tally.rounds:,} rounds, {tally.silent:,} of them without a fault,"
            f" {tally.rows:,} rows, {len(tally.violations)} violations"
        )


def _play(options: argparse.Namespace, databases: Sequence[Database]) -> int:
    began, tallies = time.monotonic(), dict[str, Tally]()
    each = -(-options.answers // len(options.only))
    for at, vendor in enumerate(options.only, start=1):
        progress = Progress(vendor, each, len(options.only) - at)
        wanted = Wanted(
            vendor, options.seed, options.day, each, without=options.without, focus=options.focus
        )
        tallies[vendor] = played(wanted, databases, progress)
    seconds = time.monotonic() - began
    say(f"\n{summary(counted(tallies))}\n\n{table(counted(tallies))}\n")
    faulty = sum(tally.faulty for tally in tallies.values())
    say(f"{faulty:,} faulty answers in {seconds:,.0f} s, {faulty / seconds:,.0f} a second")
    if options.record:
        command = " ".join(["python -m tests.answers", *sys.argv[1:]])
        say(f"recorded in {record(command, options.seed, seconds, tallies)} and {write_page()}")
    return 1 if any(tally.violations for tally in tallies.values()) else 0


def _replay(options: argparse.Namespace, database: Database) -> int:
    (vendor,) = options.only
    take_away(options.without)
    with standing(vendor, database, options.day, apart=False) as ground:
        found = play(ground, options.seed, options.round, options.focus)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(found.by_kind.items()))
    say(f"{found.faulty} faulty answers ({kinds}), {found.slices} slices, {found.rows} rows")
    say(f"how slices ended: {dict(found.outcomes)}")
    say(found.violations[0] if found.violations else "nothing was wrong")
    return 1 if found.violations else 0


def _take_guards_away(options: argparse.Namespace, databases: Sequence[Database]) -> int:
    missed = 0
    say(
        "| guard taken away | rounds of | faulty answers until noticed | rounds | the first violation |"
    )
    say("|---|---|---|---|---|")
    for guard, control in CONTROLS.items():
        wanted = Wanted(
            control.vendor,
            options.seed,
            options.day,
            CONTROL_ANSWERS,
            without=(guard,),
            focus=control.focus,
            stop_at_once=True,
        )
        tally = played(wanted, databases, lambda _: None)
        noticed = [
            each for each in tally.violations if not is_of_the_control(each.split(": ", 1)[1])
        ]
        missed += not noticed
        verdict = noticed[0][:200] if noticed else f"NOT NOTICED {tally.violations[:1]}"
        say(f"| {guard} | {control.vendor} | {tally.faulty:,} | {tally.rounds} | {verdict} |")
    return 1 if missed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.answers", description=__doc__)
    parser.add_argument(
        "--answers", type=_positive, default=2_000, help="faulty answers, by all vendors"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=VENDORS, default=list(VENDORS))
    parser.add_argument(
        "--round", type=_positive, help="play this round of one vendor's (--only) again"
    )
    parser.add_argument(
        "--day",
        type=date.fromisoformat,
        default=datetime.now(UTC).date() + timedelta(days=1),
        help="when worlds begin, at noon; tomorrow, since rows get the machine's time when they are made",
    )
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--without", nargs="+", choices=sorted(CONTROLS), default=[], help="guards")
    parser.add_argument(
        "--focus", nargs="+", default=[], metavar="KIND", help="kinds in each round"
    )
    parser.add_argument("--controls", action="store_true", help="take each guard away in turn")
    parser.add_argument("--record", action="store_true", help="into docs/results/answers.md")
    options = parser.parse_args(arguments)
    if options.round and len(options.only) != 1:
        parser.error("--round is of one vendor: name it with --only")
    if options.record and (options.without or options.round or options.controls):
        parser.error("only runs with every guard in place are recorded")
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
