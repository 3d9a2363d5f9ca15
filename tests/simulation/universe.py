"""One seed, one universe: workers, cleanup, a queue, both stores and two vendors, and all that befalls them.

The engine is the real one (use cases and core as they are); its ports are in memory and pass the same contract
suites as the real adapters, the universe's own queue among them. Drawn from the seed: who runs next, who dies at which
fault point, which message comes twice or late, whose clock is wrong, which call is throttled or loses
its answer, when a store falls back to an older state, and what the vendors change, push, break or withhold.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sluice.core.fault_points import FaultPoint, listening
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.records import PushEvent
from sluice.core.slices import Delivery
from sluice.core.steering.ports import BookSwitches
from sluice.core.steering.switches import SwitchBoard
from sluice.dynamo.registry import RegistryEntry
from sluice.usecases.admission import ClientDesks
from sluice.usecases.apply_event import apply_event
from sluice.usecases.clean_up import ABANDONED, clean_up
from sluice.usecases.plan import PlanKit, plan
from sluice.usecases.run_slice import Kit, run_slice
from tests.memory.book import MemoryBook
from tests.memory.events import Events
from tests.memory.following import TRACKED_THINGS, Charges, Marks, programs
from tests.memory.pushes import MemoryPushes
from tests.memory.registry import MemoryRegistry
from tests.memory.standings import MemoryStandings
from tests.memory.streams import Listing
from tests.simulation.actors import Actor
from tests.simulation.backups import Backups
from tests.simulation.deaths import Deaths
from tests.simulation.followers import CHARGES_KEY, MARKS_KEY, FollowersOracle, FollowersSide
from tests.simulation.guards import Guards
from tests.simulation.oracle import Oracle
from tests.simulation.ports import AuditedLeases, CommitPort, Port
from tests.simulation.queue import SliceQueue, Waiting
from tests.simulation.vendors import EVENTS_KEY, THINGS_KEY, EventsSide, ThingsSide
from tests.simulation.violations import NeverAtRest, check_end, is_at_rest

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INVOCATION = timedelta(seconds=60)
TICK = timedelta(seconds=50)
MOST_WORKERS = 4
STEPS = 350
MOST_STEPS_TO_REST = 30_000
"""Many: slices take no time here, and while a dead worker's place at the desk lasts, its heir asks again and again."""
CADENCE = timedelta(minutes=10)
KEYS = (THINGS_KEY, EVENTS_KEY, MARKS_KEY, CHARGES_KEY)


@dataclass
class Universe:
    """A seed and everything in it."""

    seed: int
    guards: Guards = field(default_factory=Guards)
    calm: bool = False
    mortal: bool = True

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  # repeatable
        self.now = START
        self._noted: list[tuple[datetime, str]] = []
        versioned, forgetful = self.random.random() < 0.5, self.random.random() < 0.2
        forgetful = forgetful or self.guards.always_forgetful
        self.things = ThingsSide(self.random, versioned, forgetful)
        self.events = EventsSide(self.random, START, lambda: self.calm)
        self.followers = FollowersSide(START, lambda: self.now, self._vendor_answers)
        self.things.vendor.said_gone = self._sometimes_comes_back
        self.leases = self.guards.leases()
        self.commits = self.guards.commits(lambda: self.now)
        self.commits.programs = programs()
        self.registry = MemoryRegistry()
        self.book = MemoryBook()
        self.registry.apply([RegistryEntry(key, CADENCE, {}, "") for key in KEYS], self.now)
        followers = FollowersOracle(self.commits, self.followers)
        self.oracle = Oracle(self.commits, self.leases, self.things, self.events, followers)
        self.queue = SliceQueue(self.random, lambda: self.now)
        self.actors: list[Actor] = []
        self.running: Actor | None = None
        self.taken: dict[str, Waiting] = {}
        self.deaths = Deaths(self.random)
        self.asleep: dict[str, datetime] = {}
        self.born = 0
        self.backups = Backups(self.commits, self.leases)
        self.counts: Counter[str] = Counter()
        self.stores_fall = self.random.random() < 0.6
        self.turbulence = self.random.choice([0.0, 0.01, 0.03])
        self.queue.ask_for_slices(KEYS, reason="schedule")

    # --- the course of things -------------------------------------------------------------------------

    def run(self) -> None:
        """Turbulence; then only vendors misbehave and processes die; then calm, in which everything must
        come right. Raises Violation."""
        with listening(self._reached):
            for _ in range(STEPS):
                self._something_happens()
                self.oracle.look()
            self.calm = True
            self.asleep.clear()
            self.note("stores, queues and clocks are well")
            self._read_all_anew(lively=True)
            self.mortal = False
            self.things.heal()
            for turn in range(2):
                self.note("a last full read" if turn else "an hour passes")
                self.now += timedelta(hours=1)
                asked_at = self.now
                self._read_all_anew()
            self.oracle.judge(asked_at)

    def close(self) -> None:
        """End whoever is still at work."""
        for actor in self.actors:
            actor.kill()

    def note(self, text: str) -> None:
        self._noted.append((self.now, text))

    @property
    def trace(self) -> list[str]:
        """What happened, line by line."""
        return [f"{at:%H:%M:%S} {text}" for at, text in self._noted]

    def _something_happens(self) -> None:
        happening = self.random.choices(
            [self._step, self._receive, self._pass_time, self.things.changes, self.things.breaks,
             self._kill, self._fall_asleep, self._duplicate, self._clean_up, self._tick,
             self._push, self._fall_back],
            [100, 12, 6, 4, 3, 2, 1, 2, 1, 1, 3, self.guards.falls],
        )[0]  # fmt: skip
        happening()

    def _read_all_anew(self, *, lively: bool = False) -> None:
        for key in KEYS:
            self._ask_for_full_read(key)
        self._come_to_rest(lively=lively)

    def _come_to_rest(self, *, lively: bool = False) -> None:
        """No new misfortune: deliver, step, let leases lapse and clean up, until nothing is left.
        ``lively`` vendors go on changing, pushing and withholding meanwhile. What takes so long that cleanup gives runs
        up is no rest."""
        patience = self.now + ABANDONED
        for _ in range(MOST_STEPS_TO_REST):
            if self.now > patience:
                break
            if lively and self.random.random() < 0.1:
                self.random.choice(
                    [self.things.changes, self.things.breaks, self._push, self._push]
                )()
            if self.actors:
                self._step()
                continue
            self.oracle.look()
            next_at = self.queue.next_given_out_at()
            if next_at is not None:
                self.now = max(self.now, next_at)
                self._receive()
            elif is_at_rest(self.commits, self.leases):
                return
            else:
                self.now += timedelta(minutes=21)
                self._clean_up()
        raise NeverAtRest("L: it never comes to rest")

    # --- actors -----------------------------------------------------------------------------------------

    def _start(self, what: str, work: Callable[[Callable[[], None]], object]) -> str:
        """A new actor; some are due to die at a fault point. Returns its name."""
        self.born += 1
        actor: Actor
        actor = Actor(f"{what}{self.born}", lambda: work(lambda: actor.pause()))
        if self.mortal:
            self.deaths.draw(actor.name, what)
        self.actors.append(actor)
        return actor.name

    def _step(self) -> None:
        awake = [a for a in self.actors if self.asleep.get(a.name, self.now) <= self.now]
        if not awake:
            self.asleep.clear() if self.calm else None
            return
        self.running = self.random.choice(awake)
        if not self.running.step():
            self._ended(self.running)

    def _reached(self, point: FaultPoint) -> None:
        """The running actor is at a fault point, where its turn may end, or where it is due to die."""
        actor = self.running
        if actor is None:
            return
        if self.random.random() < 0.2:
            actor.pause()
        if self.deaths.strikes(actor.name, point):
            self.note(f"{actor.name} dies at {point}")
            self.counts[point] += 1
            actor.die()

    def _ended(self, actor: Actor) -> None:
        self.actors.remove(actor)
        check_end(actor.name, actor.error)
        self.oracle.in_flight.discard(actor.name)
        waiting = self.taken.pop(actor.name, None)
        if waiting and actor.error is None and not actor.doomed:
            self.queue.acknowledge(waiting)
        self.note(f"{actor.name} ends{' with ' + repr(actor.error) if actor.error else ''}")

    def _kill(self) -> None:
        if self.actors:
            actor = self.random.choice(self.actors)
            self.note(f"{actor.name} is killed")
            self.counts["kills"] += 1
            self.running = None
            actor.kill()
            self._ended(actor)

    def _fall_asleep(self) -> None:
        """A stopped process: it wakes up when others have gone on, and does not know it slept."""
        if self.actors:
            actor = self.random.choice(self.actors)
            self.asleep[actor.name] = self.now + timedelta(
                seconds=self.random.choice([60, 300, 900])
            )
            self.counts["zombies"] += 1
            self.note(f"{actor.name} sleeps")

    # --- what may happen --------------------------------------------------------------------------------

    def _receive(self) -> None:
        waiting = self.queue.receive() if len(self.taken) < MOST_WORKERS else None
        if waiting is None:
            return
        if waiting.is_dead:
            self.counts["dead letters"] += 1
            self.note(f"dead letter: {waiting.message.key.stream} {waiting.message.reason}")
            return
        skew = timedelta(0)
        if not self.calm:
            skew = timedelta(seconds=self.random.choice([0, 0, 3, -600, 600]))
        name = self._start("slice", lambda pause: self._work_on(waiting, skew, pause))
        self.taken[name] = waiting
        message = waiting.message
        self.note(
            f"{name} begins: {message.key.stream} {message.reason} expect={message.expect_seq}"
        )

    def _work_on(self, waiting: Waiting, skew: timedelta, pause: Callable[[], None]) -> object:
        def clock() -> datetime:
            return self.now + skew

        self.counts["slices"] += 1
        delivery = Delivery(waiting.message_id, f"receipt of {self.born}")
        return run_slice(waiting.message, clock() + INVOCATION, self._kit(clock, pause), delivery)

    def _kit(self, clock: Callable[[], datetime], pause: Callable[[], None]) -> Kit:
        who, port = self._name_of_running(), self._ports(pause)
        book = port(self.book, "book")
        self.things.vendor.page_takes = self._vendor_answers
        return Kit(
            leases=port(AuditedLeases(self.leases), "leases"),
            commits=CommitPort(self.commits, "commits", self, pause, who, self.oracle.was_stored),
            messages=port(self.queue, "messages"),
            deliveries=port(self.queue, "deliveries"),
            desks=ClientDesks(book, clock),
            switches=BookSwitches(book, clock),
            streams=self,
            clock=clock,
            new_id=self._new_id,
            chance=self.random.random,
        )

    def _vendor_answers(self) -> None:
        """Or it does not."""
        if not self.calm:
            self.things.answers()

    def _name_of_running(self) -> str:
        return self.running.name if self.running else "nobody"

    def _ports(self, pause: Callable[[], None]) -> Callable[[object, str], Any]:
        """Puts one before each port of the running actor."""
        who = self._name_of_running()
        return lambda port, name: Port(port, name, self, pause, who)

    def open(self, key: StreamKey) -> Listing | Events | Marks | Charges:
        """The port ``Streams``."""
        if key == THINGS_KEY:
            return self.guards.listing(self.things.vendor, slice_rows=20, table=TRACKED_THINGS)
        if key in (MARKS_KEY, CHARGES_KEY):
            return self.followers.open(key)
        return self.guards.events(
            self.events.vendor, lambda: self.now, self.guards.rules, cut=self.events.cut
        )

    def _new_id(self) -> str:
        self.born += 1
        return str(uuid.UUID(int=self.born))

    def _pass_time(self) -> None:
        self.now += timedelta(seconds=self.random.choice([1, 5, 40, 100, 400, 1300]))

    def _push(self) -> None:
        event = self.things.next_push()
        if event is not None:
            self._deliver(event)

    def _sometimes_comes_back(self, record_id: str) -> None:
        """What was just called gone is made anew, and the push is faster than who asked."""
        if self.running and self.things.versioned and self.random.random() < 0.2:
            self._deliver(self.things.comes_back(record_id))
            self.asleep[self.running.name] = self.now + timedelta(seconds=1)
            self.running.pause()

    def _deliver(self, event: PushEvent) -> None:
        def apply(pause: Callable[[], None]) -> object:
            pushes = self._ports(pause)(MemoryPushes(self.commits), "pushes")
            return apply_event(event, self.open(THINGS_KEY), pushes)

        self.counts["pushes"] += 1
        name = self._start("event", apply)
        self.note(f"{name} begins: push of {event.record.id} {event.record.version}")

    def _duplicate(self) -> None:
        message = self.queue.duplicate()
        if message is not None:
            self.counts["duplicates"] += 1
            self.note(f"a duplicate of {message.reason} expect={message.expect_seq}")

    def _tick(self) -> None:
        """The dispatcher looks for what is due; or a person asks for a full read."""
        if self.random.random() < 0.2:
            self._ask_for_full_read(self.random.choice(KEYS))
            return

        def work(pause: Callable[[], None]) -> object:
            port = self._ports(pause)
            kit = PlanKit(
                schedule=port(self.registry, "registry"),
                standings=port(MemoryStandings(self.leases), "leases"),
                messages=port(self.queue, "messages"),
                book=port(self.book, "book"),
                board=SwitchBoard(),
                clock=lambda: self.now,
                new_id=self._new_id,
            )
            return plan(kit, self.now + TICK)

        self.note(f"{self._start('plan', work)} begins")

    def _ask_for_full_read(self, key: StreamKey) -> None:
        self.queue.ask_for_slice(
            key, reason="manual", full_since=self.now, priority=Priority.BACKFILL
        )

    def _clean_up(self) -> None:
        def work(pause: Callable[[], None]) -> object:
            port = self._ports(pause)
            leases = port(AuditedLeases(self.leases), "leases")
            commits, messages = port(self.commits, "commits"), port(self.queue, "messages")
            return clean_up(leases, commits, messages, lambda: self.now)

        self.note(f"{self._start('cleanup', work)} begins")

    def _fall_back(self) -> None:
        """Either a backup is taken, or one store comes back from one: a failover or a restore."""
        if not self.stores_fall:
            return
        if not self.backups.taken or self.random.random() < 0.5:
            self.backups.take()
            return
        if self.random.random() < 0.5:
            self.note("Postgres fails over and loses commits")
            self.counts["failovers"] += 1
            self.backups.restore_postgres()
            self.oracle.forget({actor.name for actor in self.actors})
        else:
            self.note("DynamoDB is restored from a backup")
            self.counts["restores"] += 1
            self.oracle.state_fell_back()
            self.backups.restore_dynamodb()

    def fate_of(self, port: str) -> str:
        if self.calm or self.random.random() >= self.turbulence:
            return "well"
        fate = self.random.choice(["throttled", "answer lost"])
        self.counts[f"{port} {fate}"] += 1
        return fate
