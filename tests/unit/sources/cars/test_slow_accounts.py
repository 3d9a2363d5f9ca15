"""Accounts that allow one request in many seconds: every read still comes to its end."""

from __future__ import annotations

import pytest

from sluice.core.limits.pages import read_page
from sluice.core.records import ReadPages, Reconcile
from tests.memory.book import MemoryBook
from tests.unit.sources.cars_vendor import CarsVendor, Clock, cars, json_answer
from tests.unit.sources.slices import Stored, budget, catch_up, opened, read_slice

SLOW = {"requests_per_second": 1 / 15}


@pytest.mark.parametrize("advancing", [False, True])
@pytest.mark.parametrize("count", [0, 50, 100, 250])
@pytest.mark.parametrize("shape", ["page", "scroll"])
def test_a_crawl_ends_at_one_request_a_slice(shape, count, advancing):
    """Second looks fall into later slices; none of them starts over for ever."""
    clock = Clock()
    vendor = CarsVendor(clock, cars(count), advancing=advancing)
    stream = opened(vendor, clock, shape=shape, page_size=100, **SLOW)
    stored = catch_up(stream, clock, most=20)
    assert len(stored.records) == count
    assert stored.sightings.keys() == {1}


def test_an_empty_delta_ends_at_one_request_a_slice():
    """Nothing changed: said twice, in two slices, it is believed."""
    clock = Clock()
    vendor = CarsVendor(clock, cars(50))
    stream = opened(vendor, clock, **SLOW)
    stored = catch_up(stream, clock, most=10)
    stored.cursor = stream.after_reconcile(stored.cursor, _reconcile(stream, stored, clock), None)
    clock.sleep(3600)
    assert stream.next_step(stored.cursor, clock(), full_since=None) == ReadPages("delta")
    stored = catch_up(stream, clock, stored, most=10)
    assert stream.next_step(stored.cursor, clock(), full_since=None) is None


def _reconcile(stream, stored: Stored, clock: Clock) -> Reconcile:
    step = stream.next_step(stored.cursor, clock(), full_since=None)
    assert isinstance(step, Reconcile)
    return step


def test_the_end_of_a_slice_gives_back_what_was_reserved_ahead():
    """One page is read; the other seconds that were booked with it are free again."""
    clock, book = Clock(), MemoryBook()
    stream = opened(CarsVendor(clock, cars(50)), clock, book=book, requests_per_second=1)
    step = stream.next_step({}, clock(), full_since=None)
    read_slice(stream, Stored(), step, budget(clock))
    (subject,) = book.pages
    page = read_page(book.read(subject))
    assert subject == "account#cars#acme"
    assert page.holders == {}
    assert all(taken.start_ms <= page.at_ms for taken in page.taken)


@pytest.mark.parametrize("shape", ["page", "scroll"])
def test_a_vendor_that_throttles_every_second_request_is_read_to_its_end(shape):
    """Without a pace of our own, the vendor's Retry-After has the same effect."""
    clock = Clock()
    vendor = CarsVendor(clock, cars(250))
    calls = []

    def every_second(request, before):
        calls.append(1)
        return json_answer({}, 429, retry_after="15") if len(calls) % 2 == 0 else None

    vendor.spoil = every_second
    stored = catch_up(opened(vendor, clock, shape=shape, page_size=100), clock, most=40)
    assert len(stored.records) == 250
