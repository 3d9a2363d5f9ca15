"""What every stream must keep to, whatever its vendor. A new connector adds one entry to STREAMS.

The cursor is JSON and resumes at every page; slices of any size read the same records; errors are
ours; budgets are kept; nothing is left running.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.budget import Budget
from sluice.core.errors import NotFound, PersonMustAct, RowRejected, SluiceError, WaitForVendor
from sluice.core.ports import Stream
from sluice.core.records import ReadPages, Reconcile
from tests.unit.sources.cars_vendor import CarsVendor, Clock, cars
from tests.unit.sources.mixpanel import events_vendor as mixpanel
from tests.unit.sources.mixpanel import profiles_vendor
from tests.unit.sources.shipbob import vendor as shipbob
from tests.unit.sources.shipbob.vendor import ShipBob
from tests.unit.sources.shipbob.vendor import opened as opened_shipbob
from tests.unit.sources.slices import Stored, budget, catch_up, opened, read_slice


@dataclass
class Subject:
    """A stream before a vendor in memory, with the ids a full read must bring."""

    stream: Stream
    clock: Clock
    expected: set[str]
    asked: Callable[[], int]
    spoil: Callable[[Any], None] = field(default=lambda _: None)


def _cars(shape: str, *, advancing: bool = False) -> Subject:
    clock = Clock()
    vendor = CarsVendor(clock, cars(730), advancing=advancing)

    def spoil(how: Any) -> None:
        vendor.spoil = how

    stream = opened(vendor, clock, shape=shape, page_size=100)
    ids = {str(number) for number in range(1, 731)}
    return Subject(stream, clock, ids, lambda: len(vendor.asked), spoil)


def _shipbob(stream: str, **rows: list[dict[str, Any]]) -> Subject:
    vendor = ShipBob(Clock(), **rows)

    def spoil(how: Any) -> None:
        vendor.spoil = how

    ids = {str(each["id"]) for documents in rows.values() for each in documents}
    opened_at = opened_shipbob(
        vendor, stream, page_size=50 if stream == "receiving_orders" else 100
    )
    return Subject(opened_at, vendor.clock, ids, lambda: len(vendor.asked), spoil)


def _mixpanel_events(**settings: Any) -> Subject:
    """So many that windows of a day must be halved."""
    vendor = mixpanel.Mixpanel(Clock(), mixpanel.spread(400, days=12))

    def spoil(how: Any) -> None:
        vendor.spoil = how

    stream = mixpanel.opened(vendor, most_rows=50, first_days=15, **settings)
    return Subject(stream, vendor.clock, vendor.true_keys(), lambda: len(vendor.asked), spoil)


def _mixpanel_profiles() -> Subject:
    vendor = profiles_vendor.engage(Clock(), 730, page_size=100)

    def spoil(how: Any) -> None:
        vendor.spoil = lambda form, before: how(vendor.requests[-1], before)

    stream = profiles_vendor.opened(vendor)
    return Subject(stream, vendor.clock, set(vendor.profiles), lambda: len(vendor.asked), spoil)


STREAMS: dict[str, Callable[[], Subject]] = {
    "mixpanel events": _mixpanel_events,
    "mixpanel events by days": lambda: _mixpanel_events(where_on_time=False),
    "mixpanel profiles": _mixpanel_profiles,
    "shipbob orders": lambda: _shipbob("orders", orders=shipbob.orders(730)),
    "shipbob products": lambda: _shipbob("products", products=shipbob.products(730)),
    "shipbob returns": lambda: _shipbob("returns", returns=shipbob.returns(730)),
    "shipbob receiving orders": lambda: _shipbob(
        "receiving_orders", receivings=shipbob.returns(430)
    ),
    "cars by page": lambda: _cars("page"),
    "cars by scroll": lambda: _cars("scroll"),
    "cars by advancing scroll": lambda: _cars("scroll", advancing=True),
}


@pytest.fixture(params=STREAMS)
def make(request: pytest.FixtureRequest) -> Callable[[], Subject]:
    return STREAMS[request.param]


@pytest.fixture
def subject(make: Callable[[], Subject]) -> Subject:
    return make()


def _first_step(subject: Subject) -> ReadPages:
    step = subject.stream.next_step({}, subject.clock(), full_since=None)
    assert isinstance(step, ReadPages)
    return step


def test_a_new_client_is_read_whole_and_then_nothing_is_due(subject):
    """From an empty cursor to caught up, by way of a reconcile if the stream has one."""
    stored = catch_up(subject.stream, subject.clock)
    assert set(stored.records) == subject.expected
    step = subject.stream.next_step(stored.cursor, subject.clock(), full_since=None)
    if isinstance(step, Reconcile):
        stored.cursor = subject.stream.after_reconcile(stored.cursor, step, None)
    assert subject.stream.next_step(stored.cursor, subject.clock(), full_since=None) is None


def test_every_pages_cursor_is_json_and_goes_on_after_that_page(subject, make):
    """Stopped after any page, reading goes on with the next one, and loses and repeats nothing."""
    pages = list(subject.stream.pages(_first_step(subject), {}, budget(subject.clock)))
    for stop in range(1, len(pages)):
        fresh = make()
        stored = Stored()
        for count, page in enumerate(
            fresh.stream.pages(_first_step(fresh), {}, budget(fresh.clock)), start=1
        ):
            assert json.loads(json.dumps(page.cursor)) == page.cursor
            stored.keep(page)
            if count == stop:
                break
        fresh.stream.close()
        first_part = set(stored.records)
        stored = catch_up(fresh.stream, fresh.clock, stored)
        assert set(stored.records) == subject.expected
        assert first_part < subject.expected or stop == len(pages) - 1


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(1, 900), st.integers(1, 12)), min_size=1, max_size=12))
def test_slices_of_any_size_read_the_same_records(name, sizes):
    """However rows and requests are cut into slices, the result is the same."""
    subject = STREAMS[name]()
    stored = Stored()
    for number in range(100):
        step = subject.stream.next_step(stored.cursor, subject.clock(), full_since=None)
        if not isinstance(step, ReadPages):
            break
        rows, requests = sizes[number % len(sizes)]
        read_slice(
            subject.stream, stored, step, budget(subject.clock, rows=rows, requests=requests)
        )
    assert set(stored.records) == subject.expected
    assert stored.errors == []
    assert all(seen == subject.expected for seen in stored.sightings.values())


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_slice_asks_no_more_than_it_may(subject, requests):
    """The budget's requests are a limit, whatever is read ahead."""
    read_slice(
        subject.stream, Stored(), _first_step(subject), budget(subject.clock, requests=requests)
    )
    assert subject.asked() == requests


def test_a_slice_stops_soon_after_its_rows(subject):
    """Rows are a soft limit: the page that passes it is kept, and no further one is read."""
    stored = Stored()
    read_slice(subject.stream, stored, _first_step(subject), budget(subject.clock, rows=150))
    assert 150 <= len(stored.records) <= 200


def test_no_time_is_no_request(subject):
    """A slice that begins too late asks nothing and says so in our words."""
    late = Budget(subject.clock, subject.clock() - timedelta(seconds=1), 1000, 10)
    with pytest.raises(WaitForVendor):
        list(subject.stream.pages(_first_step(subject), {}, late))
    assert subject.asked() == 0


@pytest.mark.parametrize(
    "how",
    [
        lambda request, before: httpx.Response(500),
        lambda request, before: httpx.Response(429, headers={"retry-after": "60"}),
        lambda request, before: httpx.Response(401),
        lambda request, before: httpx.Response(404),
        lambda request, before: httpx.Response(422),
        lambda request, before: httpx.Response(200, html="<html>"),
        lambda request, before: httpx.Response(200, json={}),
        lambda request, before: httpx.Response(200, json=[1]),
        lambda request, before: httpx.Response(302, headers={"location": "https://evil.com"}),
        lambda request, before: (_ for _ in ()).throw(httpx.ConnectError("refused")),
        lambda request, before: (_ for _ in ()).throw(httpx.ReadError("reset")),
    ],
)
def test_whatever_goes_wrong_is_an_error_of_ours(subject, how):
    """No library's error, no silent end: the engine knows what to do next."""
    subject.spoil(how)
    with pytest.raises((WaitForVendor, PersonMustAct, NotFound)):
        list(subject.stream.pages(_first_step(subject), {}, budget(subject.clock)))
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_every_record_fits_its_table_or_is_rejected(subject):
    """Values stand in the order of the table's columns."""
    stored = catch_up(subject.stream, subject.clock)
    for record in list(stored.records.values())[:50]:
        assert len(subject.stream.values(record)) == len(subject.stream.table.columns)
    with pytest.raises(RowRejected):
        subject.stream.record_of("{")


def test_reading_the_same_again_gives_the_same_hashes(subject):
    """A second full read of an unchanged vendor finds nothing new."""
    first = catch_up(subject.stream, subject.clock)
    second = catch_up(subject.stream, subject.clock, Stored())
    assert {r.id: r.hash for r in first.records.values()} == {
        r.id: r.hash for r in second.records.values()
    }


def test_traffic_is_counted(subject):
    """Pages, requests, bytes and one latency per answer."""
    catch_up(subject.stream, subject.clock)
    traffic = subject.stream.traffic()
    assert traffic.requests == subject.asked()
    assert 0 < traffic.pages <= traffic.requests
    assert len(traffic.latencies_ms) == traffic.requests - traffic.errors
    assert traffic.bytes_received > 0


def test_a_step_that_is_not_ours_is_refused(subject):
    """A kind from another stream is a bug, not a silent nothing."""
    with pytest.raises(SluiceError):
        list(subject.stream.pages(ReadPages("juggle"), {}, budget(subject.clock)))
