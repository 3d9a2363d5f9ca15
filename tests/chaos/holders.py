"""Who held a stream's lease when its worker died, by the lease writes themselves, and when another one held it next."""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.free_workers import FreeWorkers
from tests.chaos.timing import TIMES

MOST_IDS = 24
"""An invocation makes fewer ids."""

TOLD = 40
"""Of each stream, the last things that happened, for people."""

ASKING_S = 1.0
"""A question to the queue lasts up to a second, and the machine is busy."""


def nth_id(attempt: str, number: int) -> str:
    """The ids that an invocation makes, so that whoever knows ``attempt`` (a UUID) knows them although it died."""
    return str(uuid.uuid5(uuid.UUID(attempt), str(number)))


class Recovered(NamedTuple):
    """``seconds`` from a death to the moment when another worker held the stream. ``held``: who died held it.
    ``sound``: the round broke no store and no clock. ``again``: another worker died on the stream in between.
    ``free_s``: of what it took beyond one lease, so much of it a worker was free. ``spent``: its message had been
    received for the last time, and lies among the dead letters."""

    seconds: float
    held: bool
    sound: bool
    again: bool = False
    free_s: float = 0.0
    spent: bool = False

    @property
    def is_alone(self) -> bool:
        """Nothing else was to blame: no store, no clock, no other death, nor its message, which comes back."""
        return self.held and self.sound and not self.again and not self.spent

    @property
    def overlooked(self) -> bool:
        """Nothing was to blame, a lease's time had passed, and a worker was free for longer than a question to the
        queue lasts."""
        return self.is_alone and self.free_s > ASKING_S


class _Held(NamedTuple):
    owner: str
    token: int


@dataclass(slots=True)
class _Dead:
    ids: frozenset[str]
    at: float
    held: bool
    spent: bool = False
    again: bool = False


class Holders:
    """Thread-safe. Fed with lease writes that succeeded, and with deaths; times are monotonic seconds.

    ``sound`` is said by whoever breaks things, of each round. ``overlooked`` tells people of each ``Recovered`` that
    was. ``forgotten`` were waited for when a round ended, for no longer than a lease yet: whoever goes on then does so
    by the suite's own hand.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.recovered: list[Recovered] = []
        self.free = FreeWorkers(now)
        self.overlooked: list[str] = []
        self.forgotten = 0
        self.sound = True
        self._now = now
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._dead: dict[str, list[_Dead]] = {}
        self._told: dict[str, deque[tuple[float, str]]] = defaultdict(lambda: deque(maxlen=TOLD))

    def tell(self, key: str, what: str) -> None:
        """What happens on a stream, to be told with a recovery that was overlooked."""
        with self._lock:
            self._told[key].append((self._now(), what))

    def acquired(self, key: str, owner: str, token: int) -> None:
        """A dead worker's last request may be heard after its death: then it died a holder."""
        with self._lock:
            self._told[key].append((self._now(), f"leased with token {token}"))
            again = owner == self._owner_of(key)  # the SDK asked twice
            self._held[key] = _Held(owner, token)
            dead = self._dead.pop(key, [])
            itself = [each for each in dead if owner in each.ids]
            if itself:
                itself[0].held = True
            elif again:
                itself = dead
            if itself:
                self._dead[key] = itself
            self._note(key, [each for each in dead if each not in itself])

    def raised(self, key: str, token: int, to: int) -> None:
        """A holder's token had to be raised."""
        with self._lock:
            if self._is_held(key, token):
                self._held[key] = self._held[key]._replace(token=to)

    def freed(self, key: str, token: int) -> None:
        """By cleanup: whoever died with it is waited for all the same."""
        with self._lock:
            if self._is_held(key, token):
                self._told[key].append((self._now(), "freed by cleanup"))
                del self._held[key]

    def given_back(self, key: str, token: int) -> None:
        """By its holder; if that is heard after its death, it died without a lease."""
        with self._lock:
            if not self._is_held(key, token):
                return
            owner = self._held.pop(key).owner
            for each in self._dead.get(key, []):
                each.held = each.held and owner not in each.ids

    def died(self, key: str, attempt: str, *, spent: bool = False) -> None:
        """A worker died at work on this stream. Where another one is at work on it, nobody is missed."""
        ids = frozenset(nth_id(attempt, number) for number in range(MOST_IDS))
        with self._lock:
            owner, before = self._owner_of(key), self._dead.get(key, [])
            for each in before:
                each.again = True
            self._told[key].append(
                (self._now(), f"a worker died{', its message is spent' if spent else ''}")
            )
            if owner is None or owner in ids or before:
                self._dead[key] = [*before, _Dead(ids, self._now(), owner in ids, spent)]

    def forget_deaths(self) -> None:
        """The round is over. Who was waited for longer than a lease was late, by so much at least."""
        with self._lock:
            for key, waiting in self._dead.items():
                late = [each for each in waiting if self._now() - each.at > TIMES.lease_s]
                self._note(key, late)
                self.forgotten += len(waiting) - len(late)
            self._dead.clear()

    def _note(self, key: str, dead: Sequence[_Dead]) -> None:
        for each in dead:
            seconds = self._now() - each.at
            free_s = self.free.seconds_since(each.at + TIMES.lease_s)
            self.recovered.append(
                Recovered(seconds, each.held, self.sound, each.again, free_s, each.spent)
            )
            if self.recovered[-1].overlooked:
                self.overlooked.append(
                    f"{key}: its holder had died {seconds:.1f} s before another worker held it; a lease lasts"
                    f" {TIMES.lease_s:g} s, and for {free_s:.1f} s after that a worker was free;"
                    f" seconds since its death: {self._history(key, each.at)}"
                )

    def _history(self, key: str, died_at: float) -> str:
        """From an invocation's time before it on."""
        begun = died_at - TIMES.invocation.total_seconds()
        told = [(at - died_at, what) for at, what in self._told[key] if at >= begun]
        return ", ".join(f"{at:.1f} {what}" for at, what in told)

    def _is_held(self, key: str, token: int) -> bool:
        held = self._held.get(key)
        return held is not None and held.token == token

    def _owner_of(self, key: str) -> str | None:
        held = self._held.get(key)
        return None if held is None else held.owner
