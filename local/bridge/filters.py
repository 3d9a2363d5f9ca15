"""Metric filters: a line of a log group that fits a pattern counts.

AWS does this by itself; the embedded AWS keeps the filters and does nothing with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.bridge.datums import Datum, dimensions_of
from local.bridge.patterns import Pattern, PatternRefused, compile_pattern, value_at


@dataclass(frozen=True, slots=True)
class Measure:
    """What a match counts as: a number, or what a selector (``$.rows``) points at."""

    namespace: str
    name: str
    value: str
    unit: str
    default: float | None
    dimensions: Mapping[str, str]

    def datum(self, document: Any, at_ms: int) -> Datum | None:
        """None where the selector points at no number, or a dimension's at nothing."""
        given = value_at(document, self.value) if self.value.startswith("$") else self.value
        found = {name: value_at(document, at) for name, at in self.dimensions.items()}
        if isinstance(given, bool | dict | list) or given is None or None in found.values():
            return None
        try:
            values = (float(given),)
        except ValueError:
            return None
        dimensions = dimensions_of({name: str(value) for name, value in found.items()})
        return Datum(self.namespace, self.name, dimensions, at_ms, values, self.unit)

    def otherwise(self, at_ms: int) -> Datum | None:
        """For a line that does not match; only where the filter has a default."""
        if self.default is None:
            return None
        return Datum(self.namespace, self.name, (), at_ms, (self.default,), self.unit)


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """One filter of one log group."""

    group: str
    name: str
    pattern: Pattern
    measures: Sequence[Measure]

    def datums(self, line: str, at_ms: int) -> Iterator[Datum]:
        """What a line of the group counts as."""
        fits = self.pattern.matches(line)
        document = json.loads(line) if fits else None
        for measure in self.measures:
            datum = measure.datum(document, at_ms) if fits else measure.otherwise(at_ms)
            if datum is not None:
                yield datum


def filters_of(described: Iterable[Mapping[str, Any]]) -> list[MetricFilter]:
    """From DescribeMetricFilters. PatternRefused names the filter."""
    return [_filter(each) for each in described]


def _filter(described: Mapping[str, Any]) -> MetricFilter:
    try:
        pattern = compile_pattern(described["filterPattern"])
    except PatternRefused as refused:
        raise PatternRefused(f"metric filter {described['filterName']}: {refused}") from refused
    measures = [_measure(each) for each in described["metricTransformations"]]
    return MetricFilter(described["logGroupName"], described["filterName"], pattern, measures)


def _measure(described: Mapping[str, Any]) -> Measure:
    default = described.get("defaultValue")
    return Measure(
        described["metricNamespace"],
        described["metricName"],
        str(described["metricValue"]),
        described.get("unit", "None"),
        None if default is None else float(default),
        described.get("dimensions", {}),
    )
