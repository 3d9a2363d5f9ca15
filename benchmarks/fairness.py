"""`python -m benchmarks.fairness`: what one client's flood does to the others, with and without desks.

In virtual time (``simulated_queue``): ten workers, one client that has 1,000 slices queued at once, nine others with
a slice each minute. Real decisions over a book in memory; what calls and refusals last is assumed, and written down.
Exits with 1 when a goal is missed; ``--record`` writes docs/results/fairness.md and .json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, quantiles

from benchmarks.simulated_queue import Asked, Circumstances, Done, Simulation
from sluice.core.desk.admitting import DeskRules
from sluice.core.priorities import Priority
from tests.provenance import RESULTS, commit, machine, moment

OTHERS = 9
EVERY_S = 60
LATEST_S = 7200
FIRST_MINUTE_S = 60
MOST_FACTOR = 2.0
MOST_RECEIVES = 3.0
QUEUED = 1000
SLICE_S = 5.0


@dataclass(frozen=True, slots=True)
class Case:
    """``queued`` slices of one client at once; ``most_running`` 0 is no desk."""

    name: str
    queued: int = QUEUED
    most_running: int = 2
    fair: bool = False
    slice_s: float = SLICE_S
    priority: Priority = Priority.SCHEDULE


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one case, over all seeds. Waits are seconds from sent to begun, of the other clients' slices."""

    case: Case
    others: int
    p50_s: float
    p95_s: float
    longest_s: float
    first_minute_p95_s: float
    drained_s: float
    receives: float
    most_receives: int
    writes: float
    most_running: int
    refused_worker_share: float


REMARKS = """\
- Without a desk the flood has all workers, and is over sooner for it; on AWS's fair queues the others wait for the
  next worker that becomes free. The desk keeps workers free: that holds on any queue.
- The p95 is over the whole flood. 1,000 refusals at once are the worst of it: they hold the workers for some
  seconds. So in the first minute others wait far more than twice as long, unless the queue is fair. In all,
  refusals take less than a hundredth of the workers' time.
- A slice costs two writes, to be let in and to leave. A refused message costs one when it gets its turn, a tenth
  of one in a rush (turns are given out in blocks), one more each time it is called, and none when it comes back too
  early.
- SQS delays a message by 15 minutes at most: whoever's turn is later comes back in between. A flood that lasts for an
  hour is received about once more for that, one of seven hours 14 times more; one of 15 minutes keeps the goal.
- Delays are whole seconds, so a slot stays empty for about a second between two slices of a flood.
"""

CASES = (
    Case("no flood", queued=0),
    Case("no desk", most_running=0),
    Case("desk"),
    Case("no desk, fair queue (AWS)", most_running=0, fair=True),
    Case("desk, fair queue (AWS)", fair=True),
    Case("desk, 4 slots a client", most_running=4),
    Case("desk, 100 queued", queued=100),
    Case("desk, 300 queued", queued=300),
    Case("desk, slices of 0.5 s", slice_s=0.5),
    Case("desk, slices of 45 s", slice_s=45),
    Case("desk, a flood of requests", priority=Priority.MANUAL),
    Case("desk, a flood of backfills", priority=Priority.BACKFILL),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--record", action="store_true", help="write docs/results/fairness.*")
    options = parser.parse_args()
    outcomes = []
    for case in CASES:
        outcomes.append(measure(case, range(1, options.seeds + 1)))
        print(_row(outcomes[-1]))
    goals = judge(outcomes)
    print("\n".join(goals))
    if options.record:
        command = f"python -m benchmarks.fairness --seeds {options.seeds} --record"
        print(f"written: {record(outcomes, goals, command)}")
    return int(any("MISSED" in goal for goal in goals))


def measure(case: Case, seeds: Sequence[int]) -> Outcome:
    """The case under every seed."""
    runs = [_run(case, seed) for seed in seeds]
    others = [done for run in runs for done in _others(run)]
    flood = [done for run in runs for done in _flood(run)]
    waits = [done.wait_s for done in others]
    early = [done.wait_s for done in others if done.asked.sent_at < FIRST_MINUTE_S]
    receives = [done.asked.receives for done in flood]
    return Outcome(
        case,
        others=len(others),
        p50_s=quantiles(waits, n=20)[9],
        p95_s=quantiles(waits, n=20)[-1],
        longest_s=max(waits),
        first_minute_p95_s=quantiles(early, n=20)[-1],
        drained_s=mean(_drained_s(run) for run in runs),
        receives=mean(receives) if receives else 0.0,
        most_receives=max(receives, default=0),
        writes=sum(run.writes["flood"] for run in runs) / max(len(flood), 1),
        most_running=max(run.most_running["flood"] for run in runs),
        refused_worker_share=mean(_refused_share(run) for run in runs),
    )


def _run(case: Case, seed: int) -> Simulation:
    rules = DeskRules(most_running=case.most_running) if case.most_running else None
    run = Simulation(Circumstances(), rules, fair=case.fair, seed=seed)
    for number in range(OTHERS):
        first = run.random.uniform(0, EVERY_S)
        for minute in range(LATEST_S // EVERY_S):
            run.send(Asked(f"other-{number}", "cars", first + minute * EVERY_S, SLICE_S))
    for number in range(case.queued):
        run.send(Asked("flood", f"stream-{number}", 0.0, case.slice_s, case.priority))
    run.run()
    return run


def _flood(run: Simulation) -> list[Done]:
    return [done for done in run.done if done.asked.client == "flood"]


def _drained_s(run: Simulation) -> float:
    return max((done.ended_at for done in _flood(run)), default=0.0)


def _others(run: Simulation) -> list[Done]:
    """Those sent while the flood lasted; all, when there was none."""
    end = _drained_s(run) or LATEST_S
    return [done for done in run.done if done.asked.client != "flood" and done.asked.sent_at < end]


def _refused_share(run: Simulation) -> float:
    """Of all workers' time while the flood lasted, what invocations took that were refused."""
    return run.refused_s / (run.circumstances.workers * (_drained_s(run) or LATEST_S))


def judge(outcomes: Sequence[Outcome]) -> list[str]:
    """Goals beside what was measured."""
    by_name = {outcome.case.name: outcome for outcome in outcomes}
    calm, desk = by_name["no flood"], by_name["desk"]
    lines = []
    for outcome in outcomes:
        if outcome.case.queued and outcome.case.most_running:
            factor = outcome.p95_s / calm.p95_s
            name = f"{outcome.case.name}: others' p95 against no flood"
            lines.append(
                _goal(name, f"{factor:.2f}x", f"< {MOST_FACTOR:.0f}x", factor < MOST_FACTOR)
            )
    without = by_name["no desk"].p95_s / calm.p95_s
    lines.append(f"- no desk: others' p95 against no flood: {without:,.0f}x")
    lines.append(
        _goal(
            "desk: receives for each slice",
            f"{desk.receives:.2f}",
            f"<= {MOST_RECEIVES:.0f}",
            desk.receives <= MOST_RECEIVES,
        )
    )
    return lines


def _goal(name: str, measured: str, wanted: str, reached: bool) -> str:  # noqa: FBT001  # one caller's table
    return f"- {name}: {measured}, wanted {wanted}: {'reached' if reached else 'MISSED'}"


def record(
    outcomes: Sequence[Outcome], goals: Sequence[str], command: str, folder: Path = RESULTS
) -> Path:
    """The raw numbers and the page."""
    found = {
        "date": moment(),
        "commit": commit(),
        "command": command,
        "machine": machine(),
        "circumstances": asdict(Circumstances()),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    text = json.dumps(found, indent=1) + "\n"
    (folder / "fairness.json").write_text(text, encoding="utf-8")
    page = folder / "fairness.md"
    page.write_text(_page(found, outcomes, goals), encoding="utf-8")
    return page


def _page(found: Mapping[str, object], outcomes: Sequence[Outcome], goals: Sequence[str]) -> str:
    given = Circumstances()
    shortest_ms, longest_ms = (1000 * seconds for seconds in given.receive_s)
    return "\n".join(
        [
            "# Fairness: one client's flood, and the others' waits",
            "",
            f"{found['date']}, commit {found['commit']}, `{found['command']}`, {found['machine']}."
            " Raw numbers: `fairness.json`.",
            "",
            "Simulated, in virtual time: the real desk (`core/desk/admitting.py`) over a book in memory,"
            f" {given.workers} workers, one client with",
            f"{QUEUED:,} slices queued at once (each a stream of its own), {OTHERS} others with a slice every"
            f" {EVERY_S} s. Assumed: a slice",
            f"lasts {SLICE_S:.0f} s +- {given.spread:.0%}, {shortest_ms:.0f} to {longest_ms:.0f} ms pass from in"
            " sight to the worker's first line, a refused invocation lasts",
            f"{1000 * given.refusal_s:.0f} ms beside the book, a page is taken for {1000 * given.write_s:.0f} ms by"
            " each write (one at a time, lost races included), a read lasts",
            f"{1000 * given.read_s:.0f} ms. On the real queue, DynamoDB and workers: `tests.chaos`, its flood.",
            "",
            "Waits are the others', from sent to begun, of what was sent while the flood lasted; receives and"
            " writes are the flood's.",
            "",
            "| case | p50 | p95 | longest | p95, first minute | drained after | receives a slice | most |"
            " writes a slice | most at work | workers' time refused |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *map(_row, outcomes),
            "",
            *goals,
            "",
            REMARKS,
        ]
    )


def _row(outcome: Outcome) -> str:
    o = outcome
    return (
        f"| {o.case.name} | {o.p50_s:.2f} s | {o.p95_s:.2f} s | {o.longest_s:.1f} s |"
        f" {o.first_minute_p95_s:.2f} s | {o.drained_s:,.0f} s | {o.receives:.2f} | {o.most_receives} |"
        f" {o.writes:.2f} | {o.most_running} | {o.refused_worker_share:.2%} |"
    )


if __name__ == "__main__":
    sys.exit(main())
