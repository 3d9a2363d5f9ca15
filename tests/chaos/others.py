"""How fresh the other clients' streams stay while one client is in trouble."""

from __future__ import annotations

import statistics
from collections.abc import Collection
from time import monotonic
from typing import NamedTuple

from tests.chaos.tally import Tally
from tests.chaos.timing import SLOWER

CALM_BEFORE_S = 7.0 * SLOWER
"""Of a round, to compare with as long a time of the trouble: in a longer one, longer gaps can be seen."""

FEWEST_AGES = 20
"""Of fewer, nothing is said."""


class Compared(NamedTuple):
    """95th of a hundred of the seconds between two commits of a stream."""

    before: float
    during: float


class Others:
    """Everybody but some streams, which get into trouble once the others were watched without it."""

    def __init__(self, tally: Tally, but: Collection[str]) -> None:
        self._tally, self._but = tally, but
        self._watched_since = monotonic()
        self._begun_at: float | None = None

    def begin(self) -> bool:
        """Whether the trouble begins now; True once."""
        if self._begun_at is not None or monotonic() < self._watched_since + CALM_BEFORE_S:
            return False
        self._begun_at = monotonic()
        return True

    def compared(self) -> Compared | None:
        """Just before it began, and from then on for as long. None when it did not, or too few commits tell."""
        at = self._begun_at
        if at is None:
            return None
        before, during = self._p95(at - CALM_BEFORE_S, at), self._p95(at, at + CALM_BEFORE_S)
        return Compared(before, during) if before and during else None

    def _p95(self, since: float, until: float) -> float:
        """A stream that committed before and not in this time at all has an age, too."""
        until = min(until, monotonic())
        latest: dict[str, float] = {}
        ages: list[float] = []
        for age in self._tally.ages_until(until):
            if age.stream not in self._but:
                latest[age.stream] = age.at
                ages += [age.seconds] if age.at >= since else []
        ages += [until - at for at in latest.values() if at < since]
        return statistics.quantiles(ages, n=20)[-1] if len(ages) > FEWEST_AGES else 0.0
