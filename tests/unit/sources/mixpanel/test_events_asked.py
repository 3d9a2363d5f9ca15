"""Days of events that a person asks for: which may be, what they are as instants, and what the cursor keeps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from sluice.core.asked_days import AskedDays, ReadsDays
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.sources.mixpanel.events_asked import ASKED_DAYS, MOST_REMEMBERED, MOST_WAITING
from sluice.sources.mixpanel.events_cursor import EventsCursor
from sluice.sources.registry import span_of_days
from sluice.usecases.clean_up import EVENTS_KEPT
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.mixpanel.events_slices import step_of, tick, vendor_of
from tests.unit.sources.mixpanel.events_vendor import opened, sent, spread
from tests.unit.sources.slices import Stored, catch_up

KEY = StreamKey("acme", "mixpanel", "events")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = START.date()


def asked(first: date, last: date, at: datetime = START) -> AskedDays:
    return AskedDays(first, last, at)


def note(stream: ReadsDays, stored: Stored, *days: AskedDays) -> None:
    for each in days:
        noted = stream.with_days(stored.cursor, each)
        assert noted is not None
        stored.cursor = noted


def span(days: AskedDays, key: StreamKey = KEY, **settings: object):
    return span_of_days(key, {"project_id": 1, **settings}, days)


def test_days_are_the_projects_own_and_both_are_included():
    """Of a project from before 2023 as its reports show them: with 25 hours where clocks are put back."""
    found = span(asked(date(2026, 10, 1), date(2026, 10, 7), datetime(2026, 11, 26, tzinfo=UTC)))
    assert (found.since, found.until) == (
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 10, 8, tzinfo=UTC),
    )
    winter = asked(date(2026, 10, 25), date(2026, 10, 25), datetime(2026, 11, 26, tzinfo=UTC))
    long = span(winter, time_zone="Europe/Berlin")
    assert long.until - long.since == 25 * HOUR
    assert (long.since, long.zone) == (datetime(2026, 10, 24, 22, tzinfo=UTC), "Europe/Berlin")


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (TODAY, TODAY - DAY, "from: .* is after"),
        (TODAY, TODAY + DAY, "to: .* lies ahead"),
        (TODAY - (ASKED_DAYS + 1) * DAY, TODAY, "from: .* more than 400 days ago"),
    ],
)
def test_days_that_cannot_be_read_are_refused_by_name(first, last, said):
    """Before anything is asked for, and by the stream as well."""
    with pytest.raises(SettingInvalid, match=said):
        span(asked(first, last))
    with pytest.raises(SettingInvalid, match=said):
        opened(vendor_of()).with_days({}, asked(first, last))


def test_the_widest_days_may_be_asked_for():
    """Cleanup keeps events for as long."""
    assert ASKED_DAYS * DAY == EVENTS_KEPT
    span(asked(TODAY - ASKED_DAYS * DAY, TODAY))


def test_today_is_the_projects():
    """Where it is tomorrow already, that may be asked for."""
    late = asked(date(2026, 3, 2), date(2026, 3, 2), datetime(2026, 3, 1, 23, tzinfo=UTC))
    span(late, time_zone="Asia/Tokyo")
    with pytest.raises(SettingInvalid, match="lies ahead; of the project it is 2026-03-01"):
        span(late)


@pytest.mark.parametrize(
    "key", [StreamKey("acme", "mixpanel", "profiles"), StreamKey("acme", "shipbob", "orders")]
)
def test_another_stream_says_which_can(key):
    with pytest.raises(
        SettingInvalid, match=r"from: acme#.* cannot .* these can: mixpanel#events\."
    ):
        span(asked(TODAY, TODAY), key)


def test_they_are_read_behind_new_events_and_before_a_reread():
    """And read_until stays where new events left it."""
    vendor = vendor_of(*spread(60))
    stream, stored = opened(vendor, first_days=10), Stored()
    catch_up(stream, vendor.clock, stored)
    assert len(stored.records) < len(vendor.events)
    vendor.clock.at += 2 * DAY
    note(stream, stored, asked(TODAY - 40 * DAY, TODAY - 35 * DAY, vendor.clock()))
    before = EventsCursor.read(stored.cursor)
    kinds = tick(stream, stored, vendor)
    assert list(dict.fromkeys(kinds)) == ["new", "asked", "reread"]
    after = EventsCursor.read(stored.cursor)
    assert (after.asked, len(after.asked_before)) == ((), 1)
    assert after.read_until > before.read_until
    midnight = datetime(START.year, START.month, START.day, tzinfo=UTC)
    wanted = [each for each in vendor.events if -40 * DAY <= each.at - midnight < -34 * DAY]
    assert wanted
    assert {each.key("UTC") for each in wanted} <= set(stored.records)
    low, high = min(s for s, _ in vendor.windows()), (midnight - 34 * DAY).timestamp()
    assert low == (midnight - 40 * DAY).timestamp()
    assert all(
        until <= high or since >= (START - 13 * DAY).timestamp()
        for since, until in vendor.windows()
    )


def test_a_reread_of_days_is_none_of_the_last_ones():
    """Days long ago that were read say nothing of late events of this week."""
    vendor = vendor_of(*spread(60))
    stream, stored = opened(vendor, first_days=10), Stored()
    catch_up(stream, vendor.clock, stored)
    reread_at = stored.cursor["reread_at"]
    vendor.clock.at += HOUR
    note(stream, stored, asked(TODAY - 40 * DAY, TODAY - 20 * DAY, vendor.clock()))
    assert "asked" in tick(stream, stored, vendor)
    assert stored.cursor["reread_at"] == reread_at


def test_today_is_read_as_far_as_new_events_were():
    """What lies behind is no day to be read again; and it ends."""
    vendor = vendor_of(*spread(60), sent(999, START - 7 * HOUR))
    stream, stored = opened(vendor), Stored()
    catch_up(stream, vendor.clock, stored)
    note(stream, stored, asked(TODAY, TODAY))
    assert tick(stream, stored, vendor) == ["asked"]
    assert "asked" not in stored.cursor
    assert vendor.windows()[-1][1] == int(EventsCursor.read(stored.cursor).read_until.timestamp())


def test_whole_days_are_asked_for_where_the_filter_is_not_used():
    vendor = vendor_of(*spread(60))
    stream, stored = opened(vendor, first_days=10, where_on_time=False), Stored()
    catch_up(stream, vendor.clock, stored)
    note(stream, stored, asked(TODAY - 40 * DAY, TODAY - 38 * DAY))
    tick(stream, stored, vendor)
    first = min(url.params["from_date"] for url in vendor.asked)
    assert first == str(TODAY - 40 * DAY)
    assert "asked" not in stored.cursor


def test_each_request_is_noted_once_and_so_many_wait():
    """By when it was made; those that were read are remembered, so many of them."""
    vendor = vendor_of(*spread(10))
    stream, stored = opened(vendor, first_days=10), Stored()
    catch_up(stream, vendor.clock, stored)
    many = [asked(TODAY - DAY, TODAY - DAY, START + n * HOUR / 60) for n in range(MOST_WAITING)]
    note(stream, stored, *many)
    assert all(stream.with_days(stored.cursor, each) is None for each in many)
    with pytest.raises(SettingInvalid, match="20 requests for days of this stream wait already"):
        stream.with_days(stored.cursor, asked(TODAY, TODAY, START + HOUR))
    tick(stream, stored, vendor)
    assert all(stream.with_days(stored.cursor, each) is None for each in many)
    assert step_of(stream, stored, vendor) is None
    for number in range(MOST_REMEMBERED + 5):
        note(stream, stored, asked(TODAY - DAY, TODAY - DAY, START + DAY + number * HOUR))
        tick(stream, stored, vendor)
    assert len(stored.cursor["asked_before"]) == MOST_REMEMBERED
