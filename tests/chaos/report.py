"""What a run proved, beside what was demanded: as text, and kept in docs/results.

Raw numbers of every recorded run accumulate in ``faults.json``; ``faults.md`` is written from them anew.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.answers.kept import faulty_answers
from tests.chaos.holders import Recovered
from tests.chaos.others import Compared
from tests.chaos.tcp_proxy import PER_CHUNK, PER_COMMIT
from tests.chaos.timing import TIMES, Times
from tests.provenance import RESULTS, commit, machine, moment

POINTS = "kills.at."

ANSWERS = "answers.faulty"
"""Of the answers suite, which keeps its own record."""

STORED = "look_ups.stored"
LOOK_UPS = (STORED, "look_ups.not_stored")
"""By what was found. Runs before 2026-11-27 21:00 did not count them."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A row of the fault matrix: what is counted towards it, and how much of it is wanted in all."""

    row: int
    what: str
    counted: Sequence[str]
    wanted: int


DEMANDS = (
    Demand(1, "workers killed", ("kills",), 10_000),
    Demand(2, "zombies woken late", ("zombies",), 2_000),
    Demand(3, "backends ended", ("backends.ended",), 2_000),
    Demand(3, "slices looked up, since nobody knew of their COMMIT", LOOK_UPS, 50),
    Demand(3, "of these, found stored", (STORED,), 50),
    Demand(4, "database crashes", ("crash.crashes",), 200),
    Demand(5, "failovers", ("failover.failovers",), 50),
    Demand(5, "of these, with commits lost", ("failover.failovers that lost commits",), 20),
    Demand(6, "pooler killed, restarted, paused", ("pooler.kills", "pooler.restarts", "pooler.pauses"), 500),
    Demand(7, "TCP faults", tuple(f"tcp.{kind}" for kind in PER_CHUNK), 5_000),
    Demand(7, "COMMITs without an answer", tuple(f"commit_cut.{kind}" for kind in PER_COMMIT), 1_000),
    Demand(8, "calls to AWS under faults", ("dynamo.requests",), 20_000),
    Demand(9, "deliveries, with copies and late ones among them", ("duplicated.deliveries",), 50_000),
    Demand(10, "slices under skewed clocks", ("skewed.slices",), 1_000),
    Demand(11, "rows read", ("rows",), 1_000_000),
    Demand(11, "faulty answers, most of them in `answers.md`", ("vendor.faulty_answers", ANSWERS), 100_000),
    Demand(12, "forged pushes; one that is noted is a violation", ("pushes.forged",), 1_000),
    Demand(13, "pushes of changed shipments, copies not counted", ("pushes.sent",), 2_000),
    Demand(16, "poisoned messages redriven", ("dead_letters.redriven",), 100),
    Demand(18, "deploys in mid-flight", ("deploys",), 20),
    Demand(19, "restores of either store", ("restore_postgres.restores", "restore_dynamo.restores"), 20),
)  # fmt: skip


MATRIX = """\
Rows are those of the fault matrix that this suite was planned by. What is in none of them here: partial listings are
the simulation's and the answers suite's (row 14), nothing is pushed out yet (15), floods are below (17). Of 12 and
13 this is the part that needs real processes."""

GUESSED = "2026-11-27 22:30"
"""The last run whose recoveries were told from where workers died and what their followers said."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from a worker's death to the moment when another one holds its stream. ``lease_s`` is how long
    a lease lasted in that run; ``holders`` held it when they died; ``sound`` are those of them in whose round no store
    was broken and no clock wrong, with their own longest and 95th of a hundred; of ``again`` of these another worker
    died on the stream before it was held, or the dead one's message had been received for the last time; ``alone`` are
    the others. ``overlooked`` of these were held later than after
    one lease although a worker was free meanwhile; runs before 2026-11-28 02:00 did not ask (None)."""

    deaths: int = 0
    p50: float = 0.0
    p95: float = 0.0
    longest: float = 0.0
    within_lease: float = 0.0
    lease_s: float = 2.5
    holders: int = 0
    holders_within_lease: float = 0.0
    sound: int = 0
    sound_within_lease: float = 0.0
    sound_p95: float = 0.0
    sound_longest: float = 0.0
    again: int = 0
    alone_within_lease: float = 0.0
    overlooked: int | None = None

    @classmethod
    def of(cls, recovered: Sequence[Recovered]) -> Recovery:
        if not recovered:
            return cls()
        ordered = sorted(each.seconds for each in recovered)
        holders = [each for each in recovered if each.held]
        sound = sorted(each.seconds for each in holders if each.sound)
        alone = [each.seconds for each in holders if each.is_alone]
        return cls(
            len(ordered),
            _share(ordered, 0.5),
            _share(ordered, 0.95),
            round(ordered[-1], 2),
            _within_lease(ordered),
            TIMES.lease_s,
            len(holders),
            _within_lease([each.seconds for each in holders]),
            len(sound),
            _within_lease(sound),
            _share(sound, 0.95),
            round(sound[-1], 2) if sound else 0.0,
            len(sound) - len(alone),
            _within_lease(alone),
            sum(each.overlooked for each in holders),
        )


def _within_lease(seconds: Sequence[float]) -> float:
    return (
        round(sum(each <= TIMES.lease_s for each in seconds) / len(seconds), 3) if seconds else 0.0
    )


@dataclass(frozen=True, slots=True)
class Run:
    """One recorded run."""

    date: str
    commit: str
    command: str
    machine: str
    seed: int
    seconds: int
    rounds: int
    counts: Mapping[str, int]
    recovery: Recovery
    flood: Sequence[tuple[float, float]] = ()
    violations: Sequence[str] = field(default_factory=tuple)
    beside_poison: Sequence[tuple[float, float]] = ()


def now_run(
    *,
    command: str,
    seed: int,
    seconds: float,
    rounds: int,
    counts: Mapping[str, int],
    recoveries: Sequence[Recovered],
    flood: Sequence[Compared],
    violations: Sequence[str],
    beside_poison: Sequence[Compared],
) -> Run:
    """This run, with where and when it was."""
    return Run(
        moment(),
        commit(),
        command,
        machine(),
        seed,
        int(seconds),
        rounds,
        dict(sorted(counts.items())),
        Recovery.of(recoveries),
        _rounded(flood),
        tuple(violations),
        _rounded(beside_poison),
    )


def record(run: Run, folder: Path = RESULTS) -> Path:
    """Add the run to those recorded, and write the page."""
    kept = folder / "faults.json"
    runs = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    runs.append(asdict(run))
    kept.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    return write_page(folder)


def write_page(folder: Path = RESULTS) -> Path:
    """The page, from what is recorded: also of the answers suite."""
    runs = json.loads((folder / "faults.json").read_text(encoding="utf-8"))
    page = folder / "faults.md"
    text = markdown([_read(each) for each in runs], {ANSWERS: faulty_answers(folder)})
    page.write_text(text, encoding="utf-8")
    return page


def markdown(runs: Sequence[Run], beside: Mapping[str, int] | None = None) -> str:
    """The page: totals beside demands, every run, recovery times, violations. ``beside`` was counted elsewhere."""
    totals: Counter[str] = Counter(beside or {})
    for run in runs:
        totals.update(run.counts)
    hours = sum(run.seconds for run in runs) / 3600
    parts = [
        "# Faults: what was broken, and what held",
        "Written by `python -m tests.chaos --record` (`make faults`); raw numbers are in `faults.json`.\n"
        "Real worker processes, Postgres, PgBouncer and an embedded AWS. Time is scaled: an invocation has\n"
        f"{Times().invocation.total_seconds():.0f} s, or so many times that as SLUICE_CHAOS_SLOWER says, on a"
        " machine that was busy with other things. After each round everything calms down and is compared with the"
        " vendor's truth.",
        f"{len(runs)} recorded runs, {hours:.1f} hours, {sum(run.rounds for run in runs)} rounds.",
        "## Demanded and done",
        MATRIX,
        _demands(totals),
        f"Deliveries were all invocations up to the run of {GUESSED}, some 12 % of them no messages but the clock's.",
        f"Deaths at each named fault point (50 of each are wanted): {_points(totals)}.",
        f"Zombies, once woken: {_zombies(totals)}.",
        "## Recorded runs",
        _runs(runs),
        "## Recovery after a death",
        _recoveries(runs),
        "## A client that floods",
        _floods(runs),
        "## Beside poison",
        _poisoned(runs),
        "## Violations",
        'What became of each is told in `docs/reliability.md`, "What was found".',
        _violations(runs),
    ]
    return "\n\n".join(parts) + "\n"


def _demands(totals: Mapping[str, int]) -> str:
    lines = ["| matrix row | what | done | demanded | |", "|---|---|---|---|---|"]
    for demand in DEMANDS:
        done = sum(totals.get(name, 0) for name in demand.counted)
        verdict = "reached" if done >= demand.wanted else f"{100 * done // demand.wanted} %"
        lines.append(f"| {demand.row} | {demand.what} | {done:,} | {demand.wanted:,} | {verdict} |")
    return "\n".join(lines)


def _points(totals: Mapping[str, int]) -> str:
    points = {name.removeprefix(POINTS): n for name, n in totals.items() if name.startswith(POINTS)}
    return ", ".join(f"`{name}` {count}" for name, count in sorted(points.items())) or "none"


def _zombies(totals: Mapping[str, int]) -> str:
    ends = {
        name.removeprefix("zombies."): n
        for name, n in totals.items()
        if name.startswith("zombies.")
    }
    return ", ".join(f"{name} {count}" for name, count in sorted(ends.items())) or "none"


def _runs(runs: Sequence[Run]) -> str:
    lines = [
        "| date | commit | command | machine | minutes | rounds | kills | slices | rows | violations |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        counts = run.counts
        lines.append(
            f"| {run.date} | {run.commit} | `{run.command}` | {run.machine} | {run.seconds / 60:.0f} |"
            f" {run.rounds} | {counts.get('kills', 0):,} | {counts.get('slices', 0):,} |"
            f" {counts.get('rows', 0):,} | {len(run.violations)} |"
        )
    return "\n".join(lines)


def _recoveries(runs: Sequence[Run]) -> str:
    lines = [
        "Seconds from a worker's death to the moment when another worker holds its stream, whatever else was\n"
        "broken at the time (also stores). Since leases last 3 s here, which is an invocation's 2 s and a margin, a\n"
        "dead worker's message takes over as soon as its invocation is over (ADR 8). Who dies before it told its\n"
        "message to come back is followed when the queue shows that again, 5 s later here: *of holders* is of those\n"
        "who held the lease when they died, *sound* of those of them in whose round no store was broken and no clock\n"
        "wrong, *alone* of those of these for whom no other worker died on the stream before it was held, and (since\n"
        "2026-11-28 06:00) whose message comes back: one that five workers died with lies among the dead letters, and\n"
        "cleanup frees the lease.\n"
        "A few workers serve many streams here, so a stream may wait for one of them as well: *overlooked* of *alone*\n"
        "were held after more than a lease although a worker was free for more than a second of that time. With kills\n"
        "alone none may be. Else there are slower ways, all promised: cleanup, of a message that nobody has any more,\n"
        "a line at a client's desk, and messages that are sent again, for whole seconds.\n\n"
        f"Up to the run of {GUESSED} holders were only those who died where a holder alone can, and a follower's\n"
        "beginning counted instead of its lease; since then the lease's own writes tell. Up to the run of\n"
        "2026-11-27 04:07, deaths in a round's last moments counted, too: their messages are brought back by the\n"
        "suite itself, too early to take over, and then wait for the lapse.",
        "",
        "| date | lease | deaths | within one lease | p50 | p95 | longest | of holders | within one lease |"
        " sound | within one lease | p95 | longest | alone | within one lease | overlooked |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        r = run.recovery
        if not r.deaths:
            continue
        within = f"{100 * r.within_lease:.0f} %"
        of_holders = f"{r.holders:,} | {100 * r.holders_within_lease:.0f} %" if r.holders else "|"
        sound = (
            f"{r.sound:,} | {100 * r.sound_within_lease:.1f} % | {r.sound_p95} | {r.sound_longest}"
            f" | {r.sound - r.again:,} | {100 * r.alone_within_lease:.1f} %"
            f" | {'' if r.overlooked is None else r.overlooked}"
            if r.sound
            else "| | | | | |"
        )
        lines.append(
            f"| {run.date} | {r.lease_s} | {r.deaths:,} | {within} | {r.p50} | {r.p95} | {r.longest} |"
            f" {of_holders} | {sound} |"
        )
    return "\n".join(lines)


def _floods(runs: Sequence[Run]) -> str:
    floods = sum(run.counts.get("rounds.flood", 0) for run in runs)
    if not floods:
        return "Not tried yet."
    unmeasured = floods - sum(len(run.flood) for run in runs)
    lines = [
        "p95 of the seconds between two commits of a stream of the other clients: just before the flood and\n"
        "during it. Wanted: less than twice. The embedded queue knows no fair delivery; AWS's does. Up to the run\n"
        "of 2026-11-26 02:48, the time before was 6 s and the flood's the rest of the round, in which longer gaps can\n"
        "be seen, and other things were broken beside it; up to 2026-11-26 00:07 there was no desk.\n"
        f"{unmeasured} of {floods} floods went unmeasured: the others had too few commits before or during them.\n"
        "Since 2026-11-28 03:00 who commits nothing meanwhile counts, too; beside kills factors are too large (below).",
        "",
        *_factors((run.date, *each) for run in runs for each in run.flood),
    ]
    return "\n".join(lines)


def _poisoned(runs: Sequence[Run]) -> str:
    """Rounds of runs before there was this measure have no word about it."""
    told = [run for run in runs if "poison.unmeasured" in run.counts]
    if not told:
        return "Not measured yet."
    unmeasured = sum(run.counts["poison.unmeasured"] for run in told)
    rounds = sum(run.counts.get("rounds.poison", 0) for run in told)
    lines = [
        "The same of all but two clients, just before every slice of these begins to fail and while it does, until\n"
        "its message lies among the dead letters. Wanted: less than twice. What else is broken is so\n"
        "before and during it; but before it no gap can be longer than the round is old, so beside kills, which make\n"
        f"gaps long, factors come out too large. {unmeasured} of {rounds} rounds went unmeasured.",
        "",
        *_factors((run.date, *each) for run in told for each in run.beside_poison),
    ]
    return "\n".join(lines)


def _factors(found: Iterable[tuple[str, float, float]]) -> list[str]:
    lines = ["| run | before | during | factor |", "|---|---|---|---|"]
    return lines + [
        f"| {date} | {before:.2f} | {during:.2f} | {during / before:.1f} |"
        for date, before, during in found
    ]


def _rounded(found: Sequence[Compared]) -> Sequence[tuple[float, float]]:
    return [(round(each.before, 2), round(each.during, 2)) for each in found]


def _violations(runs: Sequence[Run]) -> str:
    found = [f"- {run.date}, {run.commit}: {each}" for run in runs for each in run.violations]
    return "\n".join(found) if found else "None."


def _read(raw: Mapping[str, object]) -> Run:
    values = dict(raw)
    recovery = values.pop("recovery")
    assert isinstance(recovery, dict)
    return Run(recovery=Recovery(**recovery), **values)  # type: ignore[arg-type]


def _share(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 2)
