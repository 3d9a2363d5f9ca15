"""The suite's column for every change: minutes instead of an hour, each fault at least once, no violation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from local import pgbouncer
from tests.chaos import worker_breakers
from tests.chaos.aws_proxy import KINDS
from tests.chaos.breakers import BREAKERS
from tests.chaos.kinds import OURS, kinds
from tests.chaos.poller import FencePoller
from tests.chaos.report import LOOK_UPS, STORED
from tests.chaos.rounds import Rounds
from tests.chaos.stand import Size, Stand
from tests.chaos.tcp_proxy import PER_CHUNK, PER_COMMIT
from tests.chaos.timing import SLOWER

SEED = int(os.environ.get("SLUICE_CHAOS_SEED", "7"))
SIZE = Size(clients=18, cars=200, facts=3, slots=16)

MOST_TIMES = 3
"""On a machine so busy that a round breaks too little, it is played again, and what was broken adds up."""

FEWEST_ROWS = 5_000
"""Of each round, more than the full reads at its end."""

FEWEST_IN_ALL = 20_000

DELAYS = ("latency", "sliced")

REFUSED = ("zombies.superseded",)
"""Zombies whose claim or commit was refused. Others had not begun yet when they fell asleep, or nobody went on."""

COUNTED: Mapping[str, Mapping[Sequence[str], int]] = {
    "kills": {("kills",): 40},
    "zombies": {("zombies",): 15, REFUSED: 1},
    "backends": {("backends.ended",): 40},
    "crash": {("crash.crashes",): 3},
    "failover": {("failover.failovers that lost commits",): 1},
    "pooler": {("pooler.kills", "pooler.restarts", "pooler.pauses"): 3},
    "tcp": {
        tuple(f"tcp.{kind}" for kind in PER_CHUNK): 120,
        tuple(f"tcp.{kind}" for kind in PER_CHUNK if kind not in DELAYS): 60,
    },
    "commit_cut": {
        tuple(f"commit_cut.{kind}" for kind in PER_COMMIT): 15,
        LOOK_UPS: 10,
        (STORED,): 1,
    },
    "dynamo": {
        ("dynamo.requests",): 250,
        tuple(f"dynamo.{kind}" for kind in KINDS if kind not in DELAYS): 20,
    },
    "duplicates": {("duplicated.deliveries",): 120, ("messages.duplicated", "messages.late"): 5},
    "skew": {("skewed.slices",): 40},
    "vendor": {("vendor.faulty_answers",): 25},
    "poison": {("error.SliceBroken",): 10, ("dead_letters.redriven",): 2},
    "two_versions": {("older.slices",): 15},
    "restore_postgres": {("restore_postgres.restores",): 1},
    "restore_dynamo": {("restore_dynamo.restores",): 1},
}
"""Of each kind the faults themselves, together, and how many a round must have had at least: one in which nothing
broke proves nothing."""

ROUNDS: Sequence[tuple[float, Sequence[str]]] = (
    (18, ("kills", "zombies", "duplicates")),
    (14, ("backends", "tcp", "commit_cut")),
    (18, ("crash", "dynamo", "kills", "zombies", "duplicates")),
    (18, ("failover", "vendor", "kills", "zombies", "duplicates")),
    (24, ("skew", "restore_dynamo", "duplicates")),
    (16, ("poison", "two_versions", "pooler", "kills", "duplicates")),
    (16, ("restore_postgres", "pooler", "kills", "zombies", "duplicates")),
)
"""Seconds, and what is broken beside each other."""


COLUMN: Mapping[str, tuple[Sequence[str], int]] = {
    "kills": (("kills",), 300),
    "zombies": (("zombies",), 100),
    "backends": (("backends.ended",), 100),
    "crash": (("crash.crashes",), 5),
    "failover": (("failover.failovers that lost commits",), 1),
    "pooler": (("pooler.kills", "pooler.restarts", "pooler.pauses"), 10),
    "tcp": (tuple(f"tcp.{kind}" for kind in PER_CHUNK), 200),
    "dynamo": (("dynamo.requests",), 1000),
    "duplicates": (("duplicated.deliveries",), 2000),
    "skew": (("skewed.slices",), 100),
}
"""Of all rounds together, what the fault matrix demands of every change."""

MORE_S, MOST_MORE, AT_ONCE = 18, 8, 3
"""What the rounds lack of it is played after them: how long at a time, how often at the most, of how many kinds."""


@dataclass(frozen=True)
class Playing:
    """``left_out`` says of each kind that cannot be played here why; ``numbers`` are of the rounds that held."""

    rounds: Rounds
    poller: FencePoller
    left_out: Sequence[str]
    numbers: set[int] = field(default_factory=set)

    def play(self, number: int, names: Sequence[str], seconds: float) -> None:
        """A round, in which everything must hold."""
        looks = self.poller.looks
        played = self.rounds.play(number, self.poller, names=tuple(names), seconds=seconds * SLOWER)
        assert not played.violations, f"seed {SEED}: " + "\n".join(played.violations)
        assert self.poller.looks > looks, "nobody looked at the fences"

    def lacking(self) -> dict[str, str]:
        """What of the column was not reached yet."""
        return {
            name: f"{name}: {self._found(name)} of {least}"
            for name, (_, least) in COLUMN.items()
            if name in self.rounds.kinds and self._found(name) < least
        }

    def reached(self) -> str:
        """For people: of each kind how much, and what was demanded."""
        rows = self.rounds.stand.tally.counts["rows"]
        found = (
            f"{name} {self._found(name):,} of {least:,}" for name, (_, least) in COLUMN.items()
        )
        return ", ".join([*found, f"rows {rows:,} of {FEWEST_IN_ALL:,}"])

    def _found(self, name: str) -> int:
        counts = self.rounds.stand.tally.counts
        return sum(counts[each] for each in COLUMN[name][0])


@pytest.fixture(scope="module")
def playing() -> Iterator[Playing]:
    left_out: list[str] = []
    there = kinds(left_out.append)
    with Stand(SEED, SIZE) as stand, FencePoller(stand.database, stand.state_items) as poller:
        yield Playing(Rounds(stand, there, SEED), poller, left_out)


@pytest.mark.timeout(600 * SLOWER)
@pytest.mark.parametrize(
    ("number", "seconds", "names"),
    [(number, *each) for number, each in enumerate(ROUNDS, 1)],
    ids=["-".join(names) for _, names in ROUNDS],
)
def test_everything_holds_and_finishes_after(
    playing: Playing,
    number: int,
    seconds: float,
    names: Sequence[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After the round every stream finishes, equals its vendor's truth, and its log is a chain."""
    rounds = playing.rounds
    there = tuple(name for name in names if name in rounds.kinds)
    before, recovered = Counter(rounds.stand.tally.counts), rounds.stand.tally.holders.recovered
    of_others = len(recovered)
    for again in range(MOST_TIMES):
        playing.play(number + again * len(ROUNDS), there, seconds)
        done = Counter(rounds.stand.tally.counts)
        done.subtract(before)
        lacking = too_few(done, there)
        if not lacking:
            break
    assert lacking == []
    if "kills" in there:
        assert any(each.held for each in recovered[of_others:]), "no holder's death was followed"
    playing.numbers.add(number)
    if len(playing.numbers) == len(ROUNDS):
        reach_the_column(playing)
        with capsys.disabled():
            print(f"\nbroken for this change: {playing.reached()}")  # noqa: T201  # for people
    skip_if_left_out(names, playing.left_out)


def reach_the_column(playing: Playing) -> None:
    """After the last of the rounds, in whatever order they came: what they broke together is enough for a change."""
    for more in range(MOST_MORE):
        lacking = playing.lacking()
        if not lacking:
            break
        playing.play(1000 + more, tuple(lacking)[:AT_ONCE], MORE_S)
    assert playing.lacking() == {}
    assert playing.rounds.stand.tally.counts["rows"] >= FEWEST_IN_ALL


def skip_if_left_out(names: Sequence[str], left_out: Sequence[str]) -> None:
    """What was played held, and yet it is no pass: some of it was not tried."""
    missing = [why for why in left_out if why.split()[0] in names]
    if missing:
        pytest.skip(f"the rest held; {'; '.join(missing)}")


def too_few(done: Mapping[str, int], names: Sequence[str]) -> list[str]:
    """What was broken less often than it must have been."""
    wanted = [{("rows",): FEWEST_ROWS}, *(COUNTED[name] for name in names)]
    return [
        f"{' + '.join(counted)}: {found} of {least}"
        for each in wanted
        for counted, least in each.items()
        if (found := sum(done.get(name, 0) for name in counted)) < least
    ]


def test_delays_are_no_cut_and_what_a_round_lacks_is_told() -> None:
    """Delays, calls that nothing befell and pauses that were taken back prove nothing."""
    done = {
        "rows": FEWEST_ROWS,
        "tcp.latency": 999,
        "dynamo.requests": 999,
        "pooler.pauses taken back": 9,
    }
    assert too_few(done, ("tcp", "dynamo", "pooler")) == [
        "tcp.reset + tcp.half_close + tcp.black_hole + tcp.cut: 0 of 60",
        "dynamo.throttle + dynamo.server_error + dynamo.unheard + dynamo.lost_reply: 0 of 20",
        "pooler.kills + pooler.restarts + pooler.pauses: 0 of 3",
    ]
    assert too_few({"rows": FEWEST_ROWS - 1}, ()) == ["rows: 4999 of 5000"]


def test_a_kind_that_cannot_be_played_is_told_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without PgBouncer and without git, rounds that have neither pass; the others are skipped, and say why."""
    monkeypatch.setattr(pgbouncer, "installed", lambda: None)
    monkeypatch.setattr(worker_breakers, "older_commit", lambda: None)
    monkeypatch.delenv("SLUICE_REQUIRE_PGBOUNCER", raising=False)
    said: list[str] = []
    there = kinds(said.append)
    played = {name for _, names in ROUNDS for name in names}
    assert played - set(there) == {"pooler", "two_versions"}
    skip_if_left_out(("kills", "crash"), said)
    for name, why in (("pooler", "PgBouncer is not"), ("two_versions", "no older commit")):
        with pytest.raises(pytest.skip.Exception, match=f"{name} is left out: {why}"):
            skip_if_left_out(("kills", name), said)


def test_what_the_rounds_lack_is_played_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few kinds at a time, until the column is reached; what cannot be reached is no pass."""
    tally = Counter({"rows": FEWEST_IN_ALL})
    world: Any = SimpleNamespace(
        kinds=COLUMN, stand=SimpleNamespace(tally=SimpleNamespace(counts=tally))
    )
    asked: list[Sequence[str]] = []

    def broken(_: Playing, _number: int, names: Sequence[str], _seconds: float) -> None:
        asked.append(names)
        for name in names:
            tally[COLUMN[name][0][0]] += COLUMN[name][1]

    monkeypatch.setattr(Playing, "play", broken)
    playing: Any = Playing(world, world, ())
    reach_the_column(playing)
    assert {len(names) for names in asked} <= {1, AT_ONCE}
    assert sorted(name for names in asked for name in names) == sorted(COLUMN)
    tally.subtract({"kills": 1})
    monkeypatch.setattr(Playing, "play", lambda *_: None)
    with pytest.raises(AssertionError, match="kills: 299 of 300"):
        reach_the_column(playing)


def test_the_column_has_a_demand_of_each_kind_that_the_matrix_counts() -> None:
    """What it does not count must come once."""
    uncounted = {"commit_cut", "vendor", "poison", "two_versions"}
    assert set(COLUMN) | uncounted | {"restore_postgres", "restore_dynamo"} == set(COUNTED)


def test_each_kind_of_fault_is_played_and_counted() -> None:
    """Save floods, which are measured, and pushes, which these vendors do not send."""
    played = {name for _, names in ROUNDS for name in names}
    assert played == set(COUNTED)
    assert {make().name for make in (*OURS, *BREAKERS)} - played == {"flood", "pushes"}
