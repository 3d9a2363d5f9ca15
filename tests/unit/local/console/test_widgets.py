"""A dashboard's body is read as CloudWatch reads it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from local.console.widgets import DashboardRefused, read_dashboard, written_out


def metrics(*entries: list[Any]) -> list[tuple[str, ...]]:
    return [metric for metric, _ in written_out(entries)]


def test_a_dot_stands_for_what_stood_there_before() -> None:
    assert metrics(
        ["Sluice", "RowsRead", "stack", "sluice", "source", "cars"],
        [".", "RowsInserted", ".", ".", ".", "."],
        [".", "Errors", ".", "other"],
    ) == [
        ("Sluice", "RowsRead", "stack", "sluice", "source", "cars"),
        ("Sluice", "RowsInserted", "stack", "sluice", "source", "cars"),
        ("Sluice", "Errors", "stack", "other"),
    ]


def test_three_dots_stand_for_as_much_as_is_needed() -> None:
    assert metrics(
        ["Sluice", "Slices", "stack", "sluice", "outcome", "committed"],
        ["...", "deferred"],
        [".", "Late", "...", {"stat": "Sum"}],
        ["...", "outcome", "x"],
    ) == [
        ("Sluice", "Slices", "stack", "sluice", "outcome", "committed"),
        ("Sluice", "Slices", "stack", "sluice", "outcome", "deferred"),
        ("Sluice", "Late", "stack", "sluice", "outcome", "deferred"),
        ("Sluice", "Late", "stack", "sluice", "outcome", "x"),
    ]


def test_an_expression_between_does_not_break_the_shorthand() -> None:
    found = list(
        written_out([["A", "m", "k", "v"], [{"expression": "m1*2", "id": "e"}], ["...", "w"]])
    )
    assert [metric for metric, _ in found] == [("A", "m", "k", "v"), (), ("A", "m", "k", "w")]
    assert found[1][1] == {"expression": "m1*2", "id": "e"}


@pytest.mark.parametrize("entries", [[[".", "m"]], [["A"]], [["A", "m", "k"]]])
def test_shorthand_of_nothing_is_refused(entries: list[list[Any]]) -> None:
    with pytest.raises(DashboardRefused):
        list(written_out(entries))


BODY = {
    "start": "-PT3H",
    "widgets": [
        {"type": "metric", "x": 12, "y": 3, "width": 12, "height": 6, "properties": {
            "title": "Rows", "stat": "Sum", "period": 60, "stacked": True, "view": "timeSeries",
            "metrics": [["Sluice", "A", {"label": "a", "id": "m1", "visible": False}],
                        [".", "B", {"stat": "p95", "period": 300, "yAxis": "right"}],
                        [{"expression": "m1 * 2", "label": "twice", "id": "e1"}]],
            "yAxis": {"left": {"min": 0, "label": "rows"}, "right": {"max": 100}},
            "annotations": {"horizontal": [{"label": "target", "value": 5},
                                           [{"value": 1}, {"value": 2, "yAxis": "right"}]]}}},
        {"type": "text", "x": 0, "y": 0, "width": 24, "height": 3, "properties": {"markdown": "# Hi"}},
    ],
}  # fmt: skip


def test_a_dashboard_is_read_with_what_applies_to_each_metric() -> None:
    board = read_dashboard(json.dumps(BODY))
    assert board.span == timedelta(hours=3)
    text, chart = board.widgets  # from the top
    assert (text.kind, text.width) == ("text", 24)
    assert (chart.title, chart.stacked, chart.view) == ("Rows", True, "timeSeries")
    first, second, third = chart.rows
    assert (first.label, first.stat, first.period_s, first.visible) == ("a", "Sum", 60, False)
    assert (second.stat, second.period_s, second.axis) == ("p95", 300, "right")
    assert (third.expression, third.label, third.metric) == ("m1 * 2", "twice", ())
    assert [(line.value, line.label, line.axis) for line in chart.lines] == [
        (5.0, "target", "left"), (1.0, "", "left"), (2.0, "", "right"),
    ]  # fmt: skip
    assert (chart.axes["left"].label, chart.axes["left"].low, chart.axes["right"].high) == (
        "rows",
        0,
        100,
    )


@pytest.mark.parametrize(
    ("start", "span"),
    [
        ("-PT15M", timedelta(minutes=15)), ("-P1W", timedelta(weeks=1)), ("-P1DT6H", timedelta(days=1, hours=6)),
        ("", None), ("2026-01-01T00:00:00Z", None),
    ],
)  # fmt: skip
def test_the_range_it_asks_for(start: str, span: timedelta | None) -> None:
    assert read_dashboard(json.dumps({"start": start, "widgets": []})).span == span


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"widgets": [{}]}', '{"widgets": 3}'])
def test_what_is_no_dashboard_is_refused(body: str) -> None:
    with pytest.raises(DashboardRefused):
        read_dashboard(body)
