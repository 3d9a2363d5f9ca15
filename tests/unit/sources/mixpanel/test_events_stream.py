"""The events stream: what it asks for, and how long a window is."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest

from sluice.core.errors import (
    SettingInvalid,
)
from sluice.core.records import ReadPages
from sluice.sources.mixpanel.events_cursor import EventsCursor
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.mixpanel.events_slices import (
    step_of,
    vendor_of,
)
from tests.unit.sources.mixpanel.events_vendor import (
    Chunks,
    opened,
    sent,
    spread,
)
from tests.unit.sources.slices import Stored, budget, catch_up, read_slice

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_a_request_says_all_that_the_vendor_wants():
    """Project, days, events and window, with a service account, and lines rather than JSON."""
    requests: list[httpx.Request] = []
    vendor = vendor_of(spoil=lambda request, _: requests.append(request))
    list(opened(vendor).pages(ReadPages("new"), {}, budget(vendor.clock, requests=1)))
    (request,) = requests
    query = dict(request.url.params)
    assert request.url.host == "data.mixpanel.com"
    assert request.url.path == "/api/2.0/export"
    assert query["project_id"] == "4242"
    assert len(json.loads(query["event"])) == 11
    assert query["from_date"] == "2026-09-17"
    assert query["where"].startswith('properties["$time"]>=datetime(')
    assert set(query) == {"project_id", "event", "from_date", "to_date", "where"}
    assert request.headers["authorization"] == "Basic cm9ib3Q6c2VjcmV0"
    assert request.headers["accept"] == "text/plain"
    assert request.headers["accept-encoding"] == "gzip"


def test_all_events_are_asked_for_without_naming_any():
    """Or those that are named."""
    for wanted, told in (("all", None), (["B", "A"], '["A","B"]')):
        vendor = vendor_of()
        stream = opened(vendor, events=wanted)
        list(stream.pages(ReadPages("new"), {}, budget(vendor.clock, requests=1)))
        assert vendor.asked[0].params.get("event") == told


def test_a_sparse_project_is_read_by_several_days_and_a_dense_one_by_minutes():
    """Lengths double while windows come out small, and halve when one holds too much."""
    sparse = vendor_of(*spread(20))
    catch_up(opened(sparse), sparse.clock)
    assert len(sparse.asked) < 12
    dense = vendor_of(*spread(300, days=0.1))
    catch_up(opened(dense, most_rows=10, first_days=6), dense.clock)
    lengths = [until - since for since, until in dense.windows()]
    assert min(lengths) <= 15 * 60
    assert max(lengths) >= 2 * 86_400


def test_windows_follow_each_other_without_gaps():
    """Each begins where the one before ended, or, halved, where that began."""
    vendor = vendor_of(*spread(400, days=3))
    stored = catch_up(opened(vendor, most_rows=40, first_days=7), vendor.clock)
    for (begin, end), (since, _) in pairwise(vendor.windows()):
        assert since in (begin, end)
    assert set(stored.records) == vendor.true_keys()


def test_too_much_moves_nothing_but_the_length():
    """What came of it is not kept, and the reading ends at once."""
    vendor = vendor_of(*spread(100, days=0.5))
    stream, stored = opened(vendor, most_rows=10, longest="PT12H", first_days=5), Stored()
    stored.cursor = EventsCursor(
        read_until=START - DAY / 2, read_at=START - DAY, reread_at=START
    ).as_json()
    page = next(iter(stream.pages(ReadPages("new"), stored.cursor, budget(vendor.clock))))
    assert (page.rows, page.cursor["length_s"]) == (0, 6 * 3600)
    assert page.cursor["read_until"] == stored.cursor["read_until"]
    assert page.cursor["new"]["through"] == page.cursor["new"]["since"]


def test_one_second_that_holds_too_much_needs_a_person():
    """It cannot be halved: what to set is said, and nothing goes round in circles."""
    at = START - HOUR
    vendor = vendor_of(*(sent(n, at) for n in range(30)))
    with pytest.raises(SettingInvalid, match=r"one second .* holds more than 20 events.*most_rows"):
        catch_up(opened(vendor, most_rows=20, first_days=5), vendor.clock)


def test_a_day_that_holds_too_much_needs_a_person_where_days_are_asked_for():
    """The remedy is another setting then."""
    vendor = vendor_of(*spread(30, days=0.2))
    with pytest.raises(SettingInvalid, match=r"one day .*where_on_time to true"):
        catch_up(opened(vendor, most_rows=20, first_days=5, where_on_time=False), vendor.clock)


def test_whole_days_are_asked_for_once_each():
    """Without the filter a window goes on to the end of its last day."""
    vendor = vendor_of(*spread(40, days=6))
    stored = catch_up(
        opened(vendor, where_on_time=False, first_days=6, longest="P1D"), vendor.clock
    )
    assert set(stored.records) == vendor.true_keys()
    days = [(url.params["from_date"], url.params["to_date"]) for url in vendor.asked]
    assert len(days) == len(set(days))
    assert len({day for both in days for day in both}) == 7
    assert not any("where" in url.params for url in vendor.asked)


def test_the_accounts_calendar_lets_sixty_an_hour_through():
    """The export has a budget of its own; a slice that must wait longer stops and says when."""
    vendor = vendor_of(*spread(200, days=1))
    stream, stored = opened(vendor, most_rows=10, first_days=5, exports_per_hour=60), Stored()
    until = vendor.clock() + HOUR
    while vendor.clock() < until:
        step = step_of(stream, stored, vendor)
        if step is None:
            break
        read_slice(stream, stored, step, budget(vendor.clock))
        wait = getattr(stored.errors[-1], "retry_after", None) if stored.errors else None
        vendor.clock.sleep((wait or timedelta(seconds=1)).total_seconds())
    assert 20 < len(vendor.asked) <= 60


def test_a_window_that_arrives_too_slowly_is_halved():
    """Rather than asked for again and again, each time one of sixty."""
    events = spread(2000, days=0.4)
    vendor = vendor_of(*events)
    body = [each.line("UTC") for each in events]

    class Slow(Chunks):
        def __iter__(self):
            for piece in self.pieces:
                vendor.clock.sleep(0.02)
                yield piece

    def slow(request, _):
        found = vendor.found(request)
        if len(found) < 1500:
            return None
        return httpx.Response(
            200,
            headers={"content-type": "text/plain", "content-length": str(sum(map(len, body)))},
            stream=Slow(*body),
        )

    vendor.spoil = slow
    stream, stored = opened(vendor, first_days=5), Stored()
    for _ in range(20):
        step = step_of(stream, stored, vendor)
        if step is None:
            break
        read_slice(stream, stored, step, budget(vendor.clock, seconds=45))
    assert stored.errors == []
    assert set(stored.records) >= {each.key("UTC") for each in events}
