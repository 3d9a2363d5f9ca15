"""What ShipBob's listing streams read next: changes before a listing, removal, and the next listing in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sluice.core.errors import InvariantBroken
from sluice.core.records import ReadPages, Reconcile
from sluice.sources.shipbob.cursor import ListingCursor
from tests.unit.sources.cars_vendor import START, Clock
from tests.unit.sources.shipbob.test_listings import DAY, MINUTE, fully_read, ids, settled
from tests.unit.sources.shipbob.vendor import ShipBob, moment, opened, order, orders, products
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice


def kinds(stream: Any, stored: Stored, clock: Clock, **more: Any) -> Any:
    step = stream.next_step(stored.cursor, clock(), **{"full_since": None, **more})
    return step.kind if isinstance(step, ReadPages) else step


def test_fresh_changes_go_before_a_listing_in_progress():
    """While a long history is read, the windows of changes come round at their own pace."""
    vendor = ShipBob(Clock(), orders(500))
    stream, stored = opened(vendor), Stored()
    read_slice(stream, stored, ReadPages("listing"), budget(vendor.clock, rows=1))
    assert kinds(stream, stored, vendor.clock) == "listing"
    vendor.clock.sleep(45)
    assert kinds(stream, stored, vendor.clock) == "changes"
    vendor.orders.append(order(999, vendor.clock() - MINUTE))
    read_slice(stream, stored, ReadPages("changes"), budget(vendor.clock))
    assert "999" in stored.records
    assert kinds(stream, stored, vendor.clock) == "listing"


def test_each_poll_asks_for_created_updated_and_tracked_since_a_while():
    """From a quarter of an hour before where the last one ended, by the vendor's clock."""
    vendor = ShipBob(Clock(), orders(5))
    stored = fully_read(vendor)
    ended = vendor.clock()
    vendor.clock.sleep(300)
    vendor.asked.clear()
    settled(opened(vendor), vendor.clock, stored)
    since = moment(ended - MINUTE - timedelta(seconds=1) - 15 * MINUTE)
    windows = {
        name: query[name]
        for query in vendor.queries()
        for name in query
        if name.endswith("Date") and query[name] == since
    }
    assert set(windows) == {"StartDate", "LastUpdateStartDate", "LastTrackingUpdateStartDate"}


def test_a_vendor_whose_clock_is_behind_keeps_the_window_open():
    """What it dates at its own now must still be asked for."""
    vendor = ShipBob(Clock(), orders(5), skew=-timedelta(hours=2))
    stored = fully_read(vendor)
    vendor.clock.sleep(60)
    late = order(999, vendor.clock() - timedelta(hours=2))
    vendor.orders.append(late)
    assert "999" in settled(opened(vendor), vendor.clock, stored).records


def test_a_poll_cut_short_goes_on_and_counts_only_when_its_last_window_is_stored():
    """However small the slices are, what was read of the first window is not the second one's."""
    vendor = ShipBob(Clock(), orders(5))
    stored = fully_read(vendor)
    through = ListingCursor.read(stored.cursor).changes.through
    vendor.clock.sleep(600)
    vendor.orders += [order(900 + n, vendor.clock() - 5 * MINUTE) for n in range(3)]
    updated = vendor.orders[0]["shipments"][0]
    updated_at = vendor.clock() - 5 * MINUTE
    updated["last_update_at"] = moment(updated_at)
    stream = opened(vendor)
    for number in range(3):
        assert kinds(stream, stored, vendor.clock) == "changes"
        read_slice(stream, stored, ReadPages("changes"), budget(vendor.clock, rows=1, requests=1))
        moved = ListingCursor.read(stored.cursor).changes.through > through
        assert moved == (number == 2)
    assert kinds(stream, stored, vendor.clock) is None
    assert stored.records["1"].version == int(updated_at.timestamp() * 1000)


def test_the_hourly_listing_names_the_stretch_that_it_saw():
    """From its reach up to the vendor's clock at its first page, less the settle time."""
    vendor = ShipBob(Clock(), orders(5))
    stream = opened(vendor)
    stored = catch_up(stream, vendor.clock)
    step = stream.next_step(stored.cursor, vendor.clock(), full_since=None)
    assert isinstance(step, Reconcile)
    assert step.within.column == "created_at"
    assert step.within.since == START - 45 * DAY
    assert step.within.until == START - MINUTE - timedelta(seconds=1)
    assert step.started_at == START
    after = stream.after_reconcile(stored.cursor, step, "3")
    assert stream.next_step(after, vendor.clock(), full_since=None).after == "3"
    with pytest.raises(InvariantBroken):
        stream.after_reconcile(after, Reconcile(9, START), None)


def test_products_are_listed_whole():
    """Their listing has no window, so all of the table is compared with it."""
    vendor = ShipBob(Clock(), products=products(5))
    stream = opened(vendor, "products")
    stored = catch_up(stream, vendor.clock)
    step = stream.next_step(stored.cursor, vendor.clock(), full_since=None)
    assert isinstance(step, Reconcile)
    assert step.within is None


def test_a_listing_is_due_every_hour_and_reaches_less_far_than_the_history():
    """The first one, and one that somebody asks for, read everything."""
    vendor = ShipBob(Clock(), orders(5))
    stored = fully_read(vendor, history="P365D", reconcile_reach="P10D")
    stream = opened(vendor, history="P365D", reconcile_reach="P10D")
    asked_for = vendor.clock() + timedelta(seconds=1)
    vendor.clock.sleep(20)
    assert kinds(stream, stored, vendor.clock) is None
    assert kinds(stream, stored, vendor.clock, full_since=START) is None
    assert kinds(stream, stored, vendor.clock, full_since=asked_for) == "listing"
    vendor.clock.sleep(3600)
    stored = settled(stream, vendor.clock, stored)
    vendor.asked.clear()
    step = stream.next_step(stored.cursor, vendor.clock(), full_since=vendor.clock())
    read_slice(stream, stored, step, budget(vendor.clock))
    assert vendor.queries()[0]["StartDate"] == moment(vendor.clock() - 365 * DAY)
    assert kinds(stream, settled(stream, vendor.clock, stored), vendor.clock) is None


def test_a_listing_that_takes_longer_than_a_day_begins_anew():
    """As the next generation: its beginning says too little about now."""
    vendor = ShipBob(Clock(), orders(250))
    stream, stored = opened(vendor), Stored()
    read_slice(stream, stored, ReadPages("listing"), budget(vendor.clock, rows=1))
    vendor.clock.sleep(25 * 3600)
    stored = settled(stream, vendor.clock, stored)
    assert stored.sightings.keys() == {1, 2}
    assert stored.sightings[2] == ids(vendor)


def test_a_poll_that_lost_its_way_begins_anew_after_an_hour():
    """From where the last complete one ended: nothing is skipped."""
    vendor = ShipBob(Clock(), orders(5))
    stored = fully_read(vendor, reconcile_every="P1D")
    vendor.clock.sleep(60)
    vendor.orders += orders(150, first=900, apart=timedelta(seconds=1))
    stream = opened(vendor, reconcile_every="P1D")
    read_slice(stream, stored, ReadPages("changes"), budget(vendor.clock, rows=1))
    vendor.clock.sleep(2 * 3600)
    vendor.asked.clear()
    assert set(settled(stream, vendor.clock, stored).records) == ids(vendor)
    assert vendor.queries()[0]["StartDate"] == moment(START - timedelta(seconds=1) - 16 * MINUTE)


@pytest.mark.parametrize(
    "cursor", [{"listing": {}}, {"changes": 5}, {"listed_at": "2026-01-01"}, {"generation": "x"}]
)
def test_a_cursor_that_is_not_ours_is_a_bug(cursor):
    """It is never guessed around."""
    with pytest.raises(InvariantBroken):
        opened(ShipBob(Clock())).next_step(cursor, START, full_since=None)
