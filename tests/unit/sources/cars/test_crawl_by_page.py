"""The page shape's crawl: complete, in order, resumable, and not fooled."""

from __future__ import annotations

import httpx
import pytest

from sluice.core.errors import CredentialsRefused, VendorAnswerBroken
from sluice.core.records import ReadPages, Reconcile
from tests.unit.sources.cars_vendor import BASE, CarsVendor, Clock, car, cars, json_answer, page_of
from tests.unit.sources.slices import Stored, budget, catch_up, opened, read_slice

CRAWL = ReadPages("crawl")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def vendor(clock):
    return CarsVendor(clock, cars(1050))


def _number(request):
    return int(request.url.params["page"])


def test_a_crawl_reads_every_car_once_in_one_generation(vendor, clock):
    """All cars arrive, all were sighted in generation 1, and removal is due next."""
    stream = opened(vendor, clock)
    stored = catch_up(stream, clock)
    assert set(stored.records) == {str(n) for n in range(1, 1051)}
    assert stored.sightings == {1: set(stored.records)}
    assert isinstance(stream.next_step(stored.cursor, clock(), full_since=None), Reconcile)
    assert sorted(int(url.params["page"]) for url in vendor.asked) == [*range(1, 12)]


def test_pages_come_in_order_with_progress(vendor, clock):
    """Each page's progress counts the rows stored up to it, out of what the last page tells."""
    pages = list(opened(vendor, clock).pages(CRAWL, {}, budget(clock)))
    assert [page.progress.done for page in pages] == [*range(100, 1001, 100), 1050]
    assert pages[0].progress.total == 1100
    assert [page.records[0].id for page in pages] == [str(n) for n in range(1, 1051, 100)]


def test_a_slice_ends_at_its_rows_and_the_next_goes_on_there(vendor, clock):
    """A budget of 250 rows reads three pages; the crawl ends with the same cars."""
    stream, stored = opened(vendor, clock), Stored()
    read_slice(stream, stored, CRAWL, budget(clock, rows=250))
    assert len(stored.records) == 300
    assert stored.cursor["crawl"]["next_page"] == 4
    assert len(vendor.asked) == 3
    stored = catch_up(stream, clock, stored, rows=250)
    assert len(stored.records) == 1050
    assert stored.sightings.keys() == {1}


def test_a_slice_keeps_to_its_requests(vendor, clock):
    """No more pages are asked for than the budget has requests."""
    stored = Stored()
    read_slice(opened(vendor, clock), stored, CRAWL, budget(clock, requests=5))
    assert len(vendor.asked) == 5
    assert stored.cursor["crawl"]["next_page"] == 6


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"id":1},{"id":2}',
        b'{"data":[{"id":1}],"meta":{"current_page":3,"last_page":11}}}',
        b"<html>busy</html>",
        b"",
        b'{"data":[],"meta":{"current_page":3,"last_page":11}}',
        b'{"data":{"id":1},"meta":{"current_page":3,"last_page":11}}',
        b'{"data":[{"id":1}],"meta":{"current_page":"3","last_page":11}}',
        b'{"data":[{"id":1}],"meta":{"current_page":3,"last_page":0}}',
        b'{"data":[{"id":1}],"meta":{"current_page":2,"last_page":11}}',
        b'{"data":[{"id":1}]}',
        b'[{"id":1}]',
        b'{"data":[{"id":1},],"meta":{"current_page":3,"last_page":11}}',
    ],
)
def test_an_answer_that_is_not_to_be_believed_never_counts(vendor, clock, body):
    """A cut, empty, mistaken or malformed page 3 ends the slice before it, and nothing is lost."""
    headers = {"content-type": "application/json"}

    def spoil(request, before):
        broken = _number(request) == 3
        return httpx.Response(200, content=body, headers=headers) if broken else None

    vendor.spoil = spoil
    stream, stored = opened(vendor, clock), Stored()
    read_slice(stream, stored, CRAWL, budget(clock))
    assert [type(error) for error in stored.errors] == [VendorAnswerBroken]
    assert stored.cursor["crawl"]["next_page"] == 3
    assert len(stored.records) == 200
    vendor.spoil = None
    assert len(catch_up(stream, clock, stored).records) == 1050


def test_damage_that_passes_is_healed_in_place(vendor, clock):
    """A page that is broken once is asked for again within the slice."""
    vendor.spoil = lambda request, before: (
        json_answer({"data": []}) if before == 0 and _number(request) in (2, 5) else None
    )
    stream = opened(vendor, clock)
    stored = catch_up(stream, clock)
    assert (len(stored.records), stored.slices, stored.errors) == (1050, 1, [])
    assert stream.traffic().retries == 2


def test_an_earlier_page_over_again_is_refused(vendor, clock):
    """A page whose meta is right and whose rows are an earlier page's is not stored."""
    repeated = page_of(vendor.cars, 2, 100) | {"meta": {"current_page": 3, "last_page": 11}}
    vendor.spoil = lambda request, before: json_answer(repeated) if _number(request) == 3 else None
    stored = Stored()
    read_slice(opened(vendor, clock), stored, CRAWL, budget(clock))
    assert [str(error) for error in stored.errors] == ["page 3 is an earlier page over again"]
    assert stored.cursor["crawl"]["next_page"] == 3


def test_a_repeat_is_noticed_across_slices(vendor, clock):
    """The cursor remembers the last page's rows, so a new slice knows a repeat too."""
    stream, stored = opened(vendor, clock), Stored()
    read_slice(stream, stored, CRAWL, budget(clock, rows=200))
    repeated = page_of(vendor.cars, 2, 100) | {"meta": {"current_page": 3, "last_page": 11}}
    vendor.spoil = lambda request, before: json_answer(repeated) if _number(request) == 3 else None
    read_slice(stream, stored, CRAWL, budget(clock))
    assert isinstance(stored.errors[0], VendorAnswerBroken)
    assert stored.cursor["crawl"]["next_page"] == 3


def test_rows_that_truly_moved_on_by_a_page_are_no_repeat(vendor, clock):
    """When a page's worth of cars was put in front, the crawl goes on."""
    stream, stored = opened(vendor, clock), Stored()
    read_slice(stream, stored, CRAWL, budget(clock, rows=200))
    vendor.cars = [*cars(100, first=5000), *vendor.cars]
    stored = catch_up(stream, clock, stored)
    assert stored.sightings.keys() == {1}
    assert {str(n) for n in range(1, 1051)} <= set(stored.records)


def test_an_early_end_is_looked_behind(vendor, clock):
    """However often a page in the middle says that it is the last, rows behind it prove it wrong."""
    early = page_of(vendor.cars, 4, 100) | {"meta": {"current_page": 4, "last_page": 4}}
    first = page_of(vendor.cars, 1, 100) | {"meta": {"current_page": 1, "last_page": 1}}

    def spoil(request, before):
        if _number(request) in (1, 4):
            return json_answer(early if _number(request) == 4 else first)
        return None

    vendor.spoil = spoil
    assert len(catch_up(opened(vendor, clock), clock).records) == 1050


def test_a_short_page_is_believed_only_when_sent_twice(vendor, clock):
    """Rows left out of one answer are not lost; a vendor that always sends short pages is read."""
    short = page_of(vendor.cars, 5, 100)
    short["data"] = short["data"][:60]
    vendor.spoil = lambda request, before: (
        json_answer(short) if _number(request) == 5 and before == 0 else None
    )
    assert len(catch_up(opened(vendor, clock), clock).records) == 1050
    vendor.spoil = lambda request, before: json_answer(short) if _number(request) == 5 else None
    assert len(catch_up(opened(vendor, clock), clock).records) == 1010


def test_a_listing_that_grows_is_read_to_its_new_end(vendor, clock):
    """The end is what the latest answers say, not what the first one said."""

    def spoil(request, before):
        if _number(request) == 6 and before == 0:
            vendor.cars.extend(cars(300, first=2000))
        return

    vendor.spoil = spoil
    assert len(catch_up(opened(vendor, clock), clock).records) == 1350


def test_a_listing_that_shrinks_ends_where_it_now_ends(vendor, clock):
    """Fewer pages than first told is an end, not a fault."""
    stream, stored = opened(vendor, clock), Stored()
    read_slice(stream, stored, CRAWL, budget(clock, rows=500))
    del vendor.cars[650:]
    stored = catch_up(stream, clock, stored)
    assert (stored.errors, len(stored.records)) == ([], 650)


def test_an_empty_catalogue_is_a_complete_crawl(clock):
    """No cars at all, told twice, is a listing of one empty page."""
    vendor = CarsVendor(clock, [])
    stored = catch_up(opened(vendor, clock), clock)
    assert stored.cursor["pending"]["generation"] == 1
    assert len(vendor.asked) == 2


def test_a_crawl_older_than_a_day_begins_anew(vendor, clock):
    """The next generation starts at page one; what the old one stored stays."""
    stream, stored = opened(vendor, clock), Stored()
    read_slice(stream, stored, CRAWL, budget(clock, rows=300))
    clock.sleep(24 * 3600 + 1)
    stored = catch_up(stream, clock, stored)
    assert stored.cursor["pending"]["generation"] == 2
    assert len(stored.sightings[2]) == 1050


@pytest.mark.parametrize("changed", [{"page_size": 200}, {"shape": "scroll"}])
def test_changed_settings_begin_a_crawl_anew(vendor, clock, changed):
    """Page numbers of another page size or shape mean other cars."""
    stored = Stored()
    read_slice(opened(vendor, clock), stored, CRAWL, budget(clock, rows=300))
    stored = catch_up(opened(vendor, clock, **changed), clock, stored)
    assert stored.cursor["pending"]["generation"] == 2
    assert len(stored.sightings[2]) == 1050


def test_refused_credentials_are_read_anew_once(vendor, clock):
    """A key rotated in the middle of a run costs one refresh and no error."""
    refreshed = []

    def refresh():
        refreshed.append(1)
        return "key-2"

    stream, stored = opened(vendor, clock, refresh=refresh), Stored()
    vendor.keys = {"key-2"}
    stored = catch_up(stream, clock, stored)
    assert (len(stored.records), len(refreshed)) == (1050, 1)


def test_credentials_refused_twice_need_a_person(vendor, clock):
    """When the fresh key is refused too, the run stops and says so."""
    refreshed = []
    stream = opened(vendor, clock, refresh=lambda: refreshed.append(1) or "key-9")
    vendor.keys = {"key-2"}
    with pytest.raises(CredentialsRefused, match="key"):
        list(stream.pages(CRAWL, {}, budget(clock)))
    assert len(refreshed) == 1


def test_closing_in_the_middle_leaves_no_thread(vendor, clock):
    """A slice that stops early joins its readers, and the stream can be read again."""
    import threading

    stream = opened(vendor, clock)
    pages = stream.pages(CRAWL, {}, budget(clock))
    next(pages)
    next(pages)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]
    assert len(list(stream.pages(CRAWL, {}, budget(clock)))) == 11


def test_the_key_travels_in_the_header_only(vendor, clock):
    """The page shape never puts the key into an address, where logs would keep it."""
    catch_up(opened(vendor, clock), clock)
    assert not [url for url in vendor.asked if "key-1" in str(url)]


def test_one_rejected_row_costs_its_neighbours_nothing(clock):
    """A row with NUL lies in rejects with its id and field; its 99 neighbours are records."""
    rows = cars(150)
    rows[20] = car(21, vin="a\0b")
    stored = catch_up(opened(CarsVendor(clock, rows), clock), clock)
    assert len(stored.records) == 149
    assert [(r.record_id, r.field) for r in stored.rejects] == [("21", "vin")]
    assert "\\u0000" in stored.rejects[0].raw
    assert BASE not in stored.rejects[0].reason


def test_our_own_deadline_is_no_fault_of_the_vendor(vendor, clock):
    """A page that is cut off by the slice's end ends the slice quietly, after the pages before."""

    def spoil(request, before):
        if _number(request) == 3:
            clock.sleep(60)
            raise httpx.ReadTimeout("the slice is over")

    vendor.spoil = spoil
    stored = Stored()
    read_slice(opened(vendor, clock, concurrency=1), stored, CRAWL, budget(clock))
    assert (len(stored.records), stored.errors) == (200, [])
