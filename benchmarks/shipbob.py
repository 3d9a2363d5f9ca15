"""`python -m benchmarks.shipbob`: three ShipBob merchants beside one, and how soon a push is in Postgres.

Through the deployed template on the embedded stack. The simulated vendor answers as late as one over the internet
does. Exits with 1 when a goal is missed; ``--record`` writes docs/results/shipbob.md and .json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.shipbob_stage import ANSWER_MS, CADENCE_S, ORDERS, WORLD, ShipBobStage, Took
from local.places import PROJECT, Places
from local.stack import Stack
from local.vendors.shipbob.control import ShipBobControl
from ops.demo.pushes import middle_and_most
from tests.e2e.deployed import Deployed
from tests.provenance import RESULTS, commit, machine, moment

MOST_FACTOR = 1.3
PUSHED_WITHIN_S = 2.0
ROUNDS = 3
"""Each measurement is made so often, one merchant and three by turns; the medians are compared."""

PUSHES = 60
EVERY_S = (1.0, 0.6)
"""How far apart pushes are made; each is sent twice."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Seconds of one phase, for one merchant and for three: each round's."""

    phase: str
    one_s: Sequence[float]
    three_s: Sequence[float]

    @property
    def factor(self) -> float:
        return _median(self.three_s) / _median(self.one_s)


@dataclass(frozen=True, slots=True)
class Pushed:
    """Seconds from the making of a push to its row."""

    how: str
    arrived: int
    p50_s: float
    p95_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything measured."""

    compared: Sequence[Compared]
    pushed: Sequence[Pushed]
    lost_found_s: float
    lost_polls: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write docs/results/shipbob.md")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    outcome = measure(options.rounds, _say)
    goals = judge(outcome)
    for _, line in goals:
        _say(line)
    if options.record:
        _say(
            str(
                record(
                    outcome,
                    [line for _, line in goals],
                    " ".join(["python -m benchmarks.shipbob", *sys.argv[1:]]),
                )
            )
        )
    return 0 if all(reached for reached, _ in goals) else 1


def measure(rounds: int, say: Callable[[str], None]) -> Outcome:
    """On a stack of its own, gone afterwards."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:
        folder = ends.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="bench-"))
        stack = ends.enter_context(Stack(Places(Path(folder) / "stack")))
        stack.up(say)
        deployed = ends.enter_context(closing(Deployed(stack)))
        vendor = ends.enter_context(ShipBobControl(deployed.names["VENDOR_SHIPBOB_URL"]))
        return _measured(ShipBobStage(deployed, vendor), rounds, say)


def _measured(stage: ShipBobStage, rounds: int, say: Callable[[str], None]) -> Outcome:
    one: list[Sequence[Took]] = []
    three: list[Sequence[Took]] = []
    stage.warm()
    for number in range(rounds):
        for merchants, found in ((1, one), (3, three)):
            took = stage.phases(f"r{number}-{merchants}", merchants)
            say(
                f"round {number + 1}, {merchants}: "
                + ", ".join(f"{t.phase} {t.seconds:.1f} s" for t in took)
            )
            found.append(took)
    compared = [
        Compared(phases[0].phase, [t.seconds for t in phases], [t.seconds for t in others])
        for phases, others in zip(zip(*one, strict=True), zip(*three, strict=True), strict=True)
    ]
    stage.subscribe()
    pushed = [
        _pushed(f"one each {every_s:.1f} s", stage.pushes(PUSHES, every_s)) for every_s in EVERY_S
    ]
    found_s, polls = stage.lost_push()
    return Outcome(compared, pushed, found_s, polls)


def _pushed(how: str, seconds: Sequence[float]) -> Pushed:
    p50, p95 = middle_and_most(seconds)
    return Pushed(how, len(seconds), p50, p95, max(seconds, default=float("inf")))


def judge(outcome: Outcome) -> list[tuple[bool, str]]:
    """Goals beside what was measured."""
    judged = [
        _goal(
            f"{each.phase}: three merchants beside one", f"{each.factor:.2f}x",
            f"<= {MOST_FACTOR}x", reached=each.factor <= MOST_FACTOR,
        )
        for each in outcome.compared
    ]  # fmt: skip
    for each in outcome.pushed:
        reached = each.arrived == PUSHES and each.p95_s <= PUSHED_WITHIN_S
        measured = f"{each.p95_s:.2f} s, {each.arrived} of {PUSHES}"
        wanted = f"<= {PUSHED_WITHIN_S:.0f} s"
        judged.append(_goal(f"push to row, p95, {each.how}", measured, wanted, reached=reached))
    polls, wanted = outcome.lost_polls, "the first poll after it"
    measured = f"poll {polls}, after {outcome.lost_found_s:.0f} s"
    return [*judged, _goal("a lost push is found by", measured, wanted, reached=polls == 1)]


def _goal(name: str, measured: str, wanted: str, *, reached: bool) -> tuple[bool, str]:
    verdict = "reached" if reached else "MISSED"
    return reached, f"- {name}: {measured}, wanted {wanted}: {verdict}"


def record(outcome: Outcome, goals: Sequence[str], command: str, folder: Path = RESULTS) -> Path:
    """The raw numbers and the page."""
    found = {
        "date": moment(),
        "commit": commit(),
        "command": command,
        "machine": machine(),
        "answer_ms": ANSWER_MS,
        "outcome": asdict(outcome),
    }
    text = json.dumps(found, indent=1) + "\n"
    (folder / "shipbob.json").write_text(text, encoding="utf-8")
    page = folder / "shipbob.md"
    page.write_text(_page(found, outcome, goals), encoding="utf-8")
    return page


def _page(found: Mapping[str, object], outcome: Outcome, goals: Sequence[str]) -> str:
    return "\n".join(
        [
            "# ShipBob: three merchants beside one, and pushes",
            "",
            f"{found['date']}, commit {found['commit']}, `{found['command']}`, {found['machine']}."
            " Raw numbers: `shipbob.json`.",
            "",
            "Through the deployed template on the embedded AWS, Postgres behind PgBouncer, and the simulated vendor:",
            f"each merchant has {ORDERS:,} orders over {WORLD.history_days:.0f} days, its own token with 150 requests"
            " a minute, and five streams.",
            f"Every answer of the vendor takes {ANSWER_MS} ms more than its making, as over the internet: on loopback"
            " nobody would wait",
            "for anything but this machine's processors, which all of AWS shares here.",
            "",
            "| phase | one merchant | three | factor |",
            "|---|---|---|---|",
            *(
                f"| {c.phase} | {_seconds(c.one_s)} | {_seconds(c.three_s)} | {c.factor:.2f} |"
                for c in outcome.compared
            ),
            "",
            "Medians, all rounds in brackets; from the dispatcher's call to the end of the last run. Timelines are"
            " asked for one by",
            "one at the pace that the vendor allows, and of 100 of the merchant that has most of them.",
            "",
            "| pushes | arrived | p50 | p95 | longest |",
            "|---|---|---|---|---|",
            *(
                f"| {p.how} | {p.arrived} | {p.p50_s:.2f} s | {p.p95_s:.2f} s | {p.longest_s:.2f} s |"
                for p in outcome.pushed
            ),
            "",
            "From the vendor's making of the push to the row, as seen by somebody who looks every 20 ms: the webhook,"
            " its queue,",
            "the order read again from the vendor, and the merge. Here two workers apply pushes, each for about half"
            " a second;",
            "more pushes than that wait in the queue, and so do those of an account whose minute is used up.",
            "",
            f"A push that is lost: its change stood in Postgres after {outcome.lost_found_s:.0f} s, by poll"
            f" {outcome.lost_polls} after it; polls come every {CADENCE_S} s.",
            "",
            *goals,
            "",
        ]
    )


def _seconds(found: Sequence[float]) -> str:
    each = ", ".join(f"{seconds:.1f}" for seconds in found)
    return f"{_median(found):.1f} s ({each})"


def _median(found: Sequence[float]) -> float:
    return sorted(found)[len(found) // 2]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
