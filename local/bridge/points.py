"""The data points that an alarm looks at, read from the embedded CloudWatch.

AWS evaluates an alarm each minute over the periods that end then. Here they end now, so that an alarm is heard of
within seconds; each is as long as the alarm says. What was recorded is read in grains of some seconds, which add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GRAIN_S = 5
MOST_QUERIES = 400
"""In one GetMetricData call; AWS takes 500."""

NEEDED = {
    "Sum": ("Sum",),
    "SampleCount": ("SampleCount",),
    "Minimum": ("Minimum",),
    "Maximum": ("Maximum",),
    "Average": ("Sum", "SampleCount"),
}
"""What must be read of each grain to work a statistic out."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One metric under one statistic, in so many periods back from now."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    period_s: int
    periods: int

    def metric(self) -> dict[str, Any]:
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


Grains = Mapping[int, float]
"""A value by the start of its grain, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class PointReader:
    """Reads from one embedded CloudWatch."""

    cloudwatch: Any

    def read(self, wanted: Sequence[Wanted], now: float) -> dict[Wanted, list[float | None]]:
        """The points of each, oldest first; None is a period without data."""
        end = math.ceil(now / GRAIN_S) * GRAIN_S
        unique = list(dict.fromkeys(wanted))
        simple = [each for each in unique if each.statistic in NEEDED]
        queries = [(each, part) for each in simple for part in NEEDED[each.statistic]]
        grains = dict(self._grains(queries, end))
        points = {each: _points(each, grains, end) for each in simple}
        for each in unique:
            if each.statistic not in NEEDED:
                points[each] = [self._percentile(each, *span) for span in spans(each, end)]
        return points

    def _grains(
        self, queries: Sequence[tuple[Wanted, str]], end: int
    ) -> Iterator[tuple[tuple[Wanted, str], Grains]]:
        for start in range(0, len(queries), MOST_QUERIES):
            part = queries[start : start + MOST_QUERIES]
            longest = max(each.period_s * each.periods for each, _ in part)
            answer = self.cloudwatch.get_metric_data(
                MetricDataQueries=[_query(at, *each) for at, each in enumerate(part)],
                StartTime=datetime.fromtimestamp(end - longest, UTC),
                EndTime=datetime.fromtimestamp(end, UTC),
            )
            for result in answer["MetricDataResults"]:
                moments = (int(at.timestamp()) for at in result["Timestamps"])
                yield part[int(result["Id"][1:])], dict(zip(moments, result["Values"], strict=True))

    def _percentile(self, wanted: Wanted, start: int, end: int) -> float | None:
        """Percentiles do not add up, so each period is asked for by itself."""
        answer = self.cloudwatch.get_metric_statistics(
            **wanted.metric(),
            StartTime=datetime.fromtimestamp(start, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
            Period=10**9,  # all of the range in one
            ExtendedStatistics=[wanted.statistic],
        )
        for point in answer["Datapoints"]:
            return float(point["ExtendedStatistics"][wanted.statistic])
        return None


def spans(wanted: Wanted, end: int) -> list[tuple[int, int]]:
    """Start and end of each period, oldest first."""
    ends = [end - wanted.period_s * back for back in range(wanted.periods)]
    return [(at - wanted.period_s, at) for at in reversed(ends)]


def _query(number: int, wanted: Wanted, statistic: str) -> dict[str, Any]:
    stat = {"Metric": wanted.metric(), "Period": GRAIN_S, "Stat": statistic}
    return {"Id": f"q{number}", "MetricStat": stat, "ReturnData": True}


def _points(
    wanted: Wanted, grains: Mapping[tuple[Wanted, str], Grains], end: int
) -> list[float | None]:
    parts = [grains.get((wanted, name), {}) for name in NEEDED[wanted.statistic]]
    return [_statistic(wanted.statistic, parts, *span) for span in spans(wanted, end)]


def _statistic(name: str, parts: Sequence[Grains], start: int, end: int) -> float | None:
    inside = [list(_within(part, start, end)) for part in parts]
    if not inside[0]:
        return None
    if name == "Average":
        return sum(inside[0]) / sum(inside[1])
    if name in ("Minimum", "Maximum"):
        return min(inside[0]) if name == "Minimum" else max(inside[0])
    return sum(inside[0])


def _within(grains: Grains, start: int, end: int) -> Iterable[float]:
    return (value for at, value in grains.items() if start <= at < end)
