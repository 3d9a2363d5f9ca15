"""A worker's part in a shared account: what it costs, what it gives back, what it learns and heeds."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from sluice.core.errors import AccountBusy, StateUnavailable, VendorThrottled
from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.rates import RateLimit
from sluice.sources.blocks import MOST_SLOTS
from sluice.sources.pacing import CutShort, Patience
from tests.unit.sources.accounts import NO_LIMITS, SECOND, TWENTY, Office, patience
from tests.unit.sources.cars_vendor import START, Clock
from tests.unit.sources.http_room import Vendor, answer

MINUTE = timedelta(minutes=1)
SCARCE = AccountRules((RateLimit(4, MINUTE),))


def test_a_vendor_that_is_well_and_has_no_limits_costs_no_write():
    """Nothing is written however many requests are made."""
    office = Office(Vendor(answer()))
    room = office.room()
    for _ in range(50):
        room.get()
    room.http.close()
    assert office.book.writes == 0


def test_a_write_buys_many_requests():
    """At twenty a second, a worker alone: 8, 32, then 64 for each write."""
    office = Office(Vendor(answer()), TWENTY)
    room = office.room()
    for _ in range(200):
        room.get()
    assert office.book.writes <= 6
    assert room.clock.at - START <= timedelta(seconds=11)


def test_no_more_is_booked_than_the_slice_may_ask():
    office = Office(Vendor(answer()), TWENTY)
    room = office.room()
    room.account.admit("key-1", patience(room, requests=3))
    assert sum(each.count for each in office.page().taken) == 3


def test_nothing_is_booked_beyond_the_slices_end():
    office = Office(Vendor(answer()), TWENTY)
    room = office.room()
    for _ in range(40):
        room.account.admit("key-1", patience(room, seconds=2))
    ends = office.page().at_ms + 2000
    assert max(each.start_ms for each in office.page().taken) <= ends


def test_a_slot_that_came_and_went_is_not_used():
    """Who is late drops it and takes the next: two requests never come closer than planned."""
    office = Office(Vendor(answer()), TWENTY)
    room = office.room()
    for _ in range(30):
        room.get()
    room.clock.sleep(0.5)
    before = room.clock.at
    turn = room.account.admit("key-1", patience(room))
    now_ms = int(room.clock.at.timestamp() * 1000)
    assert turn.at_ms == now_ms
    entries = {each.start_ms for each in office.page().taken}
    assert any(now_ms - 21 <= start <= now_ms for start in entries)
    assert room.clock.at >= before


def test_who_oversleeps_drops_the_slot_and_takes_the_next():
    """A machine that stands still for a moment must not make two requests come closer."""
    office = Office(Vendor(answer()), TWENTY)
    room, overslept = office.room(), []
    for _ in range(20):
        room.get()

    def oversleep(seconds):
        overslept.append(seconds)
        room.clock.sleep(seconds + (0.2 if len(overslept) == 1 else 0))

    late = patience(room)
    late = Patience(late.left, late.requests, oversleep, late.stopped)
    turn = room.account.admit("key-1", late)
    taken = {each.start_ms for each in office.page().taken}
    assert len(overslept) >= 2
    assert any(turn.at_ms - 21 <= start <= turn.at_ms for start in taken)


def test_unused_slots_are_given_back_at_the_slices_end():
    """Scarce ones, wherever they lie: nobody asked the vendor in them."""
    office = Office(Vendor(answer()), SCARCE)
    room = office.room()
    room.get()
    assert sum(each.count for each in office.page().taken) == 4
    room.http.close()
    assert sum(each.count for each in office.page().taken) == 1
    assert "one" not in office.page().holders
    other = office.room("two")
    other.get()


def test_what_is_not_worth_a_write_is_left_to_lapse():
    """Seven slots of twenty a second are nobody's loss."""
    office = Office(Vendor(answer()), TWENTY)
    room = office.room()
    room.get()
    writes = office.book.writes
    room.http.close()
    assert office.book.writes == writes


def test_giving_back_never_fails_a_slice():
    """The book is away: what is not given back lapses."""
    office = Office(Vendor(answer()), SCARCE)
    room = office.room()
    room.get()
    _break(office)
    room.http.close()


def test_without_the_book_nothing_is_asked():
    """Not knowing what others do is no licence."""
    vendor = Vendor(answer())
    for rules in (TWENTY, NO_LIMITS):
        office = Office(vendor, rules)
        _break(office)
        with pytest.raises(StateUnavailable):
            office.room().get()
    assert vendor.asked == []


def _break(office):
    def away(*_):
        raise StateUnavailable("away")

    office.book.read = office.book.revise = away


def test_a_wait_that_does_not_fit_the_slice_is_not_begun():
    office = Office(Vendor(answer()), AccountRules((RateLimit(1, SECOND),)))
    room = office.room()
    room.get()
    with pytest.raises(AccountBusy):
        room.account.admit("key-1", patience(room, seconds=0.5))


def test_what_one_worker_was_told_by_a_429_binds_the_others():
    """Within some seconds: they look at the page now and then."""
    office = Office(Vendor(answer(), answer(429, retry_after="60"), answer()))
    one, two = office.room("one"), office.room("two")
    two.get()
    with pytest.raises(VendorThrottled):
        one.get()
    office.clock.sleep(6)
    with pytest.raises(VendorThrottled) as caught:
        two.get()
    assert caught.value.retry_after == timedelta(seconds=54)
    assert len(office.vendor.asked) == 2


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({"retry_after": "30"}, 30), ({"x_retry_after": "30"}, 30), ({}, 1)],
)
def test_a_429_holds_the_account(headers, wait):
    """As long as the vendor says, under either name, or a second at first."""
    office = Office(Vendor(answer(429, **headers)), TWENTY)
    with pytest.raises(VendorThrottled):
        office.room(attempts=1).get()
    page = office.page()
    assert page.hold_until_ms - page.at_ms == wait * 1000
    assert page.factor == 0.7


def test_an_unavailable_vendor_may_ask_for_peace_too():
    office = Office(Vendor(answer(503, retry_after="30")))
    with pytest.raises(Exception, match="503"):
        office.room(attempts=1).get()
    with pytest.raises(VendorThrottled):
        office.room("two").get()
    assert len(office.vendor.asked) == 1


def test_none_remaining_until_a_reset_holds_the_account():
    headers = {
        "x_rate_limit_limit": "40",
        "x_rate_limit_remaining": "0",
        "x_rate_limit_reset": "20",
    }
    office = Office(Vendor(answer(**headers)))
    room = office.room()
    room.get()
    with pytest.raises(VendorThrottled) as caught:
        room.get()
    assert caught.value.retry_after == timedelta(seconds=20)


def test_fewer_remaining_than_we_think_are_somebody_elses_use():
    """ShipBob's 150 a minute of which others used 145: four more, and then a minute's wait."""
    office = Office(Vendor(answer(x_remaining_calls="4")), AccountRules((RateLimit(150, MINUTE),)))
    assert ask_until_busy(office.room()) <= 8 + 4


def ask_until_busy(room) -> int:
    """How many requests were made before the account had none left."""
    for made in range(150):
        try:
            room.get()
        except AccountBusy:
            return made
    raise AssertionError("the account never was busy")


def test_amazons_rate_takes_the_declared_ones_place_where_it_is_lower():
    office = Office(Vendor(answer(x_amzn_ratelimit_limit="0.5")), TWENTY)
    assert 8 <= ask_until_busy(office.room()) <= 10
    assert office.page().told_rate == 0.5


def test_two_workers_keep_one_limit_together():
    """However they take turns, no second holds more than twenty."""
    office = Office(Vendor(answer()), TWENTY)
    rooms = [office.room("one"), office.room("two")]
    asked = []
    for n in range(120):
        rooms[n % 2].get()
        asked.append(office.clock.at)
    for early, late in zip(asked, asked[20:], strict=False):
        assert late - early >= SECOND


@pytest.mark.parametrize("apart", [-10, 10])
def test_a_clock_that_is_wrong_by_ten_seconds_books_where_the_others_are(apart):
    """Whose clock is behind learns it with the first look, and both know then that clocks are not to be
    relied on."""
    office = Office(Vendor(answer()), TWENTY)
    wrong = Clock(START + timedelta(seconds=apart))
    rooms = [office.room("one"), office.room("two", clock=wrong)]
    for room in rooms:
        room.account.admit("key-1", patience(room))
    for clock in (office.clock, wrong):
        clock.sleep(6)
    common = int((START + timedelta(seconds=max(apart, 0))).timestamp() * 1000)
    turns = [room.account.admit("key-1", patience(room)).at_ms for room in rooms]
    assert all(common <= at < common + 8000 for at in turns)
    assert office.page().split_until_ms > common


def test_clocks_that_agree_split_nothing():
    office = Office(Vendor(answer()), TWENTY)
    for room in (office.room("one"), office.room("two")):
        room.account.admit("key-1", patience(room))
    assert office.page().split_until_ms == 0


def test_threads_of_one_worker_get_different_slots():
    """Sixteen requests from four threads are sixteen slots."""
    office = Office(Vendor(answer()), TWENTY)
    room, turns = office.room(), []

    def ask():
        for _ in range(4):
            turns.append(room.account.admit("key-1", patience(room)))
            room.account.answered(turns[-1])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = sum(each.count for each in office.page().taken)
    assert len(turns) == 16 <= taken <= 8 + 32


def test_seats_bound_what_is_under_way_over_all_workers():
    """Four may be under way: one worker has all four, the other is told to wait until they are back."""
    office = Office(Vendor(answer()), AccountRules(concurrent=4))
    one, two = office.room("one"), office.room("two")
    one.get()
    with pytest.raises(AccountBusy):
        two.account.admit("key-1", patience(two))
    one.http.close()
    two.get()


def test_a_worker_waits_for_its_own_seats():
    office = Office(Vendor(answer()), AccountRules(concurrent=1))
    room, order = office.room(), []
    first = room.account.admit("key-1", patience(room))

    def end_the_first(seconds):
        order.append("waited")
        room.account.answered(first)

    room.sleep = end_the_first
    room.account.admit("key-1", patience(room))
    assert order == ["waited"]


def test_who_waits_for_his_own_seats_gives_up_with_the_slice():
    office = Office(Vendor(answer()), AccountRules(concurrent=1))
    room = office.room()
    room.account.admit("key-1", patience(room))
    with pytest.raises(CutShort):
        room.account.admit("key-1", patience(room, seconds=1))


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ((), 16),
        ((RateLimit(100, SECOND),), 16),
        ((RateLimit(4, SECOND),), 6),
        ((RateLimit(100, SECOND), RateLimit(60, MINUTE)), 1),
        ((RateLimit(1, 10 * SECOND),), 1),
    ],
)
def test_no_more_requests_side_by_side_than_the_limits_can_serve(limits, most):
    """The last of them must not wait longer than may be slept."""
    office = Office(Vendor(answer()), AccountRules(limits))
    assert office.room().http.side_by_side(16) == most


def test_a_block_never_grows_beyond_its_most():
    office = Office(Vendor(answer()), AccountRules((RateLimit(200, SECOND),)))
    room = office.room()
    for _ in range(600):
        room.get()
    assert office.book.writes >= 600 / MOST_SLOTS
