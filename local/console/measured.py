"""What the embedded CloudWatch recorded of a dashboard's metrics: all widgets of a page in few calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.bridge.expressions import ExpressionRefused, Scope, Value, evaluate
from local.bridge.searches import Metric, SearchRefused, parse_search
from local.bridge.series import Series
from local.console.widgets import Axis, Row, Widget

MOST_QUERIES = 500
MOST_LINES = 60
"""So many series of one widget are drawn; a search may find more."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A series as it is to be drawn."""

    label: str
    series: Series
    axis: Axis
    unit: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What a widget shows, and what could not be worked out, in words."""

    drawn: Sequence[Drawn] = ()
    refused: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """From ``start`` up to ``end``, in Unix seconds. ``period_s`` replaces the widgets' own where given."""

    start: int
    end: int
    period_s: int | None = None


_SEARCH = re.compile(r"SEARCH\(\s*'([^']*)'\s*,\s*'([^']*)'\s*(?:,\s*(\d+))?\s*\)")

_Key = tuple[tuple[str, ...], str, int]
"""Metric, statistic, period."""


@dataclass(slots=True)
class Reader:
    """Reads for one page. ``points`` keeps what was read."""

    cloudwatch: Any
    range: Range
    _points: dict[_Key, Mapping[int, float]] = field(default_factory=dict)
    _metrics: list[Metric] | None = None

    def read(self, widgets: Sequence[Widget]) -> list[Measured]:
        """One for each widget; nothing for those that are no charts."""
        wanted: dict[_Key, None] = {}
        for widget in widgets:
            for row in widget.rows:
                wanted |= dict.fromkeys(self._keys(row))
        self._fetch([key for key in wanted if key not in self._points])
        return [self._measured(widget) for widget in widgets]

    def _keys(self, row: Row) -> Iterator[_Key]:
        """A search's metrics are found out here, so that they are read with the others."""
        if row.metric:
            yield row.metric, row.stat, self.range.period_s or row.period_s
        for what, stat, own in _SEARCH.findall(row.expression):
            try:
                found = self._found(what)
            except SearchRefused:
                continue  # said where the widget is worked out
            for metric in found:
                yield _array(metric), stat, self.range.period_s or int(own or row.period_s)

    def _found(self, what: str) -> list[Metric]:
        if self._metrics is None:
            pages = self.cloudwatch.get_paginator("list_metrics").paginate()
            listed = [each for page in pages for each in page["Metrics"]]
            self._metrics = [_metric(each) for each in listed]
        fits = parse_search(what)
        return [metric for metric in self._metrics if fits(metric)][:MOST_LINES]

    def _fetch(self, keys: Sequence[_Key]) -> None:
        for start in range(0, len(keys), MOST_QUERIES):
            part = keys[start : start + MOST_QUERIES]
            answer = self.cloudwatch.get_metric_data(
                MetricDataQueries=[_query(at, key) for at, key in enumerate(part)],
                StartTime=datetime.fromtimestamp(self.range.start, UTC),
                EndTime=datetime.fromtimestamp(self.range.end, UTC),
            )
            for result in answer["MetricDataResults"]:
                moments = (int(at.timestamp()) for at in result["Timestamps"])
                key = part[int(result["Id"][1:])]
                self._points[key] = dict(zip(moments, result["Values"], strict=True))

    def _measured(self, widget: Widget) -> Measured:
        known: dict[str, Value] = {}
        drawn: list[Drawn] = []
        refused = []
        labels = _labels([row for row in widget.rows if row.metric])
        for row in widget.rows:
            if row.metric:
                known[row.id] = self._series(row.metric, row.stat, row.period_s, labels[row.id])
        for row in widget.rows:
            try:
                value = known[row.id] if row.metric else self._worked_out(row, known)
            except (ExpressionRefused, SearchRefused) as error:
                refused.append(str(error))
                continue
            known[row.id] = value
            if row.visible:
                drawn += _drawn(row, value, self.range)
        return Measured(drawn[:MOST_LINES], refused)

    def _worked_out(self, row: Row, known: Mapping[str, Value]) -> Value:
        period = self.range.period_s or row.period_s
        first = self.range.start // period * period
        moments = range(first, self.range.end, period)
        scope = Scope(known, moments, period, self._search)
        return evaluate(row.expression, scope)

    def _search(self, what: str, stat: str, period: int) -> list[Series]:
        found = self._found(what)
        varies = _what_varies(found)
        return [
            self._series(_array(metric), stat, period, _name(metric, varies)) for metric in found
        ]

    def _series(self, metric: tuple[str, ...], stat: str, period: int, label: str) -> Series:
        own = self.range.period_s or period
        return Series(label, own, self._points.get((metric, stat, own), {}))


def _drawn(row: Row, value: Value, over: Range) -> Iterator[Drawn]:
    if isinstance(value, float):
        yield Drawn(row.label or row.id, Series("", 60, {over.end: value}), row.axis, "")
        return
    many = isinstance(value, list)
    for series in value if isinstance(value, list) else [value]:
        label = series.label if many else (row.label or series.label or row.id)
        yield Drawn(
            label, series, row.axis, unit_of(row.metric[1] if row.metric else row.expression)
        )


_UNITS = {"Ms": "ms", "Duration": "ms", "Seconds": "s", "OldestMessage": "s", "Percent": "%"}


def unit_of(named: str) -> str:
    """By how the metric's name ends: recorded values carry no unit here. Nothing for what counts."""
    words = re.findall(r"\w+", named)
    return next((unit for end, unit in _UNITS.items() if any(w.endswith(end) for w in words)), "")


def _metric(listed: Mapping[str, Any]) -> Metric:
    dimensions = {each["Name"]: each["Value"] for each in listed["Dimensions"]}
    return Metric(listed["Namespace"], listed["MetricName"], dimensions)


def _array(metric: Metric) -> tuple[str, ...]:
    pairs = [word for pair in metric.dimensions.items() for word in pair]
    return metric.namespace, metric.name, *pairs


def _what_varies(metrics: Sequence[Metric]) -> list[str]:
    """The dimensions in which found metrics differ; they make their labels."""
    names = list(dict.fromkeys(name for metric in metrics for name in metric.dimensions))
    return [n for n in names if len({metric.dimensions.get(n) for metric in metrics}) > 1]


def _name(metric: Metric, varies: Sequence[str]) -> str:
    return (
        " ".join(metric.dimensions[name] for name in varies if name in metric.dimensions)
        or metric.name
    )


def _labels(rows: Sequence[Row]) -> Mapping[str, str]:
    """By id: the given one, else the words in which metrics of the widget differ, as CloudWatch does."""
    told = {row.id: [row.metric[1], *row.dimensions.values(), row.stat] for row in rows}
    shared = set.intersection(*(set(words) for words in told.values())) if len(told) > 1 else set()
    own = {
        row.id: " ".join(word for word in told[row.id] if word not in shared) or row.metric[1]
        for row in rows
    }
    if len(told) == 1:
        own = {row.id: row.metric[1] for row in rows}
    return {row.id: row.label or own[row.id] for row in rows}


def _query(number: int, key: _Key) -> dict[str, Any]:
    (namespace, name, *pairs), stat, period = key
    dimensions = [{"Name": n, "Value": v} for n, v in zip(pairs[::2], pairs[1::2], strict=True)]
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}
