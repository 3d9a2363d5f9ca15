"""Rules of composite alarms, and when their actions are suppressed."""

from __future__ import annotations

import pytest

from local.bridge.alarms import State
from local.bridge.rules import RuleRefused, parse_rule
from local.bridge.suppression import Suppression

OK, ALARM, NONE = State.OK, State.ALARM, State.INSUFFICIENT_DATA
STATES = {"a": ALARM, "b": OK, "c": NONE, "with space": ALARM}


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("ALARM(a)", ALARM),
        ('ALARM("a")', ALARM),
        ('ALARM("with space")', ALARM),
        ('ALARM("arn:aws:cloudwatch:us-east-1:000000000000:alarm:a")', ALARM),
        ("OK(a)", OK),
        ("OK(b)", ALARM),
        ("INSUFFICIENT_DATA(c)", ALARM),
        ("NOT ALARM(a)", OK),
        ("NOT NOT ALARM(a)", ALARM),
        ("NOT (ALARM(b) OR ALARM(c))", ALARM),
        ("ALARM(a) AND ALARM(b)", OK),
        ("ALARM(a) AND NOT ALARM(b)", ALARM),
        # AND binds closer than OR, NOT closer than AND.
        ("ALARM(a) OR ALARM(b) AND ALARM(c)", ALARM),
        ("(ALARM(a) OR ALARM(b)) AND ALARM(c)", OK),
        ("NOT ALARM(a) AND ALARM(b) OR TRUE", ALARM),
        ("TRUE", ALARM),
        ("FALSE", OK),
        ("\n  ALARM(a)\n  OR\n  ALARM(b)\n", ALARM),
    ],
)
def test_rules(text: str, state: State) -> None:
    assert parse_rule(text).state(STATES) is state


@pytest.mark.parametrize(
    "text",
    ["", "ALARM", "ALARM()", "ALARM(a", "ALARM(a) ALARM(b)", "ALARM(a) XOR ALARM(b)", "(ALARM(a)", "RINGS(a)",
     "ALARM(a) AND", "ALARM(a))", "NOT", "alarm(a)"],
)  # fmt: skip
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RuleRefused):
        parse_rule(text)


def test_a_rule_says_what_it_is_made_of() -> None:
    """Each alarm once, in its order; one that is not there is named."""
    rule = parse_rule("ALARM(b) OR OK(a) AND ALARM(b)")
    assert rule.alarms == ("b", "a")
    with pytest.raises(RuleRefused, match="'b'"):
        rule.state({"a": OK})


def played(
    *looks: tuple[float, State, State], wait: float = 2, extension: float = 3
) -> list[object]:
    """(moment, composite, suppressor) in turn -> (moment, state whose actions are taken)."""
    one = Suppression(wait, extension, OK)
    taken = [(at, one.look(state, suppressor, at)) for at, state, suppressor in looks]
    return [(at, state) for at, state in taken if state is not None]


def test_actions_are_taken_when_the_wait_is_over() -> None:
    looks = [(0, OK, OK), (2, ALARM, OK), (3, ALARM, OK), (4, ALARM, OK), (5, ALARM, OK)]
    assert played(*looks) == [(4, ALARM)]


def test_a_suppressor_that_rings_within_the_wait_suppresses() -> None:
    looks = [(2, ALARM, OK), (3, ALARM, ALARM), (4, ALARM, ALARM), (9, ALARM, ALARM)]
    assert played(*looks) == []


def test_a_suppressor_that_rings_already_suppresses_at_once() -> None:
    """When it falls silent, the extension is waited for; then what is still out is told."""
    looks = [(1, OK, ALARM), (2, ALARM, ALARM), (6, ALARM, OK), (8, ALARM, OK), (9, ALARM, OK)]
    assert played(*looks) == [(9, ALARM)]


def test_what_ends_within_the_extension_is_told_as_ended() -> None:
    """Nobody hears of the alarm any more; the state that is told is the one that there is by then."""
    looks = [(2, ALARM, ALARM), (6, ALARM, OK), (8, OK, OK), (9, OK, OK), (12, OK, OK)]
    assert played(*looks) == [(9, OK)]


def test_a_suppressor_that_rings_again_goes_on_suppressing() -> None:
    looks = [
        (2, ALARM, ALARM),
        (6, ALARM, OK),
        (8, ALARM, ALARM),
        (9, ALARM, ALARM),
        (20, ALARM, OK),
        (23, ALARM, OK),
    ]
    assert played(*looks) == [(23, ALARM)]


def test_a_change_back_within_the_wait_waits_anew() -> None:
    looks = [(2, ALARM, OK), (3, OK, OK), (4, OK, OK), (5, OK, OK)]
    assert played(*looks) == [(5, OK)]


def test_without_a_change_nothing_is_told() -> None:
    looks = [(1, OK, OK), (2, OK, ALARM), (3, OK, OK), (30, OK, OK)]
    assert played(*looks) == []
