"""What state an alarm has, by the rules that CloudWatch documents. Pure: data points in, a state out.

An alarm looks at N evaluation periods, of which M must breach. CloudWatch reads some periods more than N, the
evaluation range: where points are missing, older real ones count before missing ones are filled in. How many more is
not documented but for one example (5 for N = 3), so N + 2 are read here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

MORE_PERIODS = 2


class State(StrEnum):
    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(StrEnum):
    """What a period without data counts as (``TreatMissingData``)."""

    MISSING = "missing"
    NOT_BREACHING = "notBreaching"
    BREACHING = "breaching"
    IGNORE = "ignore"


BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A state and its reason in a sentence; ``state`` is None where the alarm stays as it is."""

    state: State | None
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """When a metric alarm goes off."""

    comparison: str
    threshold: float
    periods: int
    to_alarm: int
    missing: Missing = Missing.MISSING

    @property
    def range(self) -> int:
        """How many periods to read, counted back from now."""
        return self.periods + MORE_PERIODS

    def judge(self, points: Sequence[float | None], *, young: bool = False) -> Judgement:
        """``points``: the evaluation range, oldest first; None is a period without data.

        A ``young`` alarm has not existed for its periods yet: missing data alone do not make it ring.
        """
        breach = BREACHES[self.comparison]
        marks = [None if point is None else breach(point, self.threshold) for point in points]
        real = [mark for mark in marks if mark is not None]
        told = self._told([point for point in points if point is not None])
        if len(real) >= self.periods:
            return self._by_count(sum(real[-self.periods :]), told)
        if self.missing in (Missing.BREACHING, Missing.NOT_BREACHING):
            filled = self.periods - len(real)
            bad = sum(real) + (filled if self.missing is Missing.BREACHING else 0)
            if young and sum(real) < self.to_alarm <= bad:
                return Judgement(None, f"{told}; too young to miss data")
            return self._by_count(bad, f"{told}; {filled} missing, treated as {self.missing}")
        return self._with_gaps(marks, real, told)

    def _by_count(self, bad: int, told: str) -> Judgement:
        state = State.ALARM if bad >= self.to_alarm else State.OK
        return Judgement(state, f"{bad} of {self.to_alarm} needed breach: {told}")

    def _with_gaps(
        self, marks: Sequence[bool | None], real: Sequence[bool], told: str
    ) -> Judgement:
        """Fewer points than periods, and missing ones count as nothing."""
        ignores = self.missing is Missing.IGNORE
        if not real:
            return Judgement(None if ignores else State.INSUFFICIENT_DATA, "no data")
        if sum(real) >= self.to_alarm or not all(real):
            return self._by_count(sum(real), told)
        if ignores:
            return Judgement(None, f"too few data: {told}")
        # All there is breaches, but it is too little. Old enough, it is alarm all the same; else the next may be good.
        oldest = len(marks) - marks.index(True)
        state = State.ALARM if oldest >= self.to_alarm else State.INSUFFICIENT_DATA
        return Judgement(state, f"only {told}")

    def _told(self, real: Sequence[float]) -> str:
        if not real:
            return "no data points"
        latest = ", ".join(f"{value:g}" for value in real[-self.periods :])
        return f"latest {latest}, {_WORDS[self.comparison]} {self.threshold:g}"


_WORDS = {
    "GreaterThanThreshold": "breaching when >",
    "GreaterThanOrEqualToThreshold": "breaching when >=",
    "LessThanThreshold": "breaching when <",
    "LessThanOrEqualToThreshold": "breaching when <=",
}
