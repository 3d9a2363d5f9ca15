"""Deltas and archived lots: what changed since the last look, never more or less."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.errors import VendorAnswerBroken
from sluice.core.records import ReadPages, Reconcile
from sluice.core.removal import Candidate
from tests.unit.sources.cars_vendor import START, CarsVendor, Clock, car, cars, json_answer
from tests.unit.sources.slices import Stored, budget, catch_up, opened, read_slice

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def vendor(clock):
    return CarsVendor(clock, cars(250))


@pytest.fixture
def stored(vendor, clock):
    """A client whose first crawl is done and reconciled."""
    stream = opened(vendor, clock)
    done = catch_up(stream, clock)
    done.cursor = stream.after_reconcile(
        done.cursor, stream.next_step(done.cursor, clock(), full_since=None), None
    )
    vendor.asked.clear()
    return done


def _step(stream, stored, clock):
    return stream.next_step(stored.cursor, clock(), full_since=None)


def test_nothing_is_due_right_after_a_crawl(vendor, clock, stored):
    """The first crawl's end starts the cadence of deltas and archived reads."""
    assert _step(opened(vendor, clock), stored, clock) is None


def test_a_delta_reads_back_to_the_last_one_and_an_hour_more(vendor, clock, stored):
    """minutes covers the time since the crawl began, rounded up, and the lookback."""
    vendor.changed = [car(7, title="changed"), car(900)]
    clock.sleep(15 * 60 + 1)
    stream = opened(vendor, clock)
    assert _step(stream, stored, clock) == ReadPages("delta")
    read_slice(stream, stored, ReadPages("delta"), budget(clock))
    assert [url.params["minutes"] for url in vendor.asked] == ["76"]
    assert b"changed" in stored.records["7"].raw
    assert _step(stream, stored, clock) is None


def test_a_delta_is_no_listing(vendor, clock, stored):
    """Its pages carry no sighting: what it lacks is not missing."""
    vendor.changed = [car(7)]
    clock.sleep(15 * 60 + 1)
    pages = list(opened(vendor, clock).pages(ReadPages("delta"), stored.cursor, budget(clock)))
    assert [page.sighting for page in pages] == [None]


def test_a_delta_advances_to_the_vendors_time_less_the_settle(vendor, clock, stored):
    """A vendor whose clock is behind is read by its own clock, so nothing between is skipped."""
    vendor.changed = [car(7)]
    vendor.skew = timedelta(minutes=-20)
    clock.sleep(3600)
    read_slice(opened(vendor, clock), stored, ReadPages("delta"), budget(clock))
    through = START + timedelta(seconds=3600) - 20 * MINUTE - MINUTE - timedelta(seconds=1)
    assert stored.cursor["delta"]["through"] == through.isoformat()


def test_a_vendor_ahead_of_us_cannot_push_the_delta_past_unread_rows(vendor, clock, stored):
    """A Date in the future counts no further than our own clock."""
    vendor.changed = [car(7)]
    vendor.skew = timedelta(days=2)
    clock.sleep(3600)
    read_slice(opened(vendor, clock), stored, ReadPages("delta"), budget(clock))
    through = START + timedelta(seconds=3600) - MINUTE
    assert stored.cursor["delta"]["through"] == through.isoformat()


def test_a_delta_that_stops_in_the_middle_goes_on_there_and_advances_only_at_its_end(
    vendor, clock, stored
):
    """Until its last page is stored, a delta keeps the moment it reads back to."""
    vendor.changed = cars(350, first=10)
    clock.sleep(3600)
    stream = opened(vendor, clock)
    before = stored.cursor["delta"]["through"]
    read_slice(stream, stored, ReadPages("delta"), budget(clock, rows=100))
    assert stored.cursor["delta"]["through"] == before
    assert stored.cursor["delta"]["window"]["next_page"] == 2
    clock.sleep(600)
    assert _step(stream, stored, clock) == ReadPages("delta")
    read_slice(stream, stored, ReadPages("delta"), budget(clock))
    assert [url.params["page"] for url in vendor.asked] == ["1", "2", "3", "4"]
    assert vendor.asked[-1].params["minutes"] == "130"
    through = START + timedelta(seconds=3600) - MINUTE - timedelta(seconds=1)
    assert stored.cursor["delta"]["through"] == through.isoformat()
    assert {str(n) for n in range(10, 360)} <= set(stored.records)


def test_no_change_at_all_is_believed_when_said_twice(vendor, clock, stored):
    """An empty delta is asked for again once, because an empty answer may be damage."""
    clock.sleep(3600)
    vendor.spoil = lambda request, before: (
        json_answer({"data": [], "meta": {"current_page": 1, "last_page": 1}})
        if before == 0
        else None
    )
    vendor.changed = [car(7, title="changed")]
    read_slice(opened(vendor, clock), stored, ReadPages("delta"), budget(clock))
    assert b"changed" in stored.records["7"].raw


def test_a_delta_comes_before_a_crawl_in_progress(vendor, clock, stored):
    """Fresh changes never wait for a long crawl, and the crawl goes on behind them."""
    clock.sleep(24 * 3600)
    stream = opened(vendor, clock)
    kinds = []
    while (step := _step(stream, stored, clock)) and not isinstance(step, Reconcile):
        kinds.append(step.kind)
        read_slice(stream, stored, step, budget(clock, rows=100))
        clock.sleep(400)
    assert kinds == ["delta", "archived", "crawl", "delta", "crawl", "crawl", "delta"]
    assert stored.cursor["pending"]["generation"] == 2


def test_a_vendor_clock_far_behind_starves_nobody(vendor, clock, stored):
    """The cadence runs by our clock: a delta just done is not due again, wherever it reached."""
    vendor.skew = timedelta(hours=-5)
    clock.sleep(3600)
    stream = opened(vendor, clock)
    read_slice(stream, stored, ReadPages("delta"), budget(clock))
    read_slice(stream, stored, ReadPages("archived"), budget(clock))
    assert _step(stream, stored, clock) is None


def test_no_delta_runs_before_the_first_crawl_is_done(vendor, clock):
    """The first crawl reads everything; its beginning is where deltas will begin."""
    stream, done = opened(vendor, clock), Stored()
    read_slice(stream, done, ReadPages("crawl"), budget(clock, rows=100))
    clock.sleep(7200)
    assert _step(stream, done, clock) == ReadPages("crawl")
    read_slice(stream, done, ReadPages("crawl"), budget(clock))
    assert done.cursor["delta"]["through"] == START.isoformat()


def test_cadences_that_are_null_are_never_due(vendor, clock, stored):
    """A client may switch deltas and archived reads off."""
    clock.sleep(20 * 3600)
    assert (
        _step(opened(vendor, clock, delta_every=None, archived_every=None), stored, clock) is None
    )


def test_a_full_read_is_due_when_asked_for_after_the_last_began(vendor, clock, stored):
    """full_since asks for a crawl that began at or after it, once."""
    clock.sleep(60)
    stream, asked_at = opened(vendor, clock), clock()
    assert stream.next_step(stored.cursor, clock(), full_since=START) is None
    assert stream.next_step(stored.cursor, clock(), full_since=asked_at) == ReadPages("crawl")
    read_slice(stream, stored, ReadPages("crawl"), budget(clock))
    step = stream.next_step(stored.cursor, clock(), full_since=asked_at)
    stored.cursor = stream.after_reconcile(stored.cursor, step, None)
    assert stream.next_step(stored.cursor, clock(), full_since=asked_at) is None


def test_archived_lots_give_their_cars_ids(vendor, clock, stored):
    """The id stands under car_id, id or external_id, as number or text."""
    vendor.archived = [
        {"car_id": 5, "id": 77},
        {"id": "6"},
        {"external_id": 7},
        {"car_id": None, "id": 8},
    ]
    clock.sleep(3600)
    read_slice(opened(vendor, clock), stored, ReadPages("archived"), budget(clock))
    assert stored.archived == {"5", "6", "7", "8"}
    assert stored.rejects == []


def test_an_archived_lot_without_an_id_is_rejected_and_costs_no_other(vendor, clock, stored):
    """What cannot be understood lies in rejects with its text."""
    vendor.archived = [{"lot": 1}, "x", {"car_id": True}, {"car_id": "a\0"}, {"car_id": 5}]
    clock.sleep(3600)
    read_slice(opened(vendor, clock), stored, ReadPages("archived"), budget(clock))
    assert stored.archived == {"5"}
    assert [reject.raw for reject in stored.rejects][:2] == ['{"lot":1}', '"x"']
    assert len(stored.rejects) == 4


def test_archived_lots_under_the_name_data_are_read_too(vendor, clock, stored):
    """Both envelopes were seen."""
    clock.sleep(3600)
    vendor.spoil = lambda request, before: json_answer({"data": [{"car_id": 5}]})
    read_slice(opened(vendor, clock), stored, ReadPages("archived"), budget(clock))
    assert stored.archived == {"5"}


@pytest.mark.parametrize("answer", [{}, [], {"archived_lots": {}}, {"archived_lots": None}])
def test_archived_lots_that_are_no_list_are_refused(vendor, clock, stored, answer):
    """An envelope without a list is damage, not an empty list."""
    clock.sleep(3600)
    vendor.spoil = lambda request, before: json_answer(answer)
    read_slice(opened(vendor, clock), stored, ReadPages("archived"), budget(clock))
    assert isinstance(stored.errors[0], VendorAnswerBroken)


def test_archived_lots_in_pages_are_read_to_the_last(vendor, clock, stored):
    """Where a meta tells pages, they are followed, and the cursor moves at the last one."""
    vendor.spoil = lambda request, before: json_answer(
        {
            "archived_lots": [{"car_id": int(request.url.params.get("page", 1))}],
            "meta": {"current_page": int(request.url.params.get("page", 1)), "last_page": 3},
        }
    )
    clock.sleep(3600)
    stream = opened(vendor, clock)
    read_slice(stream, stored, ReadPages("archived"), budget(clock, requests=2))
    assert stored.cursor["archived"]["window"]["next_page"] == 3
    read_slice(stream, stored, ReadPages("archived"), budget(clock))
    assert stored.archived == {"1", "2", "3"}
    assert "window" not in stored.cursor["archived"]


@pytest.mark.parametrize(
    ("answer", "status", "exists"),
    [
        ({"id": 5}, 200, True),
        ({"id": "5"}, 200, True),
        ({"data": {"id": 5}}, 200, True),
        ({"message": "gone"}, 404, False),
        ({"message": "gone"}, 410, False),
    ],
)
def test_a_point_read_says_whether_the_car_is_there(vendor, clock, answer, status, exists):
    """Only 404 and 410 say that a car is gone."""
    vendor.spoil = lambda request, before: json_answer(answer, status)
    assert opened(vendor, clock).still_exists(Candidate("5", 1), budget(clock)) is exists


@pytest.mark.parametrize("answer", [{"id": 6}, {}, [], {"data": []}, {"id": True}, {"data": None}])
def test_a_point_read_of_something_else_is_not_believed(vendor, clock, answer):
    """Another car, or nothing, with status 200 says neither "there" nor "gone"."""
    vendor.spoil = lambda request, before: json_answer(answer)
    with pytest.raises(VendorAnswerBroken):
        opened(vendor, clock).still_exists(Candidate("5", 1), budget(clock))


@pytest.mark.parametrize(
    ("identity", "path"),
    [("a/../b", b"/api/cars/a%2F..%2Fb"), ("ü?x#", b"/api/cars/%C3%BC%3Fx%23")],
)
def test_an_id_stays_one_piece_of_the_address(vendor, clock, identity, path):
    """An id with slashes or marks cannot reach another address."""
    assert opened(vendor, clock).still_exists(Candidate(identity, 1), budget(clock)) is False
    assert vendor.asked[0].raw_path == path


@pytest.mark.parametrize("identity", [".", ".."])
def test_an_id_that_is_a_way_up_is_never_asked_for(vendor, clock, identity):
    """Such a car stays: it cannot be asked for safely."""
    assert opened(vendor, clock).still_exists(Candidate(identity, 1), budget(clock)) is True
    assert vendor.asked == []


def test_each_empty_delta_is_doubted_anew(vendor, clock, stored):
    """That an earlier delta was truly empty does not make an empty answer now believable."""
    stream = opened(vendor, clock)
    clock.sleep(3600)
    read_slice(stream, stored, ReadPages("delta"), budget(clock))
    clock.sleep(3600)
    vendor.changed = [car(7, title="changed")]
    calls = []
    vendor.spoil = lambda request, before: (
        json_answer({"data": [], "meta": {"current_page": 1, "last_page": 1}})
        if not calls and not calls.append(1)
        else None
    )
    read_slice(stream, stored, ReadPages("delta"), budget(clock))
    assert b"changed" in stored.records["7"].raw
