"""Who held a stream's lease when its worker died, by the lease writes themselves, and when another one held it next."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.timing import TIMES

MOST_IDS = 24
"""An invocation makes fewer ids."""


def nth_id(attempt: str, number: int) -> str:
    """The ids that an invocation makes, so that whoever knows ``attempt`` (a UUID) knows them although it died."""
    return str(uuid.uuid5(uuid.UUID(attempt), str(number)))


class Recovered(NamedTuple):
    """``seconds`` from a death to the moment when another worker held the stream. ``held``: who died held it.
    ``sound``: meanwhile no store was broken, and no clock was wrong."""

    seconds: float
    held: bool
    sound: bool


class _Held(NamedTuple):
    owner: str
    token: int


@dataclass(slots=True)
class _Dead:
    ids: frozenset[str]
    at: float
    held: bool


class Holders:
    """Thread-safe. Fed with lease writes that succeeded, and with deaths; times are monotonic seconds.

    ``sound`` is said by whoever breaks things, before and after. ``died_again`` are those whose follower came within
    a lease and died as well: how soon a worker that lived would have held the stream, nobody knows.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.recovered: list[Recovered] = []
        self.died_again = 0
        self.sound = True
        self._now = now
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._dead: dict[str, list[_Dead]] = {}

    def acquired(self, key: str, owner: str, token: int) -> None:
        """A dead worker's last request may be heard after its death: then it died a holder."""
        with self._lock:
            again = owner == self._owner_of(key)  # the SDK asked twice
            self._held[key] = _Held(owner, token)
            dead = self._dead.pop(key, [])
            itself = [each for each in dead if owner in each.ids]
            if itself:
                itself[0].held = True
                self._dead[key] = itself
            elif again:
                self._dead[key] = dead
                return
            self._note([each for each in dead if each not in itself])

    def raised(self, key: str, token: int, to: int) -> None:
        """A holder's token had to be raised."""
        with self._lock:
            held = self._held.get(key)
            if held is not None and held.token == token:
                self._held[key] = held._replace(token=to)

    def given_back(self, key: str, token: int) -> None:
        """By its holder, or freed by cleanup; who died with it is waited for either way."""
        with self._lock:
            held = self._held.get(key)
            if held is not None and held.token == token:
                del self._held[key]

    def died(self, key: str, attempt: str) -> None:
        """A worker died at work on this stream. Where another one is at work on it, nobody is missed."""
        ids = frozenset(nth_id(attempt, number) for number in range(MOST_IDS))
        with self._lock:
            owner, now = self._owner_of(key), self._now()
            before = self._dead.pop(key, [])
            late = [each for each in before if now - each.at > TIMES.lease_s]
            self._note(late)
            self.died_again += len(before) - len(late)
            if owner is None or owner in ids or before:
                self._dead[key] = [_Dead(ids, now, owner in ids)]

    def forget_deaths(self) -> None:
        """Whose stream has nothing to do any more, or is brought back by the suite's own hand, is not waited for."""
        with self._lock:
            self._dead.clear()

    def _note(self, dead: Sequence[_Dead]) -> None:
        now = self._now()
        self.recovered += [Recovered(now - each.at, each.held, self.sound) for each in dead]

    def _owner_of(self, key: str) -> str | None:
        held = self._held.get(key)
        return None if held is None else held.owner
