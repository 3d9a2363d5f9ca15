"""``where`` in the simulated Mixpanel: the grammar that is in use, and nothing beside it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.vendors.mixpanel.expressions import ExpressionError, parsed, seconds_asked

SAID: dict[str, Any] = {
    "name": "Ada",
    "n": 5,
    "half": 0.5,
    "yes": True,
    "none": None,
    "list": ["a", "b"],
    'quoted"': "it's",
    "$time": 100,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('properties["name"] == "Ada"', True),
        ("properties['name']=='Ada'", True),
        ('properties["name"] != "Ada"', False),
        ('properties["n"] >= 5 and properties["n"] <= 5', True),
        ('properties["n"] > 5 or properties["n"] < 5', False),
        ('properties["n"] == 5.0', True),
        ('properties["n"] > -1', True),
        ('properties["half"] < 1', True),
        ('properties["yes"] == true', True),
        ('properties["yes"] == 1', False),
        ('properties["n"] == "5"', False),
        ('properties["n"] != "5"', True),
        ('properties["none"] == false', False),
        ('properties["missing"] < 1', False),
        ('properties["missing"] != 1', True),
        ('properties["quoted\\""] == "it\'s"', True),
        ('"d" in properties["name"]', True),
        ('"D" in properties["name"]', False),
        ('"a" in properties["list"]', True),
        ('"5" in properties["n"]', False),
        ('properties["n"] in [1, 5]', True),
        ('properties["name"] in ["Bob"]', False),
        ('properties["$time"] >= datetime(100)', True),
        ('properties["$time"] < datetime(100)', False),
        # "and" binds more than "or"
        ('properties["n"] == 5 or properties["n"] == 5 and properties["n"] == 6', True),
        ('(properties["n"] == 5 or properties["n"] == 5) and properties["n"] == 6', False),
    ],
)
def test_what_holds(text, holds):
    """Values of different kinds are unequal, and neither is less."""
    assert parsed(text).holds(SAID) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        'properties["n"]',
        'properties["n"] =',
        'properties["n"] = 5',
        'properties["n"] == ',
        'properties["n"] == 5 5',
        'properties["n"] == 5)',
        '(properties["n"] == 5',
        "properties[n] == 5",
        'properties["n" == 5',
        'user["$email"] == "a"',
        'not properties["n"] == 5',
        'properties["n"] + 1 == 6',
        'number(properties["n"]) == 5',
        'properties["n"] == properties["half"]',
        'properties["n"] == datetime(5)',
        'properties["$time"] >= 5',
        'properties["$time"] >= datetime("2027-01-15")',
        'properties["$time"] >= datetime(5',
        'properties["n"] in []',
        'properties["n"] in 5',
        '"a" in ["a"]',
        'properties["n"] == 5 AND properties["n"] == 5',
        'properties["n"] == 5; drop',
        'properties["n] == 5',
        "(" * 60 + 'properties["n"] == 5' + ")" * 60,
    ],
)
def test_anything_else_is_refused(text):
    """Also what the published grammar has and nobody here uses."""
    with pytest.raises(ExpressionError):
        parsed(text)


def test_the_refusal_says_where():
    """So that a test that fails tells why."""
    with pytest.raises(ExpressionError, match="character 20"):
        parsed('properties["n"] == 5 § 1')


_SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_MOMENTS = st.builds('properties["$time"] {} datetime({})'.format, _SIGNS, st.integers(-5, 20))
_OTHERS = st.builds('properties["n"] == {}'.format, st.integers(4, 6))
_TEXTS = st.recursive(
    _MOMENTS | _OTHERS,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=6,
)


@given(_TEXTS)
def test_the_range_that_is_looked_at_holds_all_that_fits(text):
    """It may be wider than need be, and never narrower."""
    expression = parsed(text)
    least, most = seconds_asked(expression)
    for time in range(-10, 30):
        if expression.holds({**SAID, "$time": time}):
            assert least <= time < most


def test_a_window_is_a_range():
    """Else a minute of a large day would be looked for in all of it."""
    low, high = 'properties["$time"]>=datetime(5)', 'properties["$time"]<datetime(9)'
    assert seconds_asked(parsed(f"{low} and {high}")) == (5, 10)
    assert seconds_asked(parsed(f"({low} and {high}) and {low}")) == (5, 10)
    assert seconds_asked(parsed(f"{low} or {high}")) == (-math.inf, math.inf)
    assert seconds_asked(None) == (-math.inf, math.inf)
