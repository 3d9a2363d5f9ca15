"""What a slice cost at each of the vendor's endpoints: counted whatever becomes of a request, named without ids."""

from __future__ import annotations

import threading
from datetime import timedelta

import httpx
import pytest

from sluice.core.errors import NotFound, VendorUnavailable
from sluice.core.limits.rates import RateLimit
from sluice.core.slices import EndpointTraffic, Traffic, by_endpoint
from sluice.sources.counting import MOST_ENDPOINTS, OTHERS, TrafficCount, endpoint_of
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.http_room import Room, Vendor, answer


class Watch:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at

    def fail_after(self, seconds: float) -> None:
        self.at += seconds
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/cars", "/api/cars"),
        ("/2026-01/transactions:query", "/2026-01/transactions:query"),
        ("/2026-01/return_order/late-ones", "/2026-01/return_order/late-ones"),
        ("/v1/order/17", "/v1/order/{}"),
        ("/v1/order/17/lines", "/v1/order/{}/lines"),
        ("/v1/order/a17", "/v1/order/{}"),
        ("/v1/vin/WBA-4321", "/v1/vin/{}"),
        ("/v1/scroll/" + "a" * 25, "/v1/scroll/{}"),
        ("/v1/x/%41cme", "/v1/x/{}"),
        ("/2026-07-01/x", "/{}/x"),
        ("", ""),
    ],
)
def test_what_looks_like_an_id_is_not_in_a_name(path, named):
    """Ids are a client's data, and would make a record as long as its rows."""
    assert endpoint_of(path) == named


def test_each_endpoint_is_counted_by_itself():
    """Requests, retries and errors of each, and the time of all its requests together."""
    watch = Watch()
    count = TrafficCount(watch)
    for endpoint, again, seconds in (("/a", False, 1), ("/b", False, 2), ("/a", True, 3)):
        with count.request(endpoint, again=again):
            watch.at += seconds
    count.failed("/a")
    traffic = count.so_far()
    assert traffic.endpoints == (
        EndpointTraffic("/a", requests=2, retries=1, errors=1, ms=4000),
        EndpointTraffic("/b", requests=1, ms=2000),
    )
    assert (traffic.requests, traffic.retries, traffic.errors) == (3, 1, 1)


def test_a_request_that_ends_badly_took_its_time_too():
    """A vendor that lets us wait and then fails is what the figures are for."""
    watch = Watch()
    count = TrafficCount(watch)
    with pytest.raises(ZeroDivisionError), count.request("/a", again=False):
        watch.fail_after(5)
    assert count.so_far().endpoints == (EndpointTraffic("/a", requests=1, ms=5000),)


def test_the_names_of_a_slice_are_bounded():
    """Should a name hold an id after all, the rest is one name, and the sums are right."""
    count = TrafficCount(Watch())
    for number in range(MOST_ENDPOINTS + 30):
        with count.request(f"/{number}", again=False):
            pass
    traffic = count.so_far()
    assert len(traffic.endpoints) == MOST_ENDPOINTS + 1
    assert traffic.endpoints[-1] == EndpointTraffic(OTHERS, requests=30)
    assert traffic.requests == MOST_ENDPOINTS + 30


def test_who_waits_together_waits_once():
    """Eight readers that wait a second for the same slot cost the slice a second."""
    watch = Watch()
    count = TrafficCount(watch)
    with count.waiting():
        watch.at += 1
        with count.waiting():
            watch.at += 2
        watch.at += 4
    watch.at += 8
    with count.waiting():
        watch.at += 16
    assert count.so_far().waited_ms == 23_000


def test_a_wait_that_ends_badly_was_a_wait():
    watch = Watch()
    count = TrafficCount(watch)
    with pytest.raises(ZeroDivisionError), count.waiting():
        watch.fail_after(3)
    assert count.so_far().waited_ms == 3000


def test_threads_lose_nothing():
    """Pages are read side by side."""
    count = TrafficCount()

    def ask() -> None:
        for _ in range(200):
            with count.waiting(), count.request("/a", again=True):
                count.answered(0.001, 10)
            count.failed("/a")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traffic = count.so_far()
    assert (traffic.requests, traffic.retries, traffic.errors) == (1600, 1600, 1600)
    assert (len(traffic.latencies_ms), traffic.bytes_received) == (1600, 16_000)


def test_two_accounts_traffic_adds_up():
    """Of an endpoint that both asked, the sums; the order is that in which they were first asked."""
    one = Traffic(1, 2, 3, 4, 5, (6,), 7, (EndpointTraffic("/a", 1, 2, 3, 4),), 8)
    two = Traffic(
        10,
        20,
        30,
        40,
        50,
        (60,),
        70,
        (EndpointTraffic("/b", 1), EndpointTraffic("/a", 10, 20, 30, 40)),
        80,
    )
    assert one.plus(two) == Traffic(
        11,
        22,
        33,
        44,
        55,
        (6, 60),
        77,
        (EndpointTraffic("/a", 11, 22, 33, 44), EndpointTraffic("/b", 1)),
        88,
    )
    assert by_endpoint(one) == {"/a": {"requests": 1, "retries": 2, "errors": 3, "ms": 4}}


def _slow(clock: Clock, seconds: float, then):
    def answering(request: httpx.Request) -> httpx.Response:
        clock.sleep(seconds)
        return then(request)

    return answering


def test_a_conversation_names_what_it_asked():
    """By the name that its caller gave, else by its path; the time is the vendor's, not that of our naps."""
    clock = Clock()
    room = Room(
        Vendor(_slow(clock, 2, answer(503)), _slow(clock, 3, answer()), _slow(clock, 4, answer())),
        clock=clock,
    )
    room.get("/orders/acme", endpoint="/orders/{id}")
    room.get("/orders")
    assert room.http.traffic().endpoints == (
        EndpointTraffic("/orders/{id}", requests=2, retries=1, errors=1, ms=5000),
        EndpointTraffic("/orders", requests=1, ms=4000),
    )


def test_a_question_until_believed_is_named_as_well():
    """Its ``question`` tells one page from the other and never stands in a record."""
    room = Room(Vendor(answer()))
    room.http.ask_until_believed(
        "page 17", "/orders", {}, lambda a, _: a.body, budget=room.budget(), endpoint="/all"
    )
    room.http.ask_until_believed(
        "page 18", "/orders", {}, lambda a, _: a.body, budget=room.budget()
    )
    assert [each.endpoint for each in room.http.traffic().endpoints] == ["/all", "/orders"]


def test_not_found_is_an_answer_and_no_answer_an_error():
    def unreachable(request):
        raise httpx.ConnectError("no way")

    with pytest.raises(NotFound):
        (room := Room(Vendor(answer(404)))).get()
    assert room.http.traffic().endpoints[0].errors == 0
    with pytest.raises(VendorUnavailable):
        (room := Room(Vendor(unreachable), attempts=2)).get()
    assert room.http.traffic().endpoints == (
        EndpointTraffic("/x", requests=2, retries=1, errors=2),
    )


def test_waiting_for_the_accounts_slots_is_told_apart_from_asking():
    """One request a second: three of them wait, however quick the vendor is."""
    room = Room(Vendor(answer()), limits=(RateLimit(1, timedelta(seconds=1)),))
    for _ in range(3):
        room.get()
    traffic = room.http.traffic()
    assert traffic.waited_ms == round(sum(room.slept) * 1000) >= 1900
    assert traffic.endpoints[0].ms == 0


def test_a_redirects_slot_is_waited_for_too():
    """The request itself waits for at most a second here; what is beyond is its redirect's."""
    room = Room(
        Vendor(answer(302, location="/v1/y"), answer()),
        limits=(RateLimit(1, timedelta(seconds=1)),),
    )
    room.get()
    assert room.http.traffic().waited_ms == round(sum(room.slept) * 1000) >= 1500
    assert room.http.traffic().endpoints == (EndpointTraffic("/x", requests=2, retries=1),)
