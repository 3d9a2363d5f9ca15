"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.durations import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("24h", 86400), ("7d", 604800), ("1.5h", 5400)]
)
def test_a_duration_is_read(text, seconds):
    """Number and unit."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["5", "m", "5 minutes", "-5m", ""])
def test_what_is_no_duration_is_left_for_the_model_to_refuse(text):
    """Guessing a unit would be worse than an error."""
    assert parse_duration(text) == text


@given(st.integers(0, 10**7))
def test_the_text_of_a_duration_reads_back(seconds):
    """`clients show` prints what a clients file may contain."""
    assert parse_duration(duration_text(timedelta(seconds=seconds))) == timedelta(seconds=seconds)
