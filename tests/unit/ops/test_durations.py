"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.durations import duration_text, parse_duration, read_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("24h", 86400), ("7d", 604800), ("1.5h", 5400)]
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """Number and unit."""
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert read_duration(text) == timedelta(seconds=seconds)


NO_DURATIONS = [
    "5",
    "m",
    "5 minutes",
    "-5m",
    "",
    "1" + "0" * 9 + "d",
    "9" * 400 + "d",
    "PT5M",
    "0:05:00",
    "٣m",
]


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_is_left_for_the_model_to_refuse(text: str) -> None:
    """Guessing a unit would be worse than an error; a number too large is no crash."""
    assert parse_duration(text) == text


@pytest.mark.parametrize("value", [*NO_DURATIONS, 300, 5.0, True, None, [], "1.5s", "0.01m"])
def test_a_field_that_is_a_duration_takes_nothing_else(value: object) -> None:
    """300 might mean minutes, and pydantic alone would take it for seconds. Whole seconds only: the
    registry keeps no smaller part."""
    with pytest.raises(ValueError, match=r"a number and its unit, such as 90s, 5m, 24h or 7d"):
        read_duration(value)


@given(st.integers(0, 10**7))
def test_the_text_of_a_duration_reads_back(seconds: int) -> None:
    """`clients show` prints what a clients file may contain."""
    assert parse_duration(duration_text(timedelta(seconds=seconds))) == timedelta(seconds=seconds)
