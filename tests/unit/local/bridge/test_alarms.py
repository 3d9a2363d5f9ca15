"""States of metric alarms, by the tables that CloudWatch documents.

0 is a point within the threshold, X one beyond it, - a period without data; the evaluation range is 5 periods.
"""

from __future__ import annotations

import pytest

from local.bridge.alarms import AlarmRule, Missing, State

OK, ALARM, NONE = State.OK, State.ALARM, State.INSUFFICIENT_DATA
KEEP = None
ORDER = (Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)


def points(drawn: str) -> list[float | None]:
    return [{"0": 1.0, "X": 9.0, "-": None}[mark] for mark in drawn]


def rule(to_alarm: int, missing: Missing, periods: int = 3) -> AlarmRule:
    return AlarmRule("GreaterThanThreshold", 5.0, periods, to_alarm, missing)


@pytest.mark.parametrize(
    ("drawn", "states"),
    [
        ("0-X-X", (OK, OK, OK, OK)),
        ("0----", (OK, OK, OK, OK)),
        ("-----", (NONE, KEEP, ALARM, OK)),
        ("0XX-X", (ALARM, ALARM, ALARM, ALARM)),
        ("----X", (NONE, KEEP, ALARM, OK)),
        ("--X--", (ALARM, KEEP, ALARM, OK)),
        ("---X-", (NONE, KEEP, ALARM, OK)),
        ("000XX", (OK, OK, OK, OK)),
        ("00XXX", (ALARM, ALARM, ALARM, ALARM)),
        ("XXX00", (OK, OK, OK, OK)),
    ],
)
def test_three_of_three(drawn: str, states: tuple[State | None, ...]) -> None:
    judged = tuple(rule(3, missing).judge(points(drawn)).state for missing in ORDER)
    assert judged == states


@pytest.mark.parametrize(
    ("drawn", "states"),
    [
        ("0-X-X", (ALARM, ALARM, ALARM, ALARM)),
        ("00X0X", (ALARM, ALARM, ALARM, ALARM)),
        ("0-X--", (OK, OK, ALARM, OK)),
        ("----0", (OK, OK, ALARM, OK)),
        ("----X", (NONE, KEEP, ALARM, OK)),
        ("---X-", (ALARM, KEEP, ALARM, OK)),
    ],
)
def test_two_of_three(drawn: str, states: tuple[State | None, ...]) -> None:
    judged = tuple(rule(2, missing).judge(points(drawn)).state for missing in ORDER)
    assert judged == states


@pytest.mark.parametrize(
    ("drawn", "states"),
    [
        ("--X", (ALARM, ALARM, ALARM, ALARM)),
        ("X--", (ALARM, ALARM, ALARM, ALARM)),  # an older real point counts before a missing one
        ("X-0", (OK, OK, OK, OK)),
        ("---", (NONE, KEEP, ALARM, OK)),
    ],
)
def test_one_of_one(drawn: str, states: tuple[State | None, ...]) -> None:
    rules = [rule(1, missing, periods=1) for missing in ORDER]
    assert all(each.range == 3 for each in rules)
    assert tuple(each.judge(points(drawn)).state for each in rules) == states


@pytest.mark.parametrize(
    ("comparison", "at_threshold", "above", "below"),
    [
        ("GreaterThanThreshold", OK, ALARM, OK),
        ("GreaterThanOrEqualToThreshold", ALARM, ALARM, OK),
        ("LessThanThreshold", OK, OK, ALARM),
        ("LessThanOrEqualToThreshold", ALARM, OK, ALARM),
    ],
)
def test_comparisons_at_the_border(
    comparison: str, at_threshold: State, above: State, below: State
) -> None:
    one = AlarmRule(comparison, 5.0, 1, 1)
    for value, state in ((5.0, at_threshold), (5.001, above), (4.999, below)):
        assert one.judge([value]).state is state


def test_a_young_alarm_does_not_ring_for_missing_data_alone() -> None:
    """Breaching where nothing came yet: nobody is woken by a deploy. What is really bad rings at once."""
    one = rule(3, Missing.BREACHING)
    assert one.judge(points("-----"), young=True).state is None
    assert one.judge(points("----X"), young=True).state is None
    assert one.judge(points("----0"), young=True).state is OK
    assert one.judge(points("--XXX"), young=True).state is ALARM


def test_a_judgement_says_why() -> None:
    judged = rule(1, Missing.NOT_BREACHING, periods=2).judge([None, None, 9.0])
    assert judged.reason == (
        "1 of 1 needed breach: latest 9, breaching when > 5; 1 missing, treated as notBreaching"
    )
