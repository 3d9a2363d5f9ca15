"""What is due when: new events, days that are read again, full syncs, counters anew; by both clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.errors import (
    InvariantBroken,
    RequestRefused,
)
from sluice.core.records import Derive, ReadPages
from sluice.core.removal import Candidate
from sluice.sources.mixpanel.events_cursor import EventsCursor
from tests.unit.sources.cars_vendor import START, Clock
from tests.unit.sources.mixpanel.events_slices import (
    CUT,
    step_of,
    tick,
    vendor_of,
)
from tests.unit.sources.mixpanel.events_vendor import (
    opened,
    sent,
    spread,
)
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_a_tick_with_little_new_time_asks_nothing():
    """Sixty requests in an hour are all there are."""
    vendor = vendor_of(*spread(20))
    stream, stored = opened(vendor, shortest="PT5M"), catch_up(opened(vendor), vendor.clock)
    for minutes in range(1, 5):
        vendor.clock.at = START + minutes * MINUTE
        assert step_of(stream, stored, vendor) is None
    vendor.clock.at = START + 6 * MINUTE
    assert tick(stream, stored, vendor) == ["new"]
    since, until = vendor.windows()[-1]
    assert until - since == pytest.approx(2 * 3600 + 6 * 60, abs=10)


def test_late_events_are_found_by_the_lookback_or_by_the_next_reread():
    """Two hours of lookback; what is later is found when its day is read again."""
    soon = sent(1, START - HOUR, shown_at=START + MINUTE)
    late = sent(2, START - 3 * DAY, shown_at=START + MINUTE)
    vendor = vendor_of(*spread(20), soon, late)
    stream, stored = opened(vendor), catch_up(opened(vendor), vendor.clock)
    vendor.clock.at += 10 * MINUTE
    assert tick(stream, stored, vendor) == ["new"]
    assert soon.key("UTC") in stored.records
    assert late.key("UTC") not in stored.records
    vendor.clock.at += DAY
    assert tick(stream, stored, vendor) == ["new", "reread"]
    assert late.key("UTC") in stored.records
    vendor.clock.at += 10 * MINUTE
    assert tick(stream, stored, vendor) == ["new"]


def test_new_events_never_wait_for_days_that_are_read_again():
    """Between two windows of a re-read the newest are read."""
    vendor = vendor_of(*spread(500, days=5))
    settings = {"most_rows": 40, "slice_requests": 1}
    stream = opened(vendor, **settings)
    stored = catch_up(stream, vendor.clock)
    vendor.clock.at += DAY
    tick_kinds = []
    for _ in range(30):
        step = step_of(stream, stored, vendor)
        tick_kinds.append(step.kind)
        read_slice(stream, stored, step, budget(vendor.clock, requests=1))
        if step.kind == "reread":
            break
    vendor.clock.at += 10 * MINUTE
    assert step_of(stream, stored, vendor).kind == "new"
    assert "again" in stored.cursor


def test_a_full_sync_reads_the_first_days_again_once():
    """A person's word; what is there is unchanged."""
    vendor = vendor_of(*spread(50))
    stream, stored = opened(vendor), catch_up(opened(vendor), vendor.clock)
    before = dict(stored.records)
    vendor.clock.at += 7 * MINUTE
    asked = vendor.clock()
    kinds = tick(stream, stored, vendor, full_since=asked)
    assert kinds == ["new", "full"]
    assert step_of(stream, stored, vendor, asked) is None
    assert {i: r.hash for i, r in stored.records.items()} == {i: r.hash for i, r in before.items()}
    first = min(since for since, _ in vendor.windows()[-20:])
    assert first <= (vendor.clock() - 44 * DAY).timestamp()


def test_a_full_sync_of_no_more_days_than_are_read_again_ends_as_well():
    """It begins at this time of day, so it does not hold the first of the days that are read again whole: it is done
    all the same, and the re-read of whole days is left due."""
    vendor = vendor_of(*spread(20, days=2))
    stream = opened(vendor, first_days=2, reread_days=2)
    stored = catch_up(stream, vendor.clock)
    vendor.clock.at += 7 * MINUTE
    asked = vendor.clock()
    assert tick(stream, stored, vendor, full_since=asked) == ["new", "full"]
    assert step_of(stream, stored, vendor, asked) is None


def test_a_first_load_is_a_full_read():
    """Who asks for a full sync of a new client does not get it twice."""
    vendor = vendor_of(*spread(20))
    stream, stored = opened(vendor), Stored()
    assert set(tick(stream, stored, vendor, full_since=START)) == {"new"}


def test_a_vendor_whose_clock_is_behind_is_read_up_to_its_own_now():
    """Ours would pass events that are not there yet; and every tick would ask."""
    vendor = vendor_of(*spread(20), skew=-HOUR)
    stream, stored = opened(vendor), Stored()
    tick(stream, stored, vendor)
    read = EventsCursor.read(stored.cursor)
    assert read.read_until <= vendor.clock() - HOUR - 5 * MINUTE
    asked = len(vendor.asked)
    assert step_of(stream, stored, vendor) is None
    vendor.clock.at += 2 * HOUR
    tick(stream, stored, vendor)
    assert len(vendor.asked) > asked
    assert set(stored.records) == vendor.true_keys()


def test_a_first_load_begins_by_the_vendors_clock():
    """Ours, a week ahead, would begin a week late."""
    vendor = vendor_of(*spread(50, days=44, until=START - 7 * DAY), skew=-7 * DAY)
    stored = Stored()
    tick(opened(vendor), stored, vendor)
    assert set(stored.records) == vendor.true_keys()


def test_after_a_long_pause_no_read_reaches_further_back_than_rows_are_kept():
    """An event whose row was dropped would count again."""
    vendor = vendor_of(*spread(20))
    stream, stored = opened(vendor), catch_up(opened(vendor), vendor.clock)
    vendor.asked.clear()
    vendor.clock.at += 200 * DAY
    step = step_of(stream, stored, vendor)
    read_slice(stream, stored, step, budget(vendor.clock, requests=1))
    since, _ = vendor.windows()[0]
    assert datetime.fromtimestamp(since, UTC) >= START + 110 * DAY


def test_without_increments_the_last_days_are_read_every_time():
    """As an older deployment did; counted once all the same."""
    vendor = vendor_of(*spread(50))
    stream = opened(vendor, incremental=False)
    stored = catch_up(stream, vendor.clock)
    vendor.clock.at += 23 * HOUR
    assert step_of(stream, stored, vendor) is None
    vendor.clock.at += 2 * HOUR
    vendor.asked.clear()
    assert tick(stream, stored, vendor) == ["new"]
    assert vendor.windows()[0][0] <= (vendor.clock() - 5 * DAY).timestamp()


def test_counters_are_replaced_only_when_their_days_were_read_whole():
    """The window is whole days up to the last midnight; a cut answer replaces nothing."""
    vendor = vendor_of(*spread(50))
    stream = opened(vendor, mode="replace")
    stored = Stored()
    while isinstance(step := step_of(stream, stored, vendor), ReadPages):
        read_slice(stream, stored, step, budget(vendor.clock, requests=1))
    assert isinstance(step, Derive)
    assert step.parameters == {"since": "2026-10-27", "until": "2026-11-01"}
    stored.cursor = step.cursor
    assert step_of(stream, stored, vendor) is None
    vendor.clock.at += DAY + HOUR
    vendor.spoil = lambda request, _: (
        CUT["in the middle of a line"]() if vendor.found(request) else None
    )
    for _ in range(3):
        step = step_of(stream, stored, vendor)
        assert isinstance(step, ReadPages)
        read_slice(stream, stored, step, budget(vendor.clock))
    vendor.spoil = None
    assert tick(stream, stored, vendor)[-1] == "reread"
    step = step_of(stream, stored, vendor)
    assert step.parameters == {"since": "2026-10-28", "until": "2026-11-02"}


def test_who_adds_again_has_all_counted_anew_first():
    """Events that came while counters were replaced were never added."""
    vendor = vendor_of(*spread(50))
    stored = Stored()
    tick(opened(vendor, mode="replace"), stored, vendor)
    step = step_of(opened(vendor), stored, vendor)
    assert isinstance(step, Derive)
    assert step.parameters == {"since": "", "until": "~"}
    stored.cursor = step.cursor
    assert step_of(opened(vendor), stored, vendor) is None


def test_there_are_no_point_reads_and_no_reconciles():
    """Events are never removed."""
    stream = opened(vendor_of())
    with pytest.raises(RequestRefused):
        stream.still_exists(Candidate("x", 1), budget(Clock()))
    with pytest.raises(InvariantBroken):
        stream.after_reconcile({}, None, None)


def test_a_cursor_of_another_stream_is_refused():
    """A bug, and no first load."""
    stream = opened(vendor_of())
    for bad in (
        {"read_until": 5},
        {"new": {"since": "x"}},
        {"again": []},
        {"read_until": "2026-01-01"},
    ):
        with pytest.raises(InvariantBroken):
            stream.next_step(bad, START, full_since=None)


def test_an_event_as_late_as_is_allowed_is_found_however_far_apart_rereads_are():
    """It came just after one began, and is five days old by then; the next reaches a day further, or three."""
    for pause in (DAY, 3 * DAY):
        came = START + HOUR
        late = sent(1, came - 5 * DAY + MINUTE, shown_at=came)
        vendor = vendor_of(*spread(20), late)
        stream, stored = opened(vendor), catch_up(opened(vendor), vendor.clock)
        assert late.key("UTC") not in stored.records
        vendor.clock.at = START + pause + HOUR
        assert "reread" in tick(stream, stored, vendor)
        assert late.key("UTC") in stored.records


def test_events_that_came_while_counters_waited_to_be_replaced_are_counted_when_they_no_longer_do():
    """Nothing was replaced yet, and nothing was added either."""
    vendor = vendor_of(*spread(50))
    stored = Stored()
    step = step_of(opened(vendor, mode="replace"), stored, vendor)
    read_slice(opened(vendor, mode="replace"), stored, step, budget(vendor.clock, requests=1))
    assert EventsCursor.read(stored.cursor).counted is None
    step = step_of(opened(vendor), stored, vendor)
    assert isinstance(step, Derive)
    assert step.parameters["since"] == ""
