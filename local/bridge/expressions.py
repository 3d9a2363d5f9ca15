"""Metric math, as far as Sluice uses it: arithmetic, comparisons, and the functions below.

A value is a number, a series, or several series; a sign between two works on each. Whatever is not understood is
refused by name: an alarm or a chart of a wrong figure is worse than none.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from local.bridge.series import Series, across, mean

Value = float | Series | list[Series]
Search = Callable[[str, str, int], list[Series]]
"""What to search for, the statistic, the period in seconds -> one series for each metric found."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|'(?P<text>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\""
    r"|(?P<sign><=|>=|==|!=|&&|\|\||[-+*/^<>(),\[\]]))"
)
_LEVELS: tuple[Mapping[str, Callable[[float, float], float]], ...] = (
    {"||": lambda a, b: float(bool(a) or bool(b)), "OR": lambda a, b: float(bool(a) or bool(b))},
    {"&&": lambda a, b: float(bool(a) and bool(b)), "AND": lambda a, b: float(bool(a) and bool(b))},
    {
        "<": lambda a, b: float(a < b),
        ">": lambda a, b: float(a > b),
        "<=": lambda a, b: float(a <= b),
        ">=": lambda a, b: float(a >= b),
        "==": lambda a, b: float(a == b),
        "!=": lambda a, b: float(a != b),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": lambda a, b: a / b if b else math.nan},
    {"^": operator.pow},
)
_MERGES: Mapping[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "AVG": mean,
    "MIN": min,
    "MAX": max,
}
_EACH: Mapping[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}


class ExpressionRefused(Exception):
    """An expression that is not understood, or uses an id that is not there."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may use: series by id, and every moment of the range that is looked at."""

    series: Mapping[str, Value]
    moments: Sequence[int]
    period_s: int = 60
    search: Search | None = None


def evaluate(text: str, scope: Scope) -> Value:
    """ExpressionRefused says what is wrong. A division by zero makes no point."""
    parser = _Parser(text, scope)
    value = parser.value()
    parser.end()
    return _without_nan(value)


def names_in(text: str) -> set[str]:
    """The ids that an expression uses."""
    return {m["name"] for m in _TOKEN.finditer(text) if m["name"] and m["name"][0].islower()}


class _Parser:
    def __init__(self, text: str, scope: Scope) -> None:
        self._text, self._scope = text, scope
        self._tokens = list(_tokens(text))

    def value(self, level: int = 0) -> Value:
        if level == len(_LEVELS):
            return self._one()
        found = self.value(level + 1)
        while (
            self._tokens and self._tokens[0][1] in _LEVELS[level] and self._tokens[0][0] != "text"
        ):
            function = _LEVELS[level][self._tokens.pop(0)[1]]
            found = _between(found, self.value(level + 1), function)
        return found

    def end(self) -> None:
        if self._tokens:
            raise ExpressionRefused(f"{self._tokens[0][1]!r} is too much in {self._text!r}")

    def _one(self) -> Value:
        kind, word = self._next()
        if word == "-" and kind == "sign":
            return _between(-1.0, self._one(), operator.mul)
        if word == "(" and kind == "sign":
            inner = self.value()
            self._need(")")
            return inner
        if word == "[" and kind == "sign":
            return [each for value in self._list("]") for each in _listed(value)]
        if kind == "number":
            return float(word)
        if kind == "name" and self._tokens[:1] == [("sign", "(")]:
            return self._call(word)
        if kind == "name" and word in self._scope.series:
            return self._scope.series[word]
        raise ExpressionRefused(f"{word!r} is not known in {self._text!r}")

    def _call(self, name: str) -> Value:
        self._need("(")
        if name == "SEARCH":
            return self._search()
        if name == "FILL":
            filled = self.value()
            self._need(",")
            how = self._next()[1] if self._tokens[0][0] == "name" else self.value()
            self._need(")")
            return _on_each(filled, lambda series: _fill(series, how, self._scope.moments))
        return self._function(name, self._list(")"))

    def _function(self, name: str, given: list[Value]) -> Value:
        if name == "METRICS" and not given:
            return [s for value in self._scope.series.values() for s in _listed(value)]
        if name in _MERGES and len(given) == 1:
            return _merged(given[0], _MERGES[name])
        if name in _EACH and len(given) == 1:
            return _on_each(given[0], lambda series: series.each(_EACH[name]))
        if name == "IF" and len(given) == 3:
            return _if(*given)
        if name in ("RATE", "DIFF") and len(given) == 1:
            return _on_each(given[0], lambda series: _steps(series, per_second=name == "RATE"))
        if name == "RUNNING_SUM" and len(given) == 1:
            return _on_each(given[0], _running_sum)
        if name == "PERIOD" and len(given) == 1 and isinstance(given[0], Series):
            return float(given[0].period_s)
        raise ExpressionRefused(f"{name} with {len(given)} is not understood in {self._text!r}")

    def _search(self) -> list[Series]:
        what = self._next()[1]
        self._need(",")
        statistic, period = self._next()[1], self._scope.period_s
        if self._tokens and self._tokens[0][1] == ",":
            self._need(",")
            period = int(float(self._next()[1]))
        self._need(")")
        if self._scope.search is None:
            raise ExpressionRefused(f"SEARCH is for dashboards only: {self._text!r}")
        return self._scope.search(what, statistic, period)

    def _list(self, closing: str) -> list[Value]:
        values: list[Value] = []
        while self._tokens and self._tokens[0] != ("sign", closing):
            values.append(self.value())
            if self._tokens and self._tokens[0] == ("sign", ","):
                self._tokens.pop(0)
        self._need(closing)
        return values

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise ExpressionRefused(f"{self._text!r} ends too early")
        return self._tokens.pop(0)

    def _need(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise ExpressionRefused(f"{sign!r} is missing in {self._text!r}")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ExpressionRefused(f"cannot read {text[at:].strip()!r} in {text!r}")
        kind = str(found.lastgroup)
        yield ("text" if kind == "double" else kind), found[kind]
        at = found.end()


def _listed(value: Value) -> list[Series]:
    if isinstance(value, float):
        raise ExpressionRefused("a number stands where a metric must")
    return value if isinstance(value, list) else [value]


def _on_each(value: Value, function: Callable[[Series], Series]) -> Value:
    if isinstance(value, list):
        return [function(series) for series in value]
    if isinstance(value, Series):
        return function(value)
    return next(iter(function(Series("", 60, {0: value})).points.values()))


def _between(one: Value, other: Value, function: Callable[[float, float], float]) -> Value:
    if isinstance(one, float) and isinstance(other, float):
        return float(function(one, other))
    if isinstance(other, float):
        return _on_each(one, lambda series: series.each(lambda value: function(value, other)))
    if isinstance(one, float):
        return _on_each(other, lambda series: series.each(lambda value: function(one, value)))
    if isinstance(one, Series) and isinstance(other, Series):
        return one.beside(other, function)
    if isinstance(one, list) and isinstance(other, Series):
        return [series.beside(other, function) for series in one]
    if isinstance(one, Series) and isinstance(other, list):
        return [one.beside(series, function) for series in other]
    raise ExpressionRefused("a sign between two lists of metrics is not understood")


def _merged(value: Value, function: Callable[[list[float]], float]) -> Value:
    """Several become one series; one series becomes a number."""
    if isinstance(value, list):
        return across(value, function)
    if isinstance(value, float):
        return value
    return float(function(list(value.points.values()))) if value.points else math.nan


def _if(condition: Value, then: Value, otherwise: Value) -> Value:
    if isinstance(condition, float):
        return then if condition else otherwise
    if isinstance(condition, list):
        raise ExpressionRefused("IF takes one metric as its condition")
    points = {}
    for at, holds in condition.points.items():
        chosen = then if holds else otherwise
        if isinstance(chosen, list):
            raise ExpressionRefused("IF gives one metric or a number")
        value = chosen if isinstance(chosen, float) else chosen.points.get(at)
        if value is not None:
            points[at] = value
    return condition.with_points(points)


def _fill(series: Series, how: Value | str, moments: Sequence[int]) -> Series:
    if how == "REPEAT":
        points, latest = {}, None
        for at in moments:
            latest = series.points.get(at, latest)
            if latest is not None:
                points[at] = latest
        return series.with_points(points)
    if not isinstance(how, float):
        raise ExpressionRefused(f"FILL with {how!r} is not understood")
    return series.with_points(dict.fromkeys(moments, how) | dict(series.points))


def _steps(series: Series, *, per_second: bool) -> Series:
    steps = pairwise(sorted(series.points.items()))
    return series.with_points(
        {at: (new - old) / ((at - was) if per_second else 1) for (was, old), (at, new) in steps}
    )


def _running_sum(series: Series) -> Series:
    total, points = 0.0, {}
    for at, value in sorted(series.points.items()):
        total += value
        points[at] = total
    return series.with_points(points)


def _without_nan(value: Value) -> Value:
    if isinstance(value, float):
        return value
    return _on_each(
        value,
        lambda series: series.with_points(
            {at: number for at, number in series.points.items() if not math.isnan(number)}
        ),
    )
