"""The body of a CloudWatch dashboard, read: its widgets, with the shorthand of their metrics written out.

A metric is an array of namespace, name and pairs of dimensions, with options at its end. ``"."`` stands for what stood
at the same place of the metric before, ``"..."`` for as many of these as are needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

Axis = Literal["left", "right"]

GRID = 24
"""A dashboard is so many columns wide."""
_DURATION = re.compile(
    r"-P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?"
)


class DashboardRefused(Exception):
    """A body that CloudWatch would not take either. Says where."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a metric widget: a metric or an expression, and how it is drawn."""

    id: str
    metric: tuple[str, ...] = ()
    """Namespace, name, then dimension names and values in turn; empty for an expression."""
    expression: str = ""
    label: str = ""
    stat: str = "Average"
    period_s: int = 300
    axis: Axis = "left"
    visible: bool = True

    @property
    def dimensions(self) -> Mapping[str, str]:
        return dict(zip(self.metric[2::2], self.metric[3::2], strict=True))


@dataclass(frozen=True, slots=True)
class Line:
    """A horizontal annotation: a threshold, most often."""

    value: float
    label: str = ""
    axis: Axis = "left"


@dataclass(frozen=True, slots=True)
class YAxis:
    label: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Widget:
    """One widget and where it stands. ``properties`` are as given; of metric widgets the rest is read out of them."""

    kind: str
    x: int
    y: int
    width: int
    height: int
    title: str
    properties: Mapping[str, Any]
    rows: Sequence[Row] = ()
    lines: Sequence[Line] = ()
    axes: Mapping[Axis, YAxis] = field(default_factory=dict)
    period_s: int = 300

    @property
    def view(self) -> str:
        return str(self.properties.get("view", "timeSeries"))

    @property
    def stacked(self) -> bool:
        return bool(self.properties.get("stacked", False))


@dataclass(frozen=True, slots=True)
class Dashboard:
    """``span``: the range of time that the dashboard asks for, if it does."""

    widgets: Sequence[Widget]
    span: timedelta | None = None


def read_dashboard(body: str) -> Dashboard:
    """DashboardRefused for what is no dashboard."""
    try:
        document = json.loads(body)
        widgets = [_widget(each) for each in document["widgets"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DashboardRefused(f"this is no body of a dashboard: {error!r}") from error
    in_order = sorted(widgets, key=lambda widget: (widget.y, widget.x))
    return Dashboard(in_order, _span(document.get("start", "")))


def written_out(
    metrics: Sequence[Sequence[Any]],
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Each entry's metric without shorthand, and its options."""
    before: tuple[str, ...] = ()
    for entry in metrics:
        given = [each for each in entry if not isinstance(each, dict)]
        options = next((each for each in entry if isinstance(each, dict)), {})
        if given:
            before = _full([str(each) for each in given], before)
        yield (before if given else ()), options


def _full(given: list[str], before: tuple[str, ...]) -> tuple[str, ...]:
    if "..." in given:
        at = given.index("...")
        rest = given[at + 1 :]
        taken = before[at : len(before) - len(rest)]
        given = [*given[:at], *taken, *rest]
    full = []
    for at, each in enumerate(given):
        if each == "." and at >= len(before):
            raise DashboardRefused(f"{given} says '.' where the metric before it has nothing")
        full.append(before[at] if each == "." else each)
    if len(full) < 2 or len(full) % 2:
        raise DashboardRefused(f"{full} is no namespace, name and pairs of dimensions")
    return tuple(full)


def _widget(given: Mapping[str, Any]) -> Widget:
    properties = given.get("properties", {})
    period = int(properties.get("period", 300))
    axes = properties.get("yAxis", {})
    return Widget(
        kind=given["type"],
        x=int(given.get("x", 0)),
        y=int(given.get("y", 0)),
        width=int(given.get("width", 6)),
        height=int(given.get("height", 6)),
        title=str(properties.get("title", "")),
        properties=properties,
        rows=tuple(_rows(properties, period)) if given["type"] == "metric" else (),
        lines=tuple(_lines(properties)),
        axes={side: _axis(axes[side]) for side in ("left", "right") if side in axes},
        period_s=period,
    )


def _rows(properties: Mapping[str, Any], period: int) -> Iterator[Row]:
    stat = properties.get("stat", "Average")
    for at, (metric, options) in enumerate(written_out(properties.get("metrics", []))):
        yield Row(
            id=options.get("id", f"unnamed{at}"),
            metric=metric,
            expression=options.get("expression", ""),
            label=options.get("label", ""),
            stat=options.get("stat", stat),
            period_s=int(options.get("period", period)),
            axis="right" if options.get("yAxis") == "right" else "left",
            visible=options.get("visible", True),
        )


def _lines(properties: Mapping[str, Any]) -> Iterator[Line]:
    for given in properties.get("annotations", {}).get("horizontal", ()):
        for each in (
            given if isinstance(given, list) else [given]
        ):  # a pair is a band: both its ends
            axis: Axis = "right" if each.get("yAxis") == "right" else "left"
            yield Line(float(each["value"]), str(each.get("label", "")), axis)


def _axis(given: Mapping[str, Any]) -> YAxis:
    return YAxis(given.get("label", ""), given.get("min"), given.get("max"))


def _span(start: str) -> timedelta | None:
    found = _DURATION.fullmatch(start)
    if found is None:
        return None  # none asked for, or a fixed moment, which a local stack does not reach back to
    return timedelta(**{unit: int(count or 0) for unit, count in found.groupdict().items()})
