"""A project's time: UTC, or the wall clock of an old project, on ordinary days and on those with 23 and 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import RowRejected
from sluice.sources.mixpanel.project_time import SECOND, ProjectClock

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
HAVANA = "America/Havana"  # puts its clocks forward at midnight
ZONES = ["UTC", BERLIN, NEW_YORK, HAVANA, "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)  # in Berlin 3:00 becomes 2:00
FORTH = datetime(2026, 3, 29, 1, tzinfo=UTC)  # in Berlin 2:00 becomes 3:00
HOUR = timedelta(hours=1)
instants = st.integers(0, 6 * 365 * 86_400).map(
    lambda second: datetime(2021, 1, 1, tzinfo=UTC) + second * SECOND
)


def exported(at: datetime, zone: str) -> int:
    """As an old project writes it."""
    return int(at.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC).timestamp())


@given(st.sampled_from(ZONES), instants, st.integers(1, 9 * 86_400), st.floats(0, 0.999999))
def test_what_is_asked_for_covers_its_window(zone, since, length, part):
    """Every event within [since, until) is within the bounds and within the days, in any zone."""
    clock, until = ProjectClock.of(zone), since + length * SECOND
    at = since + int(length * part) * SECOND
    for on_time in (True, False):
        ask = clock.ask(since, until, on_time=on_time)
        told = exported(at, zone)
        assert ask.low <= told < ask.high
        assert ask.has(told)
        assert ask.from_date <= datetime.fromtimestamp(told, UTC).date() <= ask.to_date


@given(st.sampled_from(ZONES), instants, st.integers(1, 9 * 86_400))
def test_nothing_is_asked_for_that_is_ahead_of_the_projects_clock(zone, since, length):
    """The vendor refuses a to_date after today in the project's time."""
    until = since + length * SECOND
    ask = ProjectClock.of(zone).ask(since, until, on_time=True)
    seen = {exported(since + second * SECOND, zone) for second in range(0, length, 600)}
    latest = max(seen | {exported(until - SECOND, zone)})
    assert ask.high - 1 <= latest + 600
    assert ask.low >= min(seen) - 600


@given(st.sampled_from(ZONES), instants)
def test_an_instant_comes_back_unless_its_wall_clock_comes_twice(zone, at):
    """Then the first of both is taken; nothing is ever off by more."""
    back = ProjectClock.of(zone).instant(exported(at, zone))
    assert back == at or timedelta(0) < at - back <= timedelta(days=1)
    assert exported(back, zone) == exported(at, zone)


@pytest.mark.parametrize("minutes", [-90, -61, -60, -30, -1, 0, 1, 59, 60, 90])
def test_the_hour_that_comes_twice_is_taken_for_its_first(minutes):
    """In Berlin the wall clock from 2 to 3 is that of 0 to 1 UTC, and of 1 to 2 UTC once more."""
    at = BACK + timedelta(minutes=minutes)
    back = ProjectClock.of(BERLIN).instant(exported(at, BERLIN))
    assert back == (at - HOUR if 0 <= minutes < 60 else at)


@pytest.mark.parametrize("minutes", [-61, -1, 0, 1, 59, 61])
def test_the_hour_that_never_comes_moves_nothing(minutes):
    """Every instant of a day of 23 hours comes back."""
    at = FORTH + timedelta(minutes=minutes)
    assert ProjectClock.of(BERLIN).instant(exported(at, BERLIN)) == at


def test_a_window_over_the_change_asks_for_all_of_its_wall_clock():
    """From 2:30 to 2:30 an hour later: by its ends alone nothing would be asked for."""
    half = timedelta(minutes=30)
    since, until = BACK - half, BACK + half
    ask = ProjectClock.of(BERLIN).ask(since, until, on_time=True)
    assert ask.high - ask.low == 3600
    assert datetime.fromtimestamp(ask.low, UTC) == datetime(2026, 10, 25, 2, tzinfo=UTC)


def test_the_filter_says_exactly_what_the_bounds_say():
    """In use by others; the published grammar has no datetime()."""
    since = datetime(2026, 5, 1, tzinfo=UTC)
    ask = ProjectClock.of("UTC").ask(since, since + HOUR, on_time=True)
    name = 'properties["$time"]'
    epoch = int(since.timestamp())
    assert ask.where == f"{name}>=datetime({epoch}) and {name}<datetime({epoch + 3600})"
    assert (ask.from_date, ask.to_date) == (date(2026, 5, 1), date(2026, 5, 1))


def test_whole_days_have_no_filter_and_end_with_their_day():
    """A window that ends at midnight does not ask for the next day."""
    since = datetime(2026, 5, 1, 7, tzinfo=UTC)
    ask = ProjectClock.of("UTC").ask(since, datetime(2026, 5, 3, tzinfo=UTC), on_time=False)
    assert ask.where is None
    assert (ask.from_date, ask.to_date) == (date(2026, 5, 1), date(2026, 5, 2))


@pytest.mark.parametrize("time", [-1, 250_000_000_000, 10**18])
def test_a_time_beyond_the_calendar_is_rejected(time):
    """No guess, and no error of a library's."""
    with pytest.raises(RowRejected, match=r"properties\.time"):
        ProjectClock.of(BERLIN).instant(time)
