"""A stand for applying pushes: a stream whose objects can be read alone, and all that an applier meets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.budget import Budget
from sluice.core.keys import StreamKey
from sluice.core.ports import Applied, Stream
from sluice.core.records import PushEvent, Record
from sluice.core.slices import Delivery, Traffic
from sluice.core.steering.switches import Pause
from sluice.core.webhooks import Hint
from sluice.messages import ApplyMessage
from sluice.usecases.apply_hint import (
    ApplyReport,
    Kit,
    Looked,
    apply_push,
)
from tests.memory.commits import MemoryCommits
from tests.memory.inbox import MemoryInbox
from tests.memory.messages import MemoryMessages
from tests.memory.push_queue import MemoryPushQueue
from tests.memory.pushes import MemoryPushes
from tests.memory.streams import Listing, Vendor, thing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = StreamKey("acme", "shop", "things")
DELIVERY = Delivery("m-1", "r-1", "sluice-pushes")
LEFT = timedelta(seconds=30)


@dataclass
class Rereading(Listing):
    """A stream whose objects can be read alone; ``error`` is what the vendor does instead of answering."""

    error: Exception | None = None
    asked: list[tuple[str, Budget]] = field(default_factory=list)

    def reread(self, object_id: str, budget: Budget) -> Record | None:
        self.asked.append((object_id, budget))
        if self.error is not None:
            raise self.error
        if object_id not in self.vendor.things:
            return None
        return thing(object_id, self.vendor.things[object_id], self.vendor.versions.get(object_id))

    def traffic(self) -> Traffic:
        return Traffic(requests=len(self.asked))


@dataclass
class Nobody:
    """No pause, unless there is one."""

    pause: Pause | None = None

    def board(self) -> Any:
        raise AssertionError("only pauses are asked for")

    def pause_of(self, key: StreamKey) -> Pause | None:
        return self.pause


@dataclass
class Opener:
    stream: Stream | Exception

    def open(self, key: StreamKey) -> Stream:
        if isinstance(self.stream, Exception):
            raise self.stream
        return self.stream


@dataclass
class ComeBacks:
    asked: list[tuple[Delivery, timedelta]] = field(default_factory=list)

    def come_back(self, delivery: Delivery, *, after: timedelta) -> bool:
        self.asked.append((delivery, after))
        return True


class Desk:
    """Everything around the applier, in memory. ``now`` may be moved."""

    def __init__(self) -> None:
        self.now = NOW
        self.vendor = Vendor(things={"a": 5}, versions={"a": 50})
        self.stream = Rereading(self.vendor)
        self.opened: Stream | Exception = self.stream
        self.commits = MemoryCommits(lambda: self.now)
        self.pushes: Any = MemoryPushes(self.commits)
        self.queue = MemoryPushQueue()
        self.messages = MemoryMessages()
        self.switches = Nobody()
        self.come_backs = ComeBacks()
        self.looked = Looked()
        self.inbox = MemoryInbox(self.commits.database)

    def apply(self, message: ApplyMessage, delivery: Delivery | None = None) -> ApplyReport:
        kit = Kit(
            inbox=self.inbox,
            pushes=self.pushes,
            queue=self.queue,
            messages=self.messages,
            deliveries=self.come_backs,
            switches=self.switches,
            streams=Opener(self.opened),
            looked=self.looked,
            clock=lambda: self.now,
            chance=lambda: 0.5,
        )
        return apply_push(message, self.now + LEFT, kit, delivery)

    def hint(self, object_id: str | None = "a", **other: Any) -> ApplyReport:
        return self.apply(hinting(object_id, **other))

    @property
    def rows(self) -> dict[str, int]:
        rows = self.commits.database.rows("things", KEY.client_id)
        return {name: row.values[0] for name, row in rows.items()}


def hinting(
    object_id: str | None = "a",
    *,
    event: str = "msg_1",
    received_at: datetime = NOW,
    attempt: int = 0,
) -> ApplyMessage:
    hint = Hint(event, KEY, object_id, "thing.changed", None)
    return ApplyMessage.asking_for(hint, received_at=received_at, attempt=attempt)


@dataclass
class Failing:
    error: Exception

    def apply(self, event: PushEvent, stream: Stream) -> Applied:
        raise self.error
