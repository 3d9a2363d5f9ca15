"""One seed, one universe: workers, cleanup, a queue, both stores and a vendor, and all that befalls them.

The engine is the real one (use cases and core as they are); its ports are the in-memory ones that pass
the same contract suites as the real adapters. Drawn from the seed: who runs next, who dies, which
message comes twice or late, whose clock is wrong, which call is throttled or loses its answer, when a
store falls back to an older state, and what the vendor changes, breaks or withholds.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sluice.core.errors import (
    DatabaseUnavailable,
    QueueUnavailable,
    StateUnavailable,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.keys import StreamKey
from sluice.messages import SliceMessage
from sluice.usecases.clean_up import clean_up
from sluice.usecases.run_slice import Kit, run_slice
from tests.memory.commits import MemoryCommits
from tests.memory.leases import MemoryLeases
from tests.memory.messages import MemoryMessages
from tests.memory.streams import Listing, MemoryStreams, Vendor
from tests.oracle import chain_faults
from tests.simulation.actors import Actor

KEY = StreamKey("acme", "shop", "things")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INVOCATION = timedelta(seconds=60)
UNAVAILABLE = {
    "leases": StateUnavailable,
    "commits": DatabaseUnavailable,
    "messages": QueueUnavailable,
}
MOST_WORKERS = 3
STEPS = 250
MOST_STEPS_TO_REST = 5000


class Violation(AssertionError):
    """What must hold does not; one line, with the seed."""


@dataclass
class Guards:
    """Which guards stand. Tests take one away to see that the simulation misses it."""

    commits: type[MemoryCommits] = MemoryCommits
    leases: type[MemoryLeases] = MemoryLeases
    stream: type[Listing] = Listing


@dataclass(eq=False)
class Waiting:
    """A message in the queue, out of sight until ``visible_at``."""

    message: SliceMessage
    visible_at: datetime
    receives: int = 0


class Port:
    """Stands before a port: a turn may end before and after each call, and the call may fail."""

    def __init__(self, port: Any, name: str, universe: Universe, pause: Callable[[], None]) -> None:
        self._port, self._name, self._universe, self._pause = port, name, universe, pause

    def __getattr__(self, method: str) -> Any:
        target = getattr(self._port, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._pause()
            fate = self._universe.fate_of(self._name)
            if fate == "throttled":
                raise UNAVAILABLE[self._name](f"{self._name}.{method}: throttled")
            self._universe.note(f"{self._name}.{method}")
            answer = target(*args, **kwargs)
            self._pause()
            if fate == "answer lost" and method != "commit":
                raise UNAVAILABLE[self._name](f"{self._name}.{method}: the answer was lost")
            return answer

        return call


@dataclass
class Universe:
    """A seed and everything in it."""

    seed: int
    guards: Guards = field(default_factory=Guards)
    trace: list[str] = field(default_factory=list)
    calm: bool = False

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  # repeatable
        self.now = START
        self.vendor = Vendor({f"t{n:03}": 1 for n in range(self.random.randint(15, 60))})
        self.change = 1
        self.leases = self.guards.leases()
        self.commits = self.guards.commits(lambda: self.now)
        self.queue: list[Waiting] = []
        self.workers: list[Actor] = []
        self.taken: dict[str, Waiting] = {}
        self.born = 0
        self.backups: list[tuple[Any, Any]] = []
        self.seen: dict[str, int] = {}
        self.turbulence = self.random.choice([0.0, 0.01, 0.03])
        self.send(SliceMessage.asking_for(KEY, reason="schedule"), timedelta(0))

    # --- the course of things -------------------------------------------------------------------------

    def run(self) -> None:
        """Turbulence first, then calm, in which everything must come right. Raises Violation."""
        for _ in range(STEPS):
            self._something_happens()
            self._look()
        self.calm, self.vendor.lose_after = True, None
        self._come_to_rest()
        self.note("a last full read")
        self.now += timedelta(hours=1)
        self.send(SliceMessage.asking_for(KEY, reason="manual", full_since=self.now), timedelta(0))
        self._come_to_rest()
        self._judge()

    def close(self) -> None:
        """End whoever is still at work."""
        for actor in self.workers:
            actor.kill()

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:%H:%M:%S} {text}")

    def _something_happens(self) -> None:
        happening = self.random.choices(
            [self._step, self._receive, self._pass_time, self._vendor_changes, self._kill,
             self._duplicate, self._clean_up, self._tick, self._fall_back],
            [60, 12, 6, 4, 4, 3, 2, 2, 1],
        )[0]  # fmt: skip
        happening()

    def _come_to_rest(self) -> None:
        """No new misfortune: deliver, step, let leases lapse and clean up, until nothing is left."""
        for _ in range(MOST_STEPS_TO_REST):
            if self.workers:
                self._step()
                continue
            self._look()
            if self.queue:
                self.now = max(self.now, min(w.visible_at for w in self.queue))
                self._receive()
            elif self._is_at_rest():
                return
            else:
                self.now += timedelta(minutes=21)
                self._clean_up()
        raise Violation(f"seed {self.seed}: it never comes to rest")

    def _is_at_rest(self) -> bool:
        item = self.leases.items.get(KEY)
        open_runs = [run for run in self.commits.database.runs if run.ended_at is None]
        return not open_runs and (item is None or item.owner is None)

    # --- what may happen --------------------------------------------------------------------------------

    def _step(self) -> None:
        if not self.workers:
            return
        actor = self.random.choice(self.workers)
        if not actor.step():
            self._ended(actor)

    def _ended(self, actor: Actor) -> None:
        self.workers.remove(actor)
        waiting = self.taken.pop(actor.name)
        if actor.error is None and not actor.doomed:
            self.queue = [other for other in self.queue if other is not waiting]
        elif isinstance(actor.error, Violation | AssertionError):
            raise actor.error
        self.note(f"{actor.name} ends{' with ' + repr(actor.error) if actor.error else ''}")

    def _receive(self) -> None:
        in_sight = [w for w in self.queue if w.visible_at <= self.now]
        if not in_sight or len(self.workers) >= MOST_WORKERS:
            return
        waiting = self.random.choice(in_sight)
        waiting.visible_at = self.now + timedelta(minutes=6)
        waiting.receives += 1
        if waiting.receives > 5:
            self.queue.remove(waiting)  # a dead letter; cleanup or a tick takes up its work
            self.note(f"dead letter: {waiting.message.reason}")
            return
        self.born += 1
        self._start(f"w{self.born}", waiting)

    def _start(self, name: str, waiting: Waiting) -> None:
        skew = (
            timedelta(0)
            if self.calm
            else timedelta(seconds=self.random.choice([0, 0, 3, -600, 600]))
        )
        actor: Actor

        def pause() -> None:
            actor.pause()

        def work() -> object:
            def clock() -> datetime:
                return self.now + skew

            return run_slice(waiting.message, clock() + INVOCATION, self._kit(clock, pause))

        actor = Actor(name, work)
        self.taken[name] = waiting
        self.workers.append(actor)
        self.note(f"{name} begins: {waiting.message.reason} expect={waiting.message.expect_seq}")

    def _kit(self, clock: Callable[[], datetime], pause: Callable[[], None]) -> Kit:
        stream = self.guards.stream(self.vendor, slice_rows=20)
        self.vendor.page_takes = lambda: self._page(pause)
        return Kit(
            leases=Port(self.leases, "leases", self, pause),
            commits=Port(self.commits, "commits", self, pause),
            messages=Port(Queue(self), "messages", self, pause),
            streams=MemoryStreams({KEY: stream}),
            clock=clock,
            new_id=self._new_id,
            chance=self.random.random,
        )

    def _new_id(self) -> str:
        self.born += 1
        return str(uuid.UUID(int=self.born))

    def _page(self, pause: Callable[[], None]) -> None:
        """A page is asked for: somebody else may run meanwhile, and the vendor may fail."""
        if not self.calm:
            trouble = self.random.random()
            if trouble < 0.03:
                raise VendorUnavailable("503")
            if trouble < 0.05:
                raise VendorThrottled(
                    "429", retry_after=timedelta(seconds=self.random.randint(1, 300))
                )

    def _kill(self) -> None:
        if self.workers:
            actor = self.random.choice(self.workers)
            self.note(f"{actor.name} is killed")
            actor.kill()
            self._ended(actor)

    def _pass_time(self) -> None:
        self.now += timedelta(seconds=self.random.choice([1, 5, 40, 100, 400, 1300]))

    def _vendor_changes(self) -> None:
        """Contents only grow, so that an older one is told from a newer."""
        things = self.vendor.things
        self.change += 1
        for _ in range(self.random.randint(1, 4)):
            things[f"t{self.random.randint(0, 70):03}"] = self.change
        if things and self.random.random() < 0.4:
            things.pop(self.random.choice(sorted(things)))
        lost = self.random.random() < 0.4 and not self.calm
        # So few rows that the brake lets them go: it is not what saves them.
        kept = sorted(things)[: -self.random.randint(1, 12)]
        self.vendor.lose_after = kept[-1] if lost and kept else None

    def _duplicate(self) -> None:
        if self.queue:
            waiting = self.random.choice(self.queue)
            late = self.now + timedelta(seconds=self.random.choice([0, 30, 900]))
            self.queue.append(Waiting(waiting.message, late))
            self.note(
                f"a duplicate of {waiting.message.reason} expect={waiting.message.expect_seq}"
            )

    def _tick(self) -> None:
        full = self.now if self.random.random() < 0.3 else None
        self.send(
            SliceMessage.asking_for(KEY, reason="manual" if full else "schedule", full_since=full),
            timedelta(0),
        )

    def _clean_up(self) -> None:
        done = clean_up(self.leases, self.commits, Queue(self), lambda: self.now)
        self.note(f"cleanup: {done}")

    def _fall_back(self) -> None:
        """Either a backup is taken, or one store comes back from one: a failover or a restore."""
        if not self.backups or self.random.random() < 0.5:
            self.backups.append((self.commits.database.backup(), copy.deepcopy(self.leases.items)))
            return
        database, items = self.backups[-1]
        if self.random.random() < 0.5:
            self.note("Postgres fails over and loses commits")
            self.commits.database.restore(database)
            self.seen.clear()
        else:
            self.note("DynamoDB is restored from a backup")
            self.leases.items = copy.deepcopy(items)

    def send(self, message: SliceMessage, delay: timedelta) -> None:
        self.queue.append(Waiting(message, self.now + delay))

    def fate_of(self, port: str) -> str:
        if self.calm or self.random.random() >= self.turbulence:
            return "well"
        return self.random.choice(["throttled", "answer lost"])

    # --- the oracle -------------------------------------------------------------------------------------

    def _look(self) -> None:
        """What must hold at every moment: the chain, and that no row ever goes back (I4, I5)."""
        database = self.commits.database
        if KEY in database.streams:
            for fault in chain_faults(*database.chain(KEY)):
                raise Violation(f"seed {self.seed}: {fault}")
        for record_id, row in database.rows("things", KEY.client_id).items():
            size = row.values[0]
            if size < self.seen.get(record_id, 0):
                raise Violation(
                    f"seed {self.seed}: {record_id} went back from {self.seen[record_id]} to {size}"
                )
            self.seen[record_id] = size
            if row.deleted_at is not None and self.vendor.things.get(record_id) == size:
                # It would have another content, had it been gone and come back meanwhile.
                raise Violation(
                    f"seed {self.seed}: {record_id} was deleted and is alive at the vendor"
                )

    def _judge(self) -> None:
        rows = self.commits.database.rows("things", KEY.client_id)
        stored = {i: row.values[0] for i, row in rows.items() if row.deleted_at is None}
        surplus = set(stored) - set(self.vendor.things)
        if self.vendor.things.items() - stored.items():
            raise Violation(f"seed {self.seed}: rows of the vendor are missing or old at the end")
        run = self.commits.database.runs[-1]
        if surplus and not any("brake" in (s.note or "") for s in self.commits.database.log[KEY]):
            raise Violation(
                f"seed {self.seed}: {sorted(surplus)} are gone at the vendor; {run.outcome}"
            )


@dataclass
class Queue:
    """The queue as the engine sends to it."""

    universe: Universe

    def ask_for_slice(
        self, key: StreamKey, *, delay: timedelta = timedelta(0), **more: Any
    ) -> None:
        memory = MemoryMessages()
        memory.ask_for_slice(key, delay=delay, **more)
        (sent,) = memory.sent
        self.universe.send(sent.message, sent.delay)

    def ask_for_slices(self, keys: Any, *, reason: str) -> None:
        for key in keys:
            self.ask_for_slice(key, reason=reason)


def violation_of(seed: int, guards: Guards | None = None) -> Violation | None:
    """Run a seed; what broke, if something did."""
    universe = Universe(seed, guards or Guards())
    try:
        universe.run()
    except Violation as violation:
        return violation
    finally:
        universe.close()
    return None
