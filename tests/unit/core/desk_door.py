"""A client's desk with a clock, and messages that come to it as a queue would bring them."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.desk.admitting import (
    Admitted,
    Asker,
    ComeBack,
    DeskRules,
    Waiting,
    admit,
    leave,
    take_ticket,
)
from sluice.core.desk.page import Desk, moment_ms, page_of, read_desk
from sluice.core.priorities import Priority

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INVOCATION = timedelta(seconds=90)


@dataclass
class Door:
    """The page goes through JSON each time, as it does in the book. ``writes`` counts."""

    rules: DeskRules = field(default_factory=DeskRules)
    now: datetime = NOW
    page: str = "{}"
    writes: int = 0
    names: Any = field(default_factory=itertools.count)

    @property
    def desk(self) -> Desk:
        return read_desk(json.loads(self.page), moment_ms(self.now))

    def ask(
        self,
        priority: Priority = Priority.SCHEDULE,
        waiting: Waiting | None = None,
        owner: str | None = None,
        ticket: str | None = None,
    ) -> Admitted | ComeBack:
        owner = owner or f"o{next(self.names)}"
        asker = Asker(owner, priority, self.now + INVOCATION, waiting, ticket)
        answer, desk = admit(self.desk, asker, self.now, self.rules)
        self._write(desk)
        return answer

    def seat(self, *priorities: Priority) -> list[str]:
        """Let in, one after the other; their owners."""
        owners = [f"s{next(self.names)}" for _ in priorities]
        for owner, priority in zip(owners, priorities, strict=True):
            assert self.ask(priority, owner=owner) == Admitted()
        return owners

    def refused(self, priority: Priority = Priority.SCHEDULE, **more: Any) -> ComeBack:
        answer = self.ask(priority, **more)
        assert isinstance(answer, ComeBack)
        return answer

    def admits(self, priority: Priority = Priority.SCHEDULE, **more: Any) -> bool:
        return isinstance(self.ask(priority, **more), Admitted)

    def leave(self, owner: str, took: timedelta = timedelta(seconds=5)) -> bool:
        desk = leave(self.desk, owner, took)
        self._write(desk)
        return desk is not None

    def take_ticket(self, ticket: str) -> bool:
        given, desk = take_ticket(self.desk, ticket, self.now, self.rules)
        self._write(desk)
        return given

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def _write(self, desk: Desk | None) -> None:
        if desk is not None:
            self.writes += 1
            self.page = json.dumps(page_of(desk))


@dataclass(frozen=True)
class Message:
    """``greedy``: its run never ends, the next message follows each slice at once."""

    name: str
    priority: Priority
    greedy: bool = False
    waiting: Waiting | None = None


@dataclass
class Street:
    """Messages come, work, leave and come back, in virtual time; the queue is late by ``late_s``."""

    door: Door
    slice_s: Callable[[], float]
    late_s: Callable[[], float] = lambda: 0.05
    dies: Callable[[], bool] = lambda: False
    admitted: list[str] = field(default_factory=list)
    receives: int = 0

    def __post_init__(self) -> None:
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def send(self, message: Message, delay: timedelta = timedelta(0)) -> None:
        self._after(delay.total_seconds() + self.late_s(), lambda: self._come(message))

    def run(self, until: Callable[[], bool], longest: timedelta) -> bool:
        """False when it did not come about in that time."""
        end = self.door.now + longest
        while self._events and self._events[0][0] <= end and not until():
            self.door.now, _, happen = heapq.heappop(self._events)
            happen()
        return until()

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        at = self.door.now + timedelta(seconds=seconds)
        heapq.heappush(self._events, (at, next(self._order), happen))

    def _come(self, message: Message) -> None:
        self.receives += 1
        owner = f"w{next(self._order)}"
        answer = self.door.ask(message.priority, message.waiting, owner)
        if isinstance(answer, ComeBack):
            self.send(replace(message, waiting=answer.waiting), answer.delay)
            return
        self.admitted.append(message.name)
        self._after(self.slice_s(), lambda: self._end(message, owner))

    def _end(self, message: Message, owner: str) -> None:
        if not self.dies():
            self.door.leave(owner)
        if message.greedy:
            self.send(replace(message, waiting=None))
