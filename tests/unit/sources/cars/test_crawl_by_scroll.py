"""The scroll shape's crawl: one page names the next, and a lost place begins anew."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from sluice.core.errors import (
    BreakerOpen,
    PageTokenExpired,
    RequestRefused,
    VendorAnswerBroken,
)
from sluice.core.records import ReadPages
from sluice.core.removal import Candidate
from sluice.sources.http import VendorHttp
from tests.unit.sources.cars_vendor import BASE, KEY, CarsVendor, Clock, cars, json_answer
from tests.unit.sources.slices import Stored, budget, catch_up, opened, read_slice

CRAWL = ReadPages("crawl")
SCROLL = {"shape": "scroll", "page_size": 100}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=[False, True], ids=["repeatable", "advancing"])
def vendor(clock, request):
    return CarsVendor(clock, cars(1050), advancing=request.param)


def _token(request):
    return request.url.params.get("scroll_id")


def _answer(vendor, first, last, token, *, more=True):
    next_url = f"{BASE}/cars?api_key={KEY}&scroll_id={token}" if more else ""
    return json_answer({"data": vendor.cars[first:last], "scroll_id": token, "next_url": next_url})


def test_a_scroll_reads_every_car_in_one_generation(vendor, clock):
    """All cars arrive in several slices, whichever kind of scroll the vendor has."""
    stored = catch_up(opened(vendor, clock, **SCROLL), clock, rows=250)
    assert len(stored.records) == 1050
    assert stored.sightings.keys() == {1}
    assert stored.slices > 3
    assert len(vendor.asked) == 12  # 11 pages, and one look behind the last


def test_the_key_never_enters_the_cursor(vendor, clock):
    """The vendor's ready-made next address holds the key; only the scroll's id is kept."""
    stored = Stored()
    read_slice(opened(vendor, clock, **SCROLL), stored, CRAWL, budget(clock, rows=100))
    assert stored.cursor["crawl"]["scroll"]["id"].startswith("scroll-")
    assert KEY not in json.dumps(stored.cursor)


def test_a_scroll_that_ran_out_begins_the_next_generation(vendor, clock):
    """After the scroll's life our own clock knows, and the vendor is not asked in vain."""
    stream, stored = opened(vendor, clock, **SCROLL), Stored()
    read_slice(stream, stored, CRAWL, budget(clock, rows=300))
    clock.sleep(10 * 60)
    asked = len(vendor.asked)
    read_slice(stream, stored, CRAWL, budget(clock, rows=100))
    assert "scroll_id" not in vendor.asked[asked].params
    assert stored.cursor["crawl"]["generation"] == 2
    assert stored.sightings.keys() == {1, 2}


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_scroll_the_vendor_forgot_begins_anew_in_the_next_slice(vendor, clock, status):
    """However the vendor says that the place is gone, the listing is read again from its start."""
    stream, stored = opened(vendor, clock, **SCROLL), Stored()
    read_slice(stream, stored, CRAWL, budget(clock, rows=300))
    forgotten = []
    vendor.spoil = lambda request, before: (
        json_answer({"message": "no scroll"}, status)
        if not forgotten and not forgotten.append(1)
        else None
    )
    stored = catch_up(stream, clock, stored)
    assert stored.cursor["pending"]["generation"] == 2
    assert len(stored.sightings[2]) == 1050


def test_a_place_lost_within_a_slice_is_an_error_after_its_pages(vendor, clock):
    """What was read before stays good, and the error says that the place is gone."""
    calls = []
    vendor.spoil = lambda request, before: (
        json_answer({}, 404) if calls.append(1) or len(calls) == 4 else None
    )
    stored = Stored()
    read_slice(opened(vendor, clock, **SCROLL), stored, CRAWL, budget(clock))
    assert [type(error) for error in stored.errors] == [PageTokenExpired]
    assert len(stored.records) == 300


def test_a_vendor_that_forgets_every_scroll_is_not_asked_in_a_hot_loop(vendor, clock):
    """Each lost generation makes the next wait longer."""
    vendor.spoil = lambda request, before: json_answer({}, 404) if _token(request) else None
    stream, stored = opened(vendor, clock, **SCROLL), Stored()
    waits = []
    for _ in range(4):
        read_slice(stream, stored, CRAWL, budget(clock))
        waits.append(stored.errors[-1].retry_after)
    assert waits == [timedelta(minutes=n) for n in range(4)]


def test_a_lost_answer_of_an_advancing_scroll_gives_the_scroll_up(clock):
    """Where the id names the whole scroll, asking again would skip a page in silence."""
    vendor = CarsVendor(clock, cars(1050), advancing=True)
    calls = []

    def lost(request, before):
        calls.append(1)
        if len(calls) == 4:
            vendor._right(request)  # the vendor moved on, and its answer is lost
            return json_answer({"message": "bad gateway"}, 502)
        return None

    vendor.spoil = lost
    stored = catch_up(opened(vendor, clock, **SCROLL), clock)
    assert len(stored.records) == 1050
    assert stored.cursor["pending"]["generation"] == 2
    assert len(stored.sightings[2]) == 1050


def test_a_lost_answer_of_a_repeatable_scroll_is_asked_for_again(clock):
    """Where each id names a place, a retry reads the same page."""
    vendor = CarsVendor(clock, cars(1050))
    vendor.spoil = lambda request, before: (
        json_answer({}, 502) if _token(request) == "scroll-500" and before == 0 else None
    )
    stored = catch_up(opened(vendor, clock, **SCROLL), clock)
    assert (len(stored.records), stored.errors) == (1050, [])
    assert stored.sightings.keys() == {1}


def test_a_question_that_was_not_asked_gives_no_scroll_up(clock, monkeypatch):
    """An open breaker lost no answer: even the place of an advancing scroll is where it was."""
    stream = opened(CarsVendor(clock, cars(1050), advancing=True), clock, **SCROLL)
    monkeypatch.setattr(VendorHttp, "ask_until_believed", _not_asked)
    with pytest.raises(BreakerOpen):
        stream._client.next_scroll("scroll-0", budget(clock), repeatable=False)


def _not_asked(*_, **__):
    raise BreakerOpen("not asked", retry_after=timedelta(seconds=60))


def test_a_throttled_question_moved_nothing_and_is_asked_again(vendor, clock):
    """429 is a refusal to hear the question, so even an advancing scroll goes on."""
    calls = []
    vendor.spoil = lambda request, before: (
        json_answer({}, 429) if calls.append(1) or len(calls) == 4 else None
    )
    stored = catch_up(opened(vendor, clock, **SCROLL), clock)
    assert (len(stored.records), stored.errors) == (1050, [])
    assert stored.sightings.keys() == {1}


def test_an_id_that_leads_back_once_is_followed_forward(clock):
    """One answer that names an earlier place costs requests, not rows."""
    vendor = CarsVendor(clock, cars(1050))
    vendor.spoil = lambda request, before: (
        _answer(vendor, 400, 500, "scroll-200")
        if _token(request) == "scroll-400" and before == 0
        else None
    )
    stored = catch_up(opened(vendor, clock, **SCROLL), clock)
    assert (len(stored.records), stored.errors) == (1050, [])
    assert stored.sightings.keys() == {1}


def test_a_scroll_that_goes_in_circles_is_refused(clock):
    """Ids that lead round for ever end the slice with an error, not with a loop."""
    vendor = CarsVendor(clock, cars(1050))
    vendor.spoil = lambda request, before: (
        _answer(vendor, 200, 300, "scroll-100") if _token(request) == "scroll-200" else None
    )
    stored = Stored()
    read_slice(opened(vendor, clock, **SCROLL), stored, CRAWL, budget(clock))
    assert [type(error) for error in stored.errors] == [VendorAnswerBroken]
    assert len(stored.records) == 300
    assert len(vendor.asked) < 15


def test_an_early_end_is_looked_behind(vendor, clock):
    """A full page that says it is the last one is asked about again before the crawl ends."""
    calls = []

    def early(request, before):
        calls.append(1)
        if len(calls) != 4:
            return None
        right = vendor._right(request)
        body = json.loads(right.content) | {"next_url": ""}
        return json_answer(body)

    vendor.spoil = early
    stored = catch_up(opened(vendor, clock, **SCROLL), clock)
    assert len(stored.records) == 1050
    assert stored.sightings.keys() == {1}


def test_an_empty_answer_in_the_middle_is_no_end(vendor, clock):
    """ "No more data" is believed when it is said twice."""
    calls = []
    vendor.spoil = lambda request, before: (
        json_answer({"data": [], "scroll_id": "x", "next_url": ""})
        if calls.append(1) or len(calls) == 4
        else None
    )
    stored = catch_up(opened(vendor, clock, **SCROLL), clock)
    assert len(stored.sightings[max(stored.sightings)]) == 1050


def test_no_more_data_ends_a_scroll_whose_next_address_never_empties(vendor, clock):
    """The documentation names two ends: an empty next_url, or no data."""

    def endless(request, before):
        right = vendor._right(request)
        body = json.loads(right.content)
        return json_answer(body | {"next_url": f"{BASE}/cars?scroll_id={body['scroll_id']}"})

    vendor.spoil = endless
    stored = catch_up(opened(vendor, clock, **SCROLL), clock)
    assert len(stored.records) == 1050
    assert stored.cursor["pending"]["generation"] == 1


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example.com/cars?scroll_id=a",
        "//evil.example.com/cars?scroll_id=a",
        "https://api.cars-vendor.com@evil.example.com/cars?scroll_id=a",
        "http://api.cars-vendor.com/cars?scroll_id=a",
        17,
        ["https://api.cars-vendor.com/cars?scroll_id=a"],
    ],
)
def test_a_next_address_elsewhere_is_refused(vendor, clock, next_url):
    """A payload never leads us to another host."""
    vendor.spoil = lambda request, before: json_answer(
        {"data": vendor.cars[:100], "scroll_id": "a", "next_url": next_url}
    )
    with pytest.raises(VendorAnswerBroken, match=r"address|says nothing"):
        list(opened(vendor, clock, **SCROLL).pages(CRAWL, {}, budget(clock)))
    assert {url.host for url in vendor.asked} == {"api.cars-vendor.com"}


@pytest.mark.parametrize("envelope", [{}, {"next_url": f"{BASE}/cars", "scroll_id": "x" * 9000}])
def test_a_scroll_without_a_usable_next_place_is_refused(vendor, clock, envelope):
    """An envelope without next_url is not an end, and an id has a sane size."""
    vendor.spoil = lambda request, before: json_answer({"data": vendor.cars[:100], **envelope})
    with pytest.raises(VendorAnswerBroken, match=r"says nothing|usable"):
        list(opened(vendor, clock, **SCROLL).pages(CRAWL, {}, budget(clock)))


def test_too_little_time_is_no_reason_to_lose_an_advancing_scroll(clock):
    """With seconds left, a question that cannot be asked again is left to the next slice."""
    vendor = CarsVendor(clock, cars(1050), advancing=True)
    vendor.spoil = lambda request, before: clock.sleep(3)
    stored = Stored()
    read_slice(opened(vendor, clock, **SCROLL), stored, CRAWL, budget(clock, seconds=15))
    assert stored.errors == []
    assert len(stored.records) == 300


def test_a_scroll_account_without_point_reads_says_so(vendor, clock):
    """Removal is held back, not guessed, where single cars cannot be asked for."""
    with pytest.raises(RequestRefused, match="point_read_base_url"):
        opened(vendor, clock, **SCROLL).still_exists(Candidate("5", 1), budget(clock))


def test_point_reads_of_a_scroll_account_go_to_their_own_address(vendor, clock):
    """point_read_base_url is asked with the key in the header."""
    stream = opened(vendor, clock, **SCROLL, point_read_base_url=BASE)
    assert stream.still_exists(Candidate("5", 1), budget(clock)) is True
    assert stream.still_exists(Candidate("99999", 1), budget(clock)) is False
    assert vendor.paths() == ["/api/cars/5", "/api/cars/99999"]
    assert stream.traffic().requests == 2


def test_rows_left_out_of_one_page_of_a_repeatable_scroll_are_not_lost(clock):
    """A short page in the middle is asked for again."""
    vendor = CarsVendor(clock, cars(1050))
    vendor.spoil = lambda request, before: (
        _answer(vendor, 400, 480, "scroll-500")
        if _token(request) == "scroll-400" and before == 0
        else None
    )
    assert len(catch_up(opened(vendor, clock, **SCROLL), clock).records) == 1050
