"""When a stream is due next: on its own beat, spread over the cadence, always after now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sluice.core.keys import StreamKey
from sluice.dynamo.registry import next_due

KEY = StreamKey("acme", "cars", "cars")

cadences = st.integers(min_value=1, max_value=7 * 24 * 3600).map(lambda s: timedelta(seconds=s))
moments = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(cadence=cadences, now=moments)
def test_the_next_turn_is_within_one_cadence(cadence: timedelta, now: datetime) -> None:
    assert now < next_due(KEY, cadence, now) <= now + cadence


@given(cadence=cadences, now=moments)
def test_turns_keep_their_beat_whenever_they_are_asked_for(
    cadence: timedelta, now: datetime
) -> None:
    """A late tick does not shift the turns that follow."""
    turn = next_due(KEY, cadence, now)
    assert next_due(KEY, cadence, turn) == turn + cadence
    assert next_due(KEY, cadence, turn + cadence / 2) == turn + cadence


def test_clients_of_one_cadence_are_spread_over_it() -> None:
    """Of 600 clients with a cadence of ten minutes, no minute gets three times its share."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    cadence = timedelta(minutes=10)
    keys = [StreamKey(f"client-{n}", "cars", "cars") for n in range(600)]
    minutes = [next_due(key, cadence, now).minute for key in keys]
    assert max(minutes.count(minute) for minute in range(10)) < 180
    assert min(minutes.count(minute) for minute in range(10)) > 20
