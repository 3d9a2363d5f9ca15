"""Workers, a queue and clients in virtual time: what waits how long, with the real desk or without any.

The queue is SQS's standard one: in order as far as it can be, each message to one worker. ``fair`` models AWS's
fair queues: the client with the fewest messages in flight comes first. The embedded queue is not fair.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sluice.core.desk.admitting import ComeBack, DeskRules, Waiting
from sluice.core.priorities import Priority
from sluice.usecases.admission import ClientDesks
from tests.memory.book import MemoryBook

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is not the desk's to choose. ``spread``: how much longer or shorter than said a slice may last.

    ``receive_s``: from in sight to the worker's first line. ``refusal_s``: what an invocation lasts that is
    refused, without the book. ``write_s``: for so long a page is taken by one write, lost races included.
    """

    workers: int = 10
    spread: float = 0.2
    receive_s: tuple[float, float] = (0.02, 0.1)
    refusal_s: float = 0.02
    write_s: float = 0.015
    read_s: float = 0.005
    invocation_s: float = 90.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A message. Its slice lasts ``slice_s``, give or take."""

    client: str
    stream: str
    sent_at: float
    slice_s: float
    priority: Priority = Priority.SCHEDULE
    waiting: Waiting | None = None
    receives: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A slice that was made."""

    asked: Asked
    began_at: float
    ended_at: float

    @property
    def wait_s(self) -> float:
        return self.began_at - self.asked.sent_at


@dataclass
class Simulation:
    """One run. ``rules`` None is no desk at all; with a ``fair`` queue or not."""

    circumstances: Circumstances
    rules: DeskRules | None
    fair: bool = False
    seed: int = 1
    done: list[Done] = field(default_factory=list)
    writes: Counter[str] = field(default_factory=Counter)
    refused_s: float = 0.0
    most_running: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.now = 0.0
        self.book = MemoryBook()
        self.random = random.Random(self.seed)  # noqa: S311  # chance, not a secret
        self._desks = [
            ClientDesks(self.book, self._clock, self.rules or DeskRules())
            for _ in range(self.circumstances.workers)
        ]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._ready: dict[str, deque[tuple[int, Asked]]] = defaultdict(deque)
        self._idle = deque(self._desks)
        self._in_flight: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._page_free_at: defaultdict[str, float] = defaultdict(float)

    def send(self, asked: Asked) -> None:
        self._at(asked.sent_at, lambda: self._in_sight(asked))

    def run(self) -> None:
        """Until nothing is left."""
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
            self._hand_out()

    def _clock(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def _at(self, at: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._number), happen))

    def _in_sight(self, asked: Asked) -> None:
        self._ready[asked.client].append((next(self._number), asked))

    def _hand_out(self) -> None:
        while self._idle and any(self._ready.values()):
            waiting = [client for client, messages in self._ready.items() if messages]
            client = min(waiting, key=self._order)
            _, asked = self._ready[client].popleft()
            desks = self._idle.popleft()
            self._in_flight[client] += 1
            begun = replace(asked, receives=asked.receives + 1)
            self._at(
                self.now + self.random.uniform(*self.circumstances.receive_s),
                lambda begun=begun, desks=desks: self._ask_desk(begun, desks),  # type: ignore[misc]
            )

    def _order(self, client: str) -> tuple[int, int]:
        return self._in_flight[client] if self.fair else 0, self._ready[client][0][0]

    def _ask_desk(self, asked: Asked, desks: ClientDesks) -> None:
        """The answer stands once it is written, after those who write the same page before."""
        if self.rules is None:
            self._work(asked, "", desks)
            return
        owner, writes, reads = str(next(self._number)), self.book.writes, self.book.revisions
        until = self._clock() + timedelta(seconds=self.circumstances.invocation_s)
        answer = desks.admit(asked.client, owner, asked.priority, until, waiting=asked.waiting)
        at = self.now + (self.circumstances.read_s if self.book.revisions > reads else 0.0)
        if self.book.writes > writes:
            self.writes[asked.client] += 1
            at = max(self.now, self._page_free_at[asked.client]) + self.circumstances.write_s
            self._page_free_at[asked.client] = at
        if isinstance(answer, ComeBack):
            again = replace(asked, waiting=answer.waiting)
            self.refused_s += at - self.now + self.circumstances.refusal_s
            self._at(at, lambda: self._refuse(again, answer.delay.total_seconds(), desks))
        else:
            self._at(at, lambda: self._work(asked, owner, desks))

    def _refuse(self, again: Asked, delay_s: float, desks: ClientDesks) -> None:
        self._at(self.now + delay_s, lambda: self._in_sight(again))
        self._at(self.now + self.circumstances.refusal_s, lambda: self._free(again.client, desks))

    def _work(self, asked: Asked, owner: str, desks: ClientDesks) -> None:
        self._running[asked.client] += 1
        most = max(self.most_running[asked.client], self._running[asked.client])
        self.most_running[asked.client] = most
        spread = self.random.uniform(1 - self.circumstances.spread, 1 + self.circumstances.spread)
        done = Done(asked, self.now, self.now + asked.slice_s * spread)
        self._at(done.ended_at, lambda: self._leave(done, owner, desks))

    def _leave(self, done: Done, owner: str, desks: ClientDesks) -> None:
        if owner:
            took = timedelta(seconds=done.ended_at - done.began_at)
            self.writes[done.asked.client] += desks.leave(done.asked.client, owner, took)
        self._running[done.asked.client] -= 1
        self.done.append(done)
        self._free(done.asked.client, desks)

    def _free(self, client: str, desks: ClientDesks) -> None:
        self._idle.append(desks)
        self._in_flight[client] -= 1
