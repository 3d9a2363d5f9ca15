"""Attribute values: what is read must be written back to the very same number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import InvariantBroken
from sluice.dynamo.items import moment, read_moment, read_number, read_text


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_an_instant_read_is_written_back_as_it_was(milliseconds: int) -> None:
    """Conditions compare instants for equality; a float in between would be off by one at times."""
    stored = {"N": str(milliseconds)}
    read = read_moment({"at": stored}, "at")
    assert read is not None
    assert moment(read) == stored


def test_an_instant_is_rounded_down_to_the_millisecond() -> None:
    assert moment(datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC)) == {"N": "1999"}


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    east = timezone(timedelta(hours=3))
    assert moment(datetime(1970, 1, 1, 3, 0, 1, tzinfo=east)) == {"N": "1000"}


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        moment(datetime(2026, 3, 1))  # noqa: DTZ001  # that is the point


def test_what_is_absent_is_absent() -> None:
    assert read_moment({}, "at") is None
    assert read_number({}, "seq") == 0


def test_what_must_be_there_and_is_not_is_named() -> None:
    with pytest.raises(InvariantBroken, match=r"acme.*lease_owner"):
        read_text({"stream_key": {"S": "acme#cars#cars"}}, "lease_owner")
