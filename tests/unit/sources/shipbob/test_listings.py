"""ShipBob's listings page by page: at a vendor that moves, repeats, sorts badly or ends too soon."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.budget import Budget
from sluice.core.records import ReadPages, Reconcile
from sluice.sources.shipbob.cursor import PAUSE, restarts_of_late
from tests.unit.sources.cars_vendor import START, Clock, json_answer
from tests.unit.sources.shipbob.vendor import ShipBob, moment, opened, order, orders, products
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice

SECOND = timedelta(seconds=1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def ids(vendor: ShipBob) -> set[str]:
    return {str(each["id"]) for each in vendor.orders}


def fully_read(vendor: ShipBob, stream: str = "orders", **more: Any) -> Stored:
    """Up to the reconcile, which finds nothing missing."""
    return settled(opened(vendor, stream, **more), vendor.clock)


def settled(stream: Any, clock: Clock, stored: Stored | None = None) -> Stored:
    stored = catch_up(stream, clock, stored)
    step = stream.next_step(stored.cursor, clock(), full_since=None)
    if isinstance(step, Reconcile):
        stored.cursor = stream.after_reconcile(stored.cursor, step, None)
        return settled(stream, clock, stored)
    return stored


def at_pages(vendor: ShipBob, happens: dict[int, Any], limit: str = "100") -> None:
    """Let something happen before the vendor answers the Nth page of that size."""
    asked = [0]

    def spoil(request: httpx.Request, before: int) -> httpx.Response | None:
        if request.url.params.get("Limit") == limit:
            asked[0] += 1
            if asked[0] in happens:
                happens.pop(asked[0])()
        return None

    vendor.spoil = spoil


def test_the_limit_in_time_follows_the_rows():
    """Each question begins a second before the last row; no page number beyond the first is used."""
    vendor = ShipBob(Clock(), orders(250))
    stored = fully_read(vendor)
    assert set(stored.records) == ids(vendor)
    listing = [query for query in vendor.queries() if query["Limit"] == "100"]
    assert {query["Page"] for query in listing} == {"1"}
    first, second = listing[0], listing[1]
    assert first["StartDate"] == moment(START - 45 * DAY)
    assert second["StartDate"] == moment(START - 151 * MINUTE - timedelta(seconds=1))
    assert {query["SortOrder"] for query in listing} == {"Oldest"}


def test_orders_that_vanish_while_others_are_read_push_nothing_past_us():
    """Ten of the first page go before the second is asked for: by page number ten others would be skipped."""
    vendor = ShipBob(Clock(), orders(300))

    def vanish() -> None:
        del vendor.orders[:10]

    at_pages(vendor, {2: vanish})
    stored = fully_read(vendor)
    assert set(stored.records) >= ids(vendor)


def test_orders_that_come_while_others_are_read_are_read_too():
    """Late ones, dated before the place where we are, are a matter of the next windows; new ones are at the end."""
    vendor = ShipBob(Clock(), orders(300))
    at_pages(
        vendor, {2: lambda: vendor.orders.extend(orders(3, first=900, apart=timedelta(seconds=1)))}
    )
    assert set(fully_read(vendor).records) == ids(vendor)


@pytest.mark.parametrize("count", [1, 99, 100, 101, 199, 200, 201, 350])
def test_orders_of_one_and_the_same_moment_are_told_by_page_numbers(count):
    """No limit in time can tell them apart."""
    rows = [order(n, START - HOUR) for n in range(1, count + 1)]
    rows += [order(n, START - MINUTE * 30 + MINUTE * 0.01 * n) for n in range(1000, 1120)]
    vendor = ShipBob(Clock(), rows)
    assert set(fully_read(vendor).records) == ids(vendor)


def test_a_vendor_that_does_not_sort_is_read_by_page_numbers():
    """The limit in time would skip rows, so it is left where it was."""
    vendor = ShipBob(Clock(), orders(350)[::-1], sorts=False)
    assert set(fully_read(vendor).records) == ids(vendor)
    pages = [query["Page"] for query in vendor.queries() if query["Limit"] == "100"]
    assert {"1", "2", "3", "4"} <= set(pages)


def test_a_page_that_is_not_sorted_keeps_the_limit_where_it_is():
    """Its last row is not its newest, and older ones come on the pages behind."""
    rows = orders(350)
    mixed = [rows[9], rows[8], *rows[20:118], *rows[:8], *rows[10:20], *rows[118:]]
    vendor = ShipBob(Clock(), mixed, sorts=False)
    assert set(fully_read(vendor).records) == ids(vendor)


@pytest.mark.parametrize("between", [False, True])
def test_a_page_that_comes_over_again_is_not_the_end(between):
    """Once is asked again; for ever is an error, also when the page before belongs to an earlier slice."""
    vendor = ShipBob(Clock(), orders(350))
    stream, stored = opened(vendor), Stored()
    first = vendor.right
    sent: list[bytes] = []

    def over_again(request: httpx.Request, before: int) -> httpx.Response | None:
        answer = first(request)
        sent.append(answer.content)
        return json_answer(json.loads(sent[0])) if len(sent) > 1 else None

    vendor.spoil = over_again
    step = stream.next_step({}, vendor.clock(), full_since=None)
    read_slice(stream, stored, step, budget(vendor.clock, rows=100 if between else 10_000))
    if between:
        read_slice(stream, stored, step, budget(vendor.clock))
    assert "read before" in str(stored.errors[-1])
    assert len(stored.records) == 100
    vendor.spoil = None
    assert set(settled(stream, vendor.clock, stored).records) == ids(vendor)


def test_an_end_before_the_vendors_newest_row_is_no_end():
    """The second page comes empty twice in a row; the newest order is none of ours, so there is more."""
    vendor = ShipBob(Clock(), orders(250, apart=2 * MINUTE))

    def empty(request: httpx.Request, before: int) -> httpx.Response | None:
        is_second = request.url.params["StartDate"] > moment(START - DAY)
        return json_answer([]) if is_second and before < 2 else None

    vendor.spoil = empty
    assert set(fully_read(vendor).records) == ids(vendor)


def test_an_end_that_stays_before_the_newest_row_is_an_error():
    """Whatever the vendor means by it, the listing is not complete."""
    vendor = ShipBob(Clock(), orders(250, apart=2 * MINUTE))

    def empty(request: httpx.Request, before: int) -> httpx.Response | None:
        is_second = request.url.params["StartDate"] > moment(START - DAY)
        return json_answer([]) if is_second else None

    vendor.spoil = empty
    stream, stored = opened(vendor), Stored()
    step = stream.next_step({}, vendor.clock(), full_since=None)
    read_slice(stream, stored, step, budget(vendor.clock))
    assert "before its last row" in str(stored.errors[-1])
    assert "listing" in stored.cursor


def test_an_order_that_came_after_the_last_page_does_not_hold_up_the_end():
    """It is newer than that page; the next window of changes has it."""
    vendor = ShipBob(Clock(), orders(50))
    at_pages(vendor, {1: lambda: vendor.orders.append(order(999, START))}, limit="1")
    stored = fully_read(vendor)
    assert set(stored.records) == ids(vendor) - {"999"}
    vendor.clock.sleep(60)
    stored = settled(opened(vendor), vendor.clock, stored)
    assert set(stored.records) == ids(vendor)


def test_another_page_size_goes_on_at_the_same_place():
    """Page numbers of the old size mean nothing; the limit in time does."""
    rows = [order(n, START - HOUR) for n in range(1, 250)] + orders(150, first=1000)
    vendor = ShipBob(Clock(), rows)
    stored = Stored()
    for size in (100, 30, 70):
        stream = opened(vendor, page_size=size)
        step = stream.next_step(stored.cursor, vendor.clock(), full_since=None)
        read_slice(stream, stored, step, budget(vendor.clock, rows=1))
    assert set(settled(opened(vendor, page_size=90), vendor.clock, stored).records) == ids(vendor)


def test_an_account_without_orders_is_read_and_removes_nothing():
    """A token without the scope may look just like it."""
    vendor = ShipBob(Clock())
    stored = catch_up(opened(vendor), vendor.clock)
    assert stored.records == {}
    assert opened(vendor).next_step(stored.cursor, vendor.clock(), full_since=None) is None


@pytest.mark.parametrize("absolute", [True, False])
def test_the_vendors_next_leads_through_the_products(absolute):
    """Its address is asked as it was told, and goes on in the next slice."""
    vendor = ShipBob(Clock(), products=products(250), absolute=absolute)
    stored = Stored()
    stream = opened(vendor, "products")
    for _ in range(3):
        step = stream.next_step(stored.cursor, vendor.clock(), full_since=None)
        read_slice(stream, stored, step, budget(vendor.clock, rows=1))
    stored = settled(stream, vendor.clock, stored)
    assert set(stored.records) == {str(n) for n in range(1, 251)}
    assert {query.get("Cursor") for query in vendor.queries("/2026-01/product")} >= {"100", "200"}


def test_an_address_that_leads_back_once_begins_the_listing_anew():
    """Its own question would lead back again; the rows read before cost nothing."""
    vendor = ShipBob(Clock(), products=products(250))
    spoilt: list[bool] = []

    def back(request: httpx.Request, before: int) -> httpx.Response | None:
        if request.url.params.get("Cursor") != "100" or spoilt:
            return None
        spoilt.append(True)
        answer = json.loads(vendor.right(request).content)
        answer["next"] = "/2026-01/product?PageSize=100&SortOrder=ASC"
        answer["next"] += "&Cursor=0"
        return json_answer(answer)

    vendor.spoil = back
    stored = fully_read(vendor, "products")
    assert set(stored.records) == {str(n) for n in range(1, 251)}
    assert stored.errors == []


def test_restarts_are_forgiven_only_where_a_listing_stood_still():
    """One so deep that it is read for longer than the pause would be begun anew without end, and nobody would see. An
    older worker's cursor does not say how long it has stood."""
    read_at = START
    assert restarts_of_late(3, read_at, read_at + PAUSE - SECOND) == 3
    assert restarts_of_late(3, read_at, read_at + PAUSE) == 0
    assert restarts_of_late(3, None, read_at) == 0


def test_a_deep_listing_that_is_led_round_late_ends_in_an_error():
    """Its pages are read minutes apart."""
    vendor = ShipBob(Clock(), products=products(250))

    def back(request: httpx.Request, before: int) -> httpx.Response | None:
        if request.url.params.get("Cursor") != "200":
            return None
        answer = json.loads(vendor.right(request).content)
        answer["next"] = "/2026-01/product?PageSize=100&SortOrder=ASC&Cursor=0"
        return json_answer(answer)

    vendor.spoil = back
    stream, stored = opened(vendor, "products"), Stored()
    for _ in range(40):
        step = stream.next_step(stored.cursor, vendor.clock(), full_since=None)
        assert isinstance(step, ReadPages)
        read_slice(stream, stored, step, budget(vendor.clock, rows=1))
        vendor.clock.sleep(PAUSE.total_seconds() * 0.45)
    assert any("read before" in str(error) for error in stored.errors)


def test_addresses_that_always_lead_back_are_an_error_until_a_pause_is_over():
    """Else pages would be read over and over unseen; and a vendor that is well again need not wait for a day."""
    vendor = ShipBob(Clock(), products=products(250))

    def back(request: httpx.Request, before: int) -> httpx.Response | None:
        answer = json.loads(vendor.right(request).content)
        answer["next"] = "/2026-01/product?PageSize=100&SortOrder=ASC&Cursor=0"
        return json_answer(answer)

    vendor.spoil = back
    stream, stored = opened(vendor, "products"), Stored()

    def led_round() -> int:
        """How often, after one slice more."""
        step = stream.next_step(stored.cursor, vendor.clock(), full_since=None)
        assert isinstance(step, ReadPages)
        read_slice(stream, stored, step, budget(vendor.clock))
        return sum("read before" in str(error) for error in stored.errors)

    assert led_round() == 1
    vendor.spoil = None
    assert [led_round(), led_round()] == [2, 3], "it stays an error"
    vendor.clock.sleep(PAUSE.total_seconds())
    assert led_round() == 3
    stored = settled(stream, vendor.clock, stored)
    assert set(stored.records) == {str(n) for n in range(1, 251)}


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(0, 30),
    size=st.integers(1, 8),
    gaps=st.lists(st.sampled_from([0, 1, 400, 999, 1000, 1001, 60_000]), min_size=1, max_size=6),
    slices=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6)), min_size=1, max_size=5),
)
def test_every_order_is_read_however_close_together_and_whatever_the_sizes(
    count, size, gaps, slices
):
    """Any distances in milliseconds, any page size, any slices: each order once or more, and no error."""
    at, rows = START - DAY, []
    for number in range(count):
        at += timedelta(milliseconds=gaps[number % len(gaps)])
        rows.append(order(number + 1, at))
    vendor = ShipBob(Clock(), rows)
    stored = Stored()
    for number in range(100):
        stream = opened(vendor, page_size=size)
        step = stream.next_step(stored.cursor, vendor.clock(), full_since=None)
        if not isinstance(step, ReadPages):
            break
        most, requests = slices[number % len(slices)]
        read_slice(stream, stored, step, budget(vendor.clock, rows=most, requests=requests))
    assert (set(stored.records), stored.errors) == (ids(vendor), [])


def test_time_that_ran_out_after_a_page_is_no_fault():
    """The page is kept, and the slice ends quietly."""
    vendor = ShipBob(Clock(), orders(500))

    def slow(request: httpx.Request, before: int) -> httpx.Response | None:
        vendor.clock.sleep(25)
        return None

    vendor.spoil = slow
    stream = opened(vendor)
    allowance = Budget(vendor.clock, vendor.clock() + timedelta(seconds=30), 10_000, 100)
    assert list(stream.pages(ReadPages("listing"), {}, allowance))
