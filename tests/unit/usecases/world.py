"""Everything around the slice engine, in memory: stores, queue, vendor and a clock that tests move."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.desk.admitting import DeskRules
from sluice.core.keys import StreamKey
from sluice.core.slices import Delivery, SliceReport
from sluice.core.steering.ports import BookSwitches
from sluice.messages import SliceMessage
from sluice.usecases.admission import ClientDesks
from sluice.usecases.clean_up import CleanUp, clean_up
from sluice.usecases.run_slice import Kit, run_slice
from tests.memory.book import MemoryBook
from tests.memory.commits import MemoryCommits
from tests.memory.deliveries import MemoryDeliveries
from tests.memory.leases import MemoryLeases
from tests.memory.messages import MemoryMessages
from tests.memory.streams import Listing, MemoryStreams, Vendor
from tests.oracle import chain_faults

KEY = StreamKey("acme", "shop", "things")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INVOCATION = timedelta(seconds=60)


@dataclass
class Clock:
    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **time: float) -> None:
        self.at += timedelta(**time)


class Killed(BaseException):
    """The worker's process ends here: no ``except Exception`` may hold it up."""


@dataclass
class World:
    """One stream of one client and all that a worker meets."""

    clock: Clock = field(default_factory=Clock)
    vendor: Vendor = field(default_factory=Vendor)
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    messages: MemoryMessages = field(default_factory=MemoryMessages)
    deliveries: MemoryDeliveries = field(default_factory=MemoryDeliveries)
    book: MemoryBook = field(default_factory=MemoryBook)
    chance: float = 0.5
    rules: DeskRules = field(default_factory=DeskRules)
    ids: int = 0

    def __post_init__(self) -> None:
        self.commits = MemoryCommits(self.clock)
        self.stream = Listing(self.vendor)
        self.streams = MemoryStreams({KEY: self.stream})

    def new_id(self) -> str:
        self.ids += 1
        return str(uuid.UUID(int=self.ids))

    def kit(self, **other: Any) -> Kit:
        ports = Kit(
            leases=self.leases,
            commits=self.commits,
            messages=self.messages,
            deliveries=self.deliveries,
            desks=ClientDesks(self.book, self.clock, self.rules),
            switches=BookSwitches(self.book, self.clock),
            streams=self.streams,
            clock=self.clock,
            new_id=self.new_id,
            chance=lambda: self.chance,
        )
        return replace(ports, **other)

    def run(
        self,
        message: SliceMessage | None = None,
        kit: Kit | None = None,
        delivery: Delivery | None = None,
    ) -> SliceReport:
        """One invocation of the worker."""
        deadline = self.clock() + INVOCATION
        return run_slice(message or asking(), deadline, kit or self.kit(), delivery)

    def drain(self, most: int = 200) -> list[SliceReport]:
        """Deliver messages, delays waited for, until none is left."""
        reports: list[SliceReport] = []
        for _ in range(most):
            if not self.messages.sent:
                return reports
            sent = self.messages.sent.pop(0)
            self.clock.at += sent.delay
            reports.append(self.run(sent.message))
        raise AssertionError(f"still messages after {most} slices: {self.messages.sent[:3]}")

    def sync(self, **more: Any) -> list[SliceReport]:
        """Ask once and run to the end."""
        self.messages.ask_for_slice(KEY, reason="manual", **more)
        return self.drain()

    def clean_up(self) -> CleanUp:
        return clean_up(self.leases, self.commits, self.messages, self.clock)

    def stored(self) -> dict[str, Any]:
        """Live rows: id to size."""
        rows = self.commits.database.rows("things", KEY.client_id)
        return {i: row.values[0] for i, row in rows.items() if row.deleted_at is None}

    def faults(self) -> list[str]:
        """What an oracle says of the stream's log."""
        return list(chain_faults(*self.commits.database.chain(KEY)))

    def in_step(self) -> bool:
        """Table equal to the vendor, chain sound, watermark equal to the cursor, lease given back."""
        item, at = self.leases.items[KEY], self.commits.database.streams[KEY]
        assert self.stored() == self.vendor.things
        assert self.faults() == []
        assert (item.watermark, item.seq, item.owner) == (at.cursor, at.seq, None)
        return True


def asking(reason: str = "schedule", **more: Any) -> SliceMessage:
    return SliceMessage.asking_for(KEY, reason=reason, **more)


def catalogue(number: int) -> dict[str, Any]:
    return {f"t{i:03}": 1 for i in range(number)}


class Recorder:
    """Stands before a port: notes each call, and may kill the worker before or after one of them."""

    def __init__(self, port: Any, name: str, tape: Tape) -> None:
        self._port, self._name, self._tape = port, name, tape

    def __getattr__(self, method: str) -> Any:
        target = getattr(self._port, method)
        if not callable(target):
            return target

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._tape.around(f"{self._name}.{method}"):
                return target(*args, **kwargs)

        return call


@dataclass
class Tape:
    """The calls to all ports in order. ``kill_at`` counts moments: before and after each call."""

    kill_at: int | None = None
    calls: list[str] = field(default_factory=list)
    moments: int = 0

    @contextmanager
    def around(self, call: str) -> Iterator[None]:
        self._moment()
        self.calls.append(call)
        yield
        self._moment()

    def _moment(self) -> None:
        self.moments += 1
        if self.moments == self.kill_at:
            raise Killed

    def before(self, world: World) -> Kit:
        """The world's ports with this tape before each."""
        kit = world.kit()
        return replace(
            kit,
            leases=Recorder(kit.leases, "leases", self),
            commits=Recorder(kit.commits, "commits", self),
            messages=Recorder(kit.messages, "messages", self),
        )
