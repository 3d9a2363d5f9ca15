"""Metric math and searches, as far as they are understood; the rest is refused by name."""

from __future__ import annotations

import pytest

from local.bridge.expressions import ExpressionRefused, Scope, Value, evaluate, names_in
from local.bridge.searches import Metric, SearchRefused, parse_search
from local.bridge.series import Series

M1 = Series("m1", 60, {0: 10.0, 60: 20.0, 180: 40.0})
M2 = Series("m2", 60, {0: 2.0, 60: 0.0, 120: 5.0})
SCOPE = Scope({"m1": M1, "m2": M2}, (0, 60, 120, 180))


def points(value: Value) -> dict[int, float]:
    assert isinstance(value, Series)
    return dict(value.points)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m1 * 2", {0: 20, 60: 40, 180: 80}),
        ("100 * m2 / m1", {0: 20, 60: 0}),
        ("m1 / m2", {0: 5}),  # nothing where it would be divided by nothing
        ("1 + 2 * m1", {0: 21, 60: 41, 180: 81}),
        ("(1 + 2) * m1 ^ 2", {0: 300, 60: 1200, 180: 4800}),
        ("-m1", {0: -10, 60: -20, 180: -40}),
        ("m1 - m2 - 1", {0: 7, 60: 19}),
        ("FILL(m1, 0)", {0: 10, 60: 20, 120: 0, 180: 40}),
        ("FILL(m1, REPEAT)", {0: 10, 60: 20, 120: 20, 180: 40}),
        ("SUM([m1, m2])", {0: 12, 60: 20, 120: 5, 180: 40}),
        ("SUM(METRICS())", {0: 12, 60: 20, 120: 5, 180: 40}),
        ("MAX([m1, m2])", {0: 10, 60: 20, 120: 5, 180: 40}),
        ("AVG([m1, m2])", {0: 6, 60: 10, 120: 5, 180: 40}),
        ("IF(m1 > 15, m1, 0)", {0: 0, 60: 20, 180: 40}),
        ("IF(m1 > 15 AND m1 < 30, 1, 0)", {0: 0, 60: 1, 180: 0}),
        ("m1 >= 20 || m2 == 2", {0: 1, 60: 1}),
        ("RATE(m1)", {60: 10 / 60, 180: 20 / 120}),
        ("DIFF(m1)", {60: 10, 180: 20}),
        ("RUNNING_SUM(m1)", {0: 10, 60: 30, 180: 70}),
        ("m1 / PERIOD(m1)", {0: 10 / 60, 60: 20 / 60, 180: 40 / 60}),
        ("m1 - SUM(m1)", {0: -60, 60: -50, 180: -30}),
        ("ABS(-m1)", {0: 10, 60: 20, 180: 40}),
    ],
)
def test_expressions(text: str, expected: dict[int, float]) -> None:
    assert points(evaluate(text, SCOPE)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["", "m3", "m1 +", "m1 m2", "ANOMALY_DETECTION_BAND(m1)", "SUM(m1", "m1 % 2", "FILL(m1, LINEAR)", "SUM()",
     "SEARCH('{A} b', 'Sum', 60)", "[m1, m2] + [m1, m2]"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ExpressionRefused):
        evaluate(text, SCOPE)


def test_names_that_an_expression_uses() -> None:
    assert names_in("100 * SUM(m1) / e_2") == {"m1", "e_2"}


def test_a_search_gives_as_many_series_as_it_finds() -> None:
    asked = []

    def search(what: str, stat: str, period: int) -> list[Series]:
        asked.append((what, stat, period))
        return [M1, M2]

    scope = Scope({}, (0, 60, 120, 180), 60, search)
    found = evaluate("SEARCH('{Sluice,stack} Rows', 'Sum', 300)", scope)
    assert found == [M1, M2]
    assert points(evaluate("SUM(SEARCH('{Sluice,stack} Rows', 'Sum'))", scope))[0] == 12
    assert asked == [("{Sluice,stack} Rows", "Sum", 300), ("{Sluice,stack} Rows", "Sum", 60)]


ROWS = Metric("Sluice", "RowsRead", {"stack": "sluice", "source": "cars"})
LATENCY = Metric("Sluice", "VendorLatencyMs", {"stack": "sluice"})
ERRORS = Metric("AWS/Lambda", "Errors", {"FunctionName": "sluice-worker"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{Sluice,stack,source}", [ROWS]),
        ("{Sluice,source,stack} RowsRead", [ROWS]),
        ("{Sluice}", [ROWS, LATENCY]),
        ('{AWS/Lambda,FunctionName} MetricName="Errors"', [ERRORS]),
        ('{AWS/Lambda,FunctionName}, MetricName="Errors"', [ERRORS]),
        ('MetricName="Rows"', []),
        ("MetricName=Rows", [ROWS]),
        ("rows", [ROWS]),
        ("VendorLatency", [LATENCY]),
        ("rows OR latency", [ROWS, LATENCY]),
        ("sluice NOT latency", [ROWS, ERRORS]),
        ('Namespace="Sluice" (rows OR errors)', [ROWS]),
        ("source=cars AND stack=sluice", [ROWS]),
        ('"stack"="sluice" NOT "source"="cars"', [LATENCY]),
        ("FunctionName=worker", [ERRORS]),
        ("NOT Namespace=AWS", [ROWS, LATENCY]),
    ],
)
def test_searches(text: str, found: list[Metric]) -> None:
    fits = parse_search(text)
    assert [metric for metric in (ROWS, LATENCY, ERRORS) if fits(metric)] == found


@pytest.mark.parametrize("text", ["", "(rows", "rows OR", "NOT"])
def test_a_search_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SearchRefused):
        parse_search(text)
