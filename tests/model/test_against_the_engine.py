"""The model and the real ``run_slice`` side by side: the same calls, the same deaths, the same state.

One worker at a time. Deaths before and after every call, leases that lapse or do not, messages that come
again, acquires sent twice, and either a failover that loses commits or a restore of the state table, between
two invocations or within one. (Not both: the engine then tells apart two histories of equal length, by when
they began, which to the model are one.) The model names tokens by their order alone, so after a restore it may
be in one of several states: the engine's must be among them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from sluice.core.desk.admitting import DeskRules
from sluice.core.keys import StreamKey
from sluice.core.slices import Lease, LeaseHeld, Outcome, Resting
from sluice.usecases.kit import Kit
from tests.memory.database import MemoryDatabase
from tests.memory.leases import MemoryLeases, StateItem
from tests.memory.streams import Vendor
from tests.model.explore import LAPSE, MISFORTUNE, STEP, Move
from tests.model.protocol import Protocol
from tests.model.states import IDLE, Config, State
from tests.unit.usecases.world import KEY, Killed, Recorder, Tape, World, asking, catalogue

FOUR_SLICES = Config(
    workers=1, facts=4, one_slice_size=True, cleanup=False, failovers=1, restores=1
)
ROWS = 80  # three slices of pages and one that reconciles


Loss = Callable[[], str | None]
"""Brings a store one step nearer to falling back, and says which move of the model that is."""


@dataclass(frozen=True)
class Fate:
    """Of one invocation. ``kill_at`` counts moments, before and after each call; ``lose_after`` calls."""

    kill_at: int | None
    lose_after: int | None
    sent_twice: bool
    comes_again: bool


@dataclass
class Journey(Tape):
    """The calls that are moves of the model. Between two of them a store may fall back."""

    lose_after: int | None = None
    lose: Loss = lambda: None
    lost: str | None = None

    @contextmanager
    def around(self, call: str) -> Iterator[None]:
        if len(self.calls) == self.lose_after and self.lost is None:
            self.lost = self.lose() or ""
        released = self.calls[-1:] == ["leases.release"]
        with super().around(call):
            # Only asks what a listing lacked; or sends a message anew: to the model one with the release.
            if call == "commits.missing" or (released and call == "messages.ask_for_slice"):
                self.calls.pop()
            yield


class SentTwice:
    """Leases of which the answer to the first acquire is lost."""

    def __init__(self, leases: MemoryLeases) -> None:
        self._leases = leases

    def __getattr__(self, method: str) -> Any:
        return getattr(self._leases, method)

    def acquire(self, *args: Any, **more: Any) -> Lease | LeaseHeld | Resting:
        self._leases.acquire(*args, **more)
        return self._leases.acquire(*args, **more)


@dataclass
class Pair:
    """One stream in both. ``queue`` is the engine's: expect_seq of each message, 0 for none."""

    world: World = field(
        default_factory=lambda: World(
            vendor=Vendor(catalogue(ROWS)),
            rules=DeskRules(
                most_running=99
            ),  # the model knows no desk, whose places the dead keep for a while
        )
    )
    protocol: Protocol = field(default_factory=lambda: Protocol(FOUR_SLICES))
    queue: set[int] = field(default_factory=lambda: {0})
    outcomes: set[Outcome] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    replica: MemoryDatabase | None = None
    backup: dict[StreamKey, StateItem] | None = None
    failovers: int = 0
    restores: int = 0
    claims_lost: int = 0

    def __post_init__(self) -> None:
        self.states: set[State] = {self.protocol.initial()}

    # --- what befalls both -------------------------------------------------------------------------------

    def tick(self) -> None:
        self.queue.add(0)
        self.befalls("a schedule tick")

    def lose_commits(self) -> str | None:
        """First the replica stops following; the next time it takes over. Only once."""
        database = self.world.commits.database
        if self.replica is None:
            self.replica = database.backup()
            return "the replica falls behind from here"
        if self.failovers:
            return None
        database.restore(self.replica)
        self.failovers = 1
        return "Postgres fails over and loses commits"

    def lose_leases(self) -> str | None:
        """First the table is backed up; the next time it is restored. Only once."""
        items = self.world.leases.items
        if self.backup is None:
            self.backup = copy.deepcopy(items)
            return "DynamoDB is backed up"
        if self.restores:
            return None
        items.clear()
        items.update(self.backup)
        self.restores = 1
        return "DynamoDB is restored from its backup"

    def befalls(self, label: str | None) -> None:
        if label:
            self.states = {m.state for s in self.states for m in self._moves(s) if m.label == label}

    # --- an invocation -----------------------------------------------------------------------------------

    def invoke(self, expects: int, fate: Fate, lose: Loss) -> None:
        """One invocation of the engine's worker, then as many moves of the model's."""
        item = self.world.leases.items.get(KEY, StateItem())
        busy = item.until is not None and item.until > self.world.clock()
        journey = Journey(fate.kill_at, lose_after=fate.lose_after, lose=lose)
        died = self._run(expects, self._kit(journey, fate))
        acknowledged = not died and not fate.comes_again
        if acknowledged:
            self.queue.discard(expects)
        self.queue |= {sent.expect_seq or 0 for sent in self.world.messages.take_all()}
        self.calls.update(journey.calls)
        if journey.calls and busy:
            self._find_the_lease_held(expects, acknowledged)
            self.befalls(journey.lost)
        elif journey.calls:
            self._follow(journey, expects, fate, acknowledged)
            self._end(died)

    def _run(self, expects: int, kit: Kit) -> bool:
        """Did it die?"""
        message = asking("continuation", expect_seq=expects) if expects else asking()
        try:
            report = self.world.run(message, kit)
        except Killed:
            return True
        self.outcomes.add(report.outcome)
        self.claims_lost += (report.detail or "").startswith("ClaimLost")
        return False

    def _kit(self, journey: Journey, fate: Fate) -> Kit:
        kit, twice = journey.before(self.world), SentTwice(self.world.leases)
        return replace(kit, leases=Recorder(twice, "leases", journey)) if fate.sent_twice else kit

    def _follow(self, journey: Journey, expects: int, fate: Fate, acknowledged: bool) -> None:
        for done in range(1, len(journey.calls) + 1):
            if done == 1:
                self._acquire(expects, fate.sent_twice)
            else:
                after = [self._called(state, acknowledged) for state in self.states]
                self.states = set().union(*after)
            if done == journey.lose_after:
                self.befalls(journey.lost)

    def _find_the_lease_held(self, expects: int, acknowledged: bool) -> None:
        """The message leaves; or it waits or comes again, and nothing changes."""
        leaves = [m for m in self._receipts(expects) if "leaves" in m.label]
        if leaves and acknowledged:
            self.states = {move.state for move in leaves}

    def _acquire(self, expects: int, sent_twice: bool) -> None:
        """Not held or lapsed: the model takes it either way."""
        takes = [m for m in self._receipts(expects) if "takes" in m.label]
        takes = [m for m in takes if ("sent twice" in m.label) == sent_twice]
        assert {move.kind for move in takes} <= ({MISFORTUNE} if sent_twice else {STEP, LAPSE})
        self.states = {move.state for move in takes}

    def _receipts(self, expects: int) -> list[Move]:
        name = f"continuation {expects} " if expects else "a message "
        return [m for s in self.states for m in self._moves(s) if m.label.startswith(name)]

    def _called(self, state: State, acknowledged: bool) -> Iterable[State]:
        """After one call. Of a release there are two: its message goes, or stays to come again."""
        moves = [m for m in self._moves(state) if m.label.startswith("token")]
        well = [m for m in moves if m.kind == STEP]
        stays = [m for m in moves if "its message stays" in m.label]
        return [m.state for m in (stays if stays and not acknowledged else well)]

    def _end(self, died: bool) -> None:
        """Who ended well has nothing left to do; who died is gone from whatever it was at."""
        idle = {s for s in self.states if s[2][0][0] == IDLE}
        busy = self.states - idle if died else set()
        dead = {m.state for s in busy for m in self._moves(s) if "dies before" in m.label}
        self.states = idle | dead

    def _moves(self, state: State) -> list[Move]:
        return list(self.protocol.moves(state))

    # --- side by side ------------------------------------------------------------------------------------

    def agree(self, why: str) -> None:
        seen, possible = self.engine(), [(state, self.model(state)) for state in self.states]
        self.states = {state for state, model in possible if model == seen}
        assert self.states, f"{why}: the engine is at {seen}, the model {[m for _, m in possible]}"

    def engine(self) -> dict[str, object]:
        item = self.world.leases.items.get(KEY, StateItem())
        database = self.world.commits.database
        at = database.streams.get(KEY)
        fence, seq = (at.fencing_token, at.seq) if at else (0, 0)
        held = item.owner is not None
        return {
            "held": held,
            "base_seq": item.base_seq if held else 0,
            "watermark": item.seq,
            "continued": item.continued_seq,
            "seq": seq,
            "run open": database.open_run_of(KEY) is not None,
            "fence above the token": _sign(fence - item.fencing_token),
            "queue": self.queue,
        }

    def model(self, state: State) -> dict[str, object]:
        item, postgres, _, queue = state[:4]
        return {
            "held": bool(item[1]),
            "base_seq": item[2],
            "watermark": item[3],
            "continued": item[5],
            "seq": postgres[1],
            "run open": bool(postgres[3]),
            "fence above the token": _sign(postgres[0] - item[0]),
            "queue": {k for k in range(queue.bit_length()) if queue >> k & 1},
        }


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _fate(random: Random) -> Fate:
    return Fate(
        kill_at=random.choice([None, random.randint(1, 16)]),
        lose_after=random.choice([None, None, random.randint(1, 6)]),
        sent_twice=random.random() < 0.2,
        comes_again=random.random() < 0.3,
    )


def _walk(seed: int) -> Pair:
    random, pair = Random(seed), Pair()  # noqa: S311  # repeatable
    lose = pair.lose_leases if seed % 3 == 0 else pair.lose_commits
    for _ in range(20):
        if not pair.queue:
            pair.tick()
        if random.random() < 0.05:
            pair.befalls(lose())
        if random.random() < 0.6:
            pair.world.clock.advance(minutes=6)  # whoever held the lease has lost it
        message, fate = random.choice(sorted(pair.queue)), _fate(random)
        pair.invoke(message, fate, lose)
        pair.agree(f"seed {seed}, {fate}")
    return pair


@pytest.mark.parametrize("block", range(4))
def test_the_engine_does_what_the_model_does(block: int) -> None:
    """60 walks of 20 invocations, half of them killed before or after some call."""
    pairs = [_walk(seed) for seed in range(60 * block, 60 * block + 60)]
    assert sum(pair.failovers for pair in pairs) >= 15
    assert sum(pair.restores for pair in pairs) >= 8
    assert sum(pair.claims_lost for pair in pairs) >= 3
    assert "leases.raise_token" in set().union(*(pair.calls for pair in pairs))
    assert set().union(*(pair.outcomes for pair in pairs)) >= {
        Outcome.COMMITTED,
        Outcome.DUPLICATE,
        Outcome.LEASE_HELD,
        Outcome.DEFERRED,
        Outcome.CAUGHT_UP,
    }
