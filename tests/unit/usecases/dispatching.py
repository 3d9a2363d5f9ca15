"""Everything that a tick of the dispatcher meets, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sluice.core.keys import StreamKey
from sluice.core.slices import Lease
from sluice.core.steering.switches import SwitchBoard
from sluice.dynamo.registry import RegistryEntry
from sluice.usecases.plan import PlanKit, Planned, plan
from tests.memory.book import MemoryBook
from tests.memory.leases import MemoryLeases
from tests.memory.messages import MemoryMessages
from tests.memory.registry import MemoryRegistry
from tests.memory.standings import MemoryStandings
from tests.unit.usecases.world import Clock

ACME = StreamKey("acme", "shop", "things")
BOLT = StreamKey("bolt", "shop", "things")
TIME = timedelta(seconds=50)
CADENCE = timedelta(minutes=5)


@dataclass
class Dispatch:
    """Streams, and all that decides what a tick does with them."""

    clock: Clock = field(default_factory=Clock)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    messages: MemoryMessages = field(default_factory=MemoryMessages)
    book: MemoryBook = field(default_factory=MemoryBook)
    board: SwitchBoard = field(default_factory=SwitchBoard)
    ticks: int = 0

    def registered(self, *keys: StreamKey, cadence: timedelta = CADENCE) -> Dispatch:
        entries = [RegistryEntry(key, cadence, {}, "secret") for key in keys]
        self.registry.apply(entries, self.clock())
        return self

    def kit(self, **other: object) -> PlanKit:
        made = PlanKit(
            schedule=self.registry,
            standings=MemoryStandings(self.leases),
            messages=self.messages,
            book=self.book,
            board=self.board,
            clock=self.clock,
            new_id=self._new_id,
        )
        return replace(made, **other)  # type: ignore[arg-type]

    def tick(self, **other: object) -> Planned:
        return plan(self.kit(**other), self.clock() + TIME)

    def next_tick(self) -> Planned:
        """When every stream is due again."""
        self.clock.at += CADENCE
        return self.tick()

    def work(self, key: StreamKey, **released: object) -> None:
        """A worker takes the stream's lease and gives it back."""
        self.leases.release(self.hold(key), **released)  # type: ignore[arg-type]

    def hold(self, key: StreamKey) -> Lease:
        until = self.clock() + timedelta(seconds=90)
        lease = self.leases.acquire(key, "worker", now=self.clock(), until=until)
        assert isinstance(lease, Lease)
        return lease

    def due_at(self, key: StreamKey) -> datetime:
        at = self.registry.entries[key].due_at
        assert at is not None
        return at

    def sent(self) -> list[StreamKey]:
        """The streams asked for since this was asked last."""
        return [message.key for message in self.messages.take()]

    def _new_id(self) -> str:
        self.ticks += 1
        return f"tick {self.ticks}"


def keys(many: int) -> list[StreamKey]:
    return [StreamKey(f"c{number:04}", "shop", "things") for number in range(many)]
