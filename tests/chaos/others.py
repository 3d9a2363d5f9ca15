"""How fresh the other clients' streams stay while one client is in trouble."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection
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
    """Everybody but some streams. Trouble for these ``may_begin`` once others were watched without it."""

    def __init__(self, tally: Tally, but: Collection[str]) -> None:
        self._tally, self._but = tally, but
        self._begins_at = time.monotonic() + CALM_BEFORE_S

    def may_begin(self) -> bool:
        return time.monotonic() >= self._begins_at

    def compared(self) -> Compared | None:
        """Before it could begin and as long after that; None when there were too few commits to tell."""
        before = self._p95(self._begins_at - CALM_BEFORE_S, self._begins_at)
        during = self._p95(self._begins_at, self._begins_at + CALM_BEFORE_S)
        return Compared(before, during) if before and during else None

    def _p95(self, since: float, until: float) -> float:
        ages = [
            age.seconds
            for age in self._tally.ages_between(since, until)
            if age.stream not in self._but
        ]
        return statistics.quantiles(ages, n=20)[-1] if len(ages) > FEWEST_AGES else 0.0
