"""Metric filters' patterns, by the examples that CloudWatch Logs documents."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from local.bridge.filters import filters_of
from local.bridge.patterns import PatternRefused, compile_pattern
from local.places import PROJECT

TRAIL = {
    "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
    "SomeObject": None, "ThisFlag": True, "latency": 512.5, "code": 400, "text": "12",
}  # fmt: skip
USERS = {
    "user": {"id": 1, "email": "John.Stiles@example.com"},
    "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane@example.com"}],
    "actions": ["GET", "PUT", "DELETE"], "coordinates": [[0, 1, 2], [4, 5, 6]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ('{ $.eventType = "updatetrail" }', False),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType = "*Trail" }', True),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress != 111.111.* }", False),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[2] = "value" }', False),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.Nowhere IS NULL }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.latency >= 500 }", True),
        ("{ $.latency < 10e1 }", False),
        ("{ $.latency > +1000 }", False),
        ("{ $.code = 400 }", True),
        ("{ $.code != 400 }", False),
        ("{ $.text > 11 }", True),
        ("{ $.eventType > 1 }", False),
    ],
)
def test_comparisons(pattern: str, fits: bool) -> None:
    assert compile_pattern(pattern).matches(json.dumps(TRAIL)) is fits


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', True),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', False),
        (
            '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch'
            " && $.actions[2] = nomatch }",
            True,
        ),
        (
            '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch)'
            " && $.actions[2] = nomatch }",
            False,
        ),
        # What is no value is neither equal nor unequal.
        ("{ $.users = 1 }", False),
        ("{ $.users != 1 }", False),
        ("{ $.nowhere != 1 }", False),
    ],
)
def test_and_comes_before_or(pattern: str, fits: bool) -> None:
    assert compile_pattern(pattern).matches(json.dumps(USERS)) is fits


@pytest.mark.parametrize("line", ["no JSON", "{broken", '["a"]', "", "START RequestId: 1"])
def test_a_line_that_is_no_object_never_matches(line: str) -> None:
    assert not compile_pattern("{ $.a NOT EXISTS }").matches(line)


@pytest.mark.parametrize(
    "pattern",
    [
        "ERROR", "[ip, user]", "{ }", "{ $.a }", "{ $.a = }", "{ $.a ~ 1 }", "{ ($.a = 1 }", "{ $.a = %x% }",
        "{ $.a = 1 ) }", "{ $.a IS EMPTY }", '{ $.a > "x" }', "{ $.a = 1 && }", "{ $.a NOT NULL }",
        "{ $.a = 1 $.b = 2 }", "%ERROR%", "",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(pattern: str) -> None:
    """Never taken for a pattern that fits everything, or nothing."""
    with pytest.raises(PatternRefused):
        compile_pattern(pattern)


def test_every_pattern_of_the_template_is_understood() -> None:
    text = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    patterns = [
        yaml.safe_load(p) for p in re.findall(r"^\s+FilterPattern: (.+)$", text, re.MULTILINE)
    ]
    assert len(patterns) >= 7
    for pattern in patterns:
        compile_pattern(pattern)


def described(pattern: str, **transformation: object) -> dict[str, object]:
    made = {"metricNamespace": "Sluice", "metricName": "Failed", "metricValue": "1"}
    return {
        "logGroupName": "/aws/lambda/w", "filterName": "f", "filterPattern": pattern,
        "metricTransformations": [made | transformation],
    }  # fmt: skip


def test_a_match_counts_as_its_number() -> None:
    (one,) = filters_of([described('{ $.message = "x" }')])
    (datum,) = one.datums('{"message": "x"}', 5)
    assert (datum.namespace, datum.name, datum.values, datum.at_ms) == (
        "Sluice",
        "Failed",
        (1.0,),
        5,
    )
    assert list(one.datums('{"message": "y"}', 5)) == []


def test_a_match_counts_as_what_a_selector_points_at() -> None:
    """With dimensions out of the line; a line without the number counts nothing."""
    given = described(
        "{ $.rows = * }", metricValue="$.rows", unit="Count", dimensions={"source": "$.source"}
    )
    (one,) = filters_of([given])
    (datum,) = one.datums('{"rows": 7, "source": "cars"}', 5)
    assert (datum.values, datum.dimensions, datum.unit) == ((7.0,), (("source", "cars"),), "Count")
    assert list(one.datums('{"rows": "many", "source": "cars"}', 5)) == []
    assert list(one.datums('{"rows": 7}', 5)) == []


def test_a_default_counts_where_nothing_matches() -> None:
    (one,) = filters_of([described('{ $.message = "x" }', defaultValue=0.0)])
    assert [datum.values for datum in one.datums("anything", 5)] == [(0.0,)]


def test_a_refused_filter_is_named() -> None:
    with pytest.raises(PatternRefused, match="metric filter f"):
        filters_of([described("ERROR")])
