"""Turns in a line of a client's desk: what a refused message is told, and several turns given out at once.

A worker that refuses message after message asks for several, and keeps those left for what it refuses within the
next seconds, without asking the desk. Turns that nobody took make a line look longer than it is; so a worker wants
twice as many each time while the rush lasts, and only a line that is long already gives out several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.desk.page import Line, moment_ms, moment_of

LONGEST_DELAY = timedelta(minutes=15)
"""The queue takes no longer delay; a message whose turn is later comes back, and is sent on."""

SPREAD_S = 60
"""Over so many seconds those come back that cannot be delayed for longer: not all at once."""

MOST_AT_ONCE = 10
WAITING_FOR_EACH = 40
"""A line gives out a turn more at once for each so many that wait in it: ten workers whose rush ends with all of
their turns unused lengthen it by a quarter at most."""

SPARE_LIFE_MS = 2000
"""For so long a desk is taken to stand as it was seen."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a refused message carries: since when it waits, and its number in its priority's line."""

    since: datetime
    turn: int


@dataclass(frozen=True, slots=True)
class Turns:
    """``count`` turns from ``first`` on, given at ``given_ms``: the first should be at ``at_ms``, each other
    ``step_ms`` later."""

    first: int
    count: int
    at_ms: int
    step_ms: int
    given_ms: int

    def next_for(self, now: datetime) -> tuple[ComeBack, Turns | None] | None:
        """The answer to who is refused now, and the turns left; None when they are too old to be told."""
        now_ms = moment_ms(now)
        if not 0 <= now_ms - self.given_ms < SPARE_LIFE_MS:
            return None
        answer = come_back(self.at_ms, now_ms, since_ms=now_ms, turn=self.first)
        if self.count == 1:
            return answer, None
        at_ms = self.at_ms + self.step_ms
        return answer, replace(self, first=self.first + 1, count=self.count - 1, at_ms=at_ms)


@dataclass(frozen=True, slots=True)
class ComeBack:
    """Not now: send the message again with this delay (whole seconds), carrying ``waiting``. ``spare`` are turns
    for those of the same client and priority that this worker refuses next."""

    delay: timedelta
    waiting: Waiting
    spare: Turns | None = None


@dataclass(frozen=True, slots=True)
class Rush:
    """One worker's refusals in one line: the turns it has left of those it was given last, at ``asked_ms``, when
    it wanted ``wanted``."""

    wanted: int
    asked_ms: int
    spare: Turns | None = None

    def lasts(self, now: datetime) -> bool:
        """Was this worker's last refusal a moment ago?"""
        return 0 <= moment_ms(now) - self.asked_ms < SPARE_LIFE_MS

    def wants_next(self, now: datetime) -> int:
        """Twice as many as last time, if that was a moment ago."""
        return min(2 * self.wanted, MOST_AT_ONCE) if self.lasts(now) else 1


def turns_at_once(line: Line, wanted: int) -> int:
    """How many turns who asks at the end of this line is given."""
    return min(wanted, 1 + line.waiting // WAITING_FOR_EACH)


def come_back(at_ms: int, now_ms: int, *, since_ms: int, turn: int) -> ComeBack:
    """In whole seconds, rounded up: nobody comes before the turn."""
    delay = timedelta(seconds=max(math.ceil((at_ms - now_ms) / 1000), 1))
    if delay > LONGEST_DELAY:
        delay = LONGEST_DELAY - timedelta(seconds=turn % SPREAD_S)
    return ComeBack(delay, Waiting(moment_of(since_ms), turn))
