"""Lines in the embedded metric format become measurements, as CloudWatch Logs makes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.bridge.datums import MOST_VALUES, UNITS, Datum, calls
from local.bridge.emf import EmfRefused, datums_of


def line(*directives: dict[str, Any], at: Any = 1_700_000_000_123, **root: Any) -> str:
    return json.dumps({"_aws": {"Timestamp": at, "CloudWatchMetrics": list(directives)}, **root})


def directive(*metrics: str, sets: Any = ((),), unit: str = "Count", **more: Any) -> dict[str, Any]:
    listed = [{"Name": name, "Unit": unit} for name in metrics]
    return {"Namespace": "Sluice", "Dimensions": list(sets), "Metrics": listed, **more}


def test_each_set_of_dimensions_is_a_metric_of_its_own() -> None:
    """One line with two sets and two metrics is four measurements; several values stay together."""
    given = line(
        directive("Rows", "Ms", sets=[["stack"], ["stack", "source"], []]),
        Rows=3, Ms=[1, 2.5], stack="sluice", source="cars", client_id="not a dimension",
    )  # fmt: skip
    found = {(each.name, each.dimensions): each for each in datums_of(given)}
    assert len(found) == 6
    both = (("source", "cars"), ("stack", "sluice"))
    assert found["Rows", both] == Datum("Sluice", "Rows", both, 1_700_000_000_123, (3.0,), "Count")
    assert found["Ms", ()].values == (1.0, 2.5)


def test_each_directive_has_its_own_namespace_and_units() -> None:
    given = line(directive("A", unit="Milliseconds"), directive("B", Namespace="Other"), A=1, B=2)
    assert [(d.namespace, d.name, d.unit) for d in datums_of(given)] == [
        ("Sluice", "A", "Milliseconds"), ("Other", "B", "Count"),
    ]  # fmt: skip


def test_a_metric_without_unit_and_an_empty_list() -> None:
    """No unit is None; an empty list of values is nothing measured."""
    bare = {"Namespace": "S", "Dimensions": [[]], "Metrics": [{"Name": "A"}, {"Name": "B"}]}
    assert [(d.name, d.unit) for d in datums_of(line(bare, A=1, B=[]))] == [("A", "None")]


@pytest.mark.parametrize(
    "other", ["START RequestId: 1", '{"message": "slice"}', 'we write "_aws" here', '["_aws"]', ""]
)
def test_other_lines_measure_nothing(other: str) -> None:
    assert datums_of(other) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (line(directive("A", sets=[["stack"]]), A=1), "dimension 'stack'"),
        (line(directive("A", sets=[["stack"]]), A=1, stack=5), "dimension 'stack'"),
        (line(directive("A")), "metric 'A'"),
        (line(directive("A"), A="3"), "metric 'A'"),
        (line(directive("A"), A=True), "metric 'A'"),
        (line(directive("A"), A=list(range(101))), "at most 100"),
        (line(directive("A", unit="Rows"), A=1), "unit 'Rows'"),
        (line(directive("A"), at="yesterday", A=1), "Timestamp"),
        (line(directive("A", Namespace=""), A=1), "Namespace"),
        (line(directive("A", sets=["stack"]), A=1, stack="x"), "set of dimensions"),
        (line(directive(*[f"m{i}" for i in range(101)])), "at most 100"),
        (json.dumps({"_aws": {"Timestamp": 1}}), "CloudWatchMetrics"),
        (json.dumps({"_aws": 1}), "_aws is no object"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_as_specified_is_refused_by_name(given: str, says: str) -> None:
    with pytest.raises(EmfRefused, match=says):
        datums_of(given)


def test_units_are_those_of_cloudwatch() -> None:
    assert {"Kilobytes", "Terabits/Second", "Bytes", "Count/Second", "Percent"} <= UNITS
    assert "KiloBytes" not in UNITS
    assert len(UNITS) == 27


def test_calls_keep_to_the_limits_and_lose_nothing() -> None:
    """Values are split where a call takes no more of them; each namespace has its own calls."""
    many = Datum("A", "m", (("k", "v"),), 1_500, tuple(map(float, range(MOST_VALUES + 1))))
    rows = [
        row for namespace, rows in calls([many, Datum("B", "m", (), 1, (1.0,))]) for row in rows
    ]
    assert [len(row["Values"]) for row in rows] == [MOST_VALUES, 1, 1]
    assert rows[0]["Dimensions"] == [{"Name": "k", "Value": "v"}]
    assert rows[0]["Timestamp"].timestamp() == 1.5
    assert [len(part) for _, part in calls([Datum("A", "m", (), 1, (1.0,))] * 1_001)] == [
        500,
        500,
        1,
    ]
