"""A vendor account's circuit breaker, shared by all workers: an outage is asked about, not stormed.

Failures in a row are counted. Once one is known, every further try is counted before it is made, so that
failures and tries under way together never pass what opens the breaker. When it opened, nobody asks for a
pause; then one worker may try, and what he finds closes it or opens it again. A try whose worker died
lapses and counts as failed: nobody waits for a dead worker, and a dead worker hides no failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

TRIES_AT_ONCE = 2
"""Tries under way while failures are known; fewer where fewer are left."""

SHORT_WAIT_MS = 1000
"""How long to wait for others' tries."""


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """More than ``threshold`` failures in a row open the breaker for ``pause``.

    ``lapse`` is when a try is given up for dead: longer than any request may take.
    """

    threshold: int = 10
    pause: timedelta = timedelta(seconds=60)
    lapse: timedelta = timedelta(seconds=40)


class May(NamedTuple):
    """Whether a request may be made. ``wait_ms`` is how long not; ``counted`` that it is now a try."""

    wait_ms: int = 0
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Breaker:
    """Failures in a row, when each try under way lapses, and until when nobody may ask.

    ``open_until_ms`` stays set while a try after the pause is under way: closed is all zero.
    """

    failures: int = 0
    tries: Sequence[int] = ()
    open_until_ms: int = 0

    @property
    def calm(self) -> bool:
        """No failure is known: requests need not be counted."""
        return not self.failures

    def may_ask(self, now_ms: int, rules: BreakerRules) -> tuple[May, Breaker]:
        """Whether one request may be made now, and the breaker with that try counted."""
        if self.calm:
            return May(), self
        state = self._without_lapsed(now_ms, rules)
        if state.open_until_ms > now_ms:
            return May(state.open_until_ms - now_ms), state
        if len(state.tries) >= state._most_tries(rules):
            return May(min(SHORT_WAIT_MS, state.tries[0] - now_ms)), state
        lapses = now_ms + rules.lapse // timedelta(milliseconds=1)
        return May(counted=True), replace(state, tries=(*state.tries, lapses))

    def failed(self, now_ms: int, rules: BreakerRules, *, counted: bool) -> Breaker:
        """A request failed; ``counted`` if it was a try."""
        state = self._given_up(1) if counted else self
        return state._with_failures(1, now_ms, rules)

    def answered(self) -> Breaker:
        """The vendor answered: whatever failed before is over."""
        return Breaker()

    def returned(self) -> Breaker:
        """A try ended without word of the vendor's health."""
        return self._given_up(1)

    def _most_tries(self, rules: BreakerRules) -> int:
        """One, once it has opened."""
        return max(1, min(TRIES_AT_ONCE, rules.threshold + 1 - self.failures))

    def _without_lapsed(self, now_ms: int, rules: BreakerRules) -> Breaker:
        lapsed = sum(until <= now_ms for until in self.tries)
        return self._given_up(lapsed)._with_failures(lapsed, now_ms, rules) if lapsed else self

    def _given_up(self, count: int) -> Breaker:
        return replace(self, tries=tuple(self.tries[count:]))

    def _with_failures(self, count: int, now_ms: int, rules: BreakerRules) -> Breaker:
        failures = self.failures + count
        is_open = self.open_until_ms > now_ms
        opens = failures > rules.threshold or self.open_until_ms
        if not opens or is_open:
            return replace(self, failures=failures)
        until = now_ms + rules.pause // timedelta(milliseconds=1)
        return Breaker(failures, (), until)
