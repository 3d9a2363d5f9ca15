"""A metric over time, and what arithmetic makes of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Series:
    """Values by the start of their period, in Unix seconds. A period without data has no entry."""

    label: str
    period_s: int
    points: Mapping[int, float] = field(default_factory=dict)

    def each(self, function: Callable[[float], float]) -> Series:
        return self.with_points({at: function(value) for at, value in self.points.items()})

    def with_points(self, points: Mapping[int, float]) -> Series:
        return Series(self.label, self.period_s, points)

    def beside(self, other: Series, function: Callable[[float, float], float]) -> Series:
        """Where both have a value; the coarser period counts."""
        period = max(self.period_s, other.period_s)
        both = sorted(self.points.keys() & other.points.keys())
        points = {at: function(self.points[at], other.points[at]) for at in both}
        return Series(self.label, period, points)


def across(series: Sequence[Series], function: Callable[[list[float]], float]) -> Series:
    """One series of several: at each moment, the function of the values that there are."""
    moments = sorted({at for each in series for at in each.points})
    period = max((each.period_s for each in series), default=60)
    points = {at: function([s.points[at] for s in series if at in s.points]) for at in moments}
    return Series("", period, points)


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
