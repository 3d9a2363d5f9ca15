"""The HTTP room's time and pace: it asks nothing too late or too fast, and its key stays in it."""

from __future__ import annotations

import logging
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from sluice.core.errors import (
    AccountBusy,
    RequestRefused,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.limits.rates import RateLimit
from sluice.sources.connections import VendorConnections
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.http_room import BASE, Room, Vendor, answer


def test_nothing_is_asked_when_no_time_is_left():
    """A slice at its end does not begin a request."""
    vendor = Vendor(answer())
    with pytest.raises(VendorUnavailable, match="no time"):
        Room(vendor).get(seconds=0)
    assert vendor.asked == []


def test_no_wait_reaches_beyond_the_slice():
    """A retry that would not fit before the deadline is left to the continuation."""
    vendor = Vendor(answer(429, retry_after="2"))
    room = Room(vendor)
    with pytest.raises(VendorThrottled):
        room.get(seconds=1.5)
    assert (len(vendor.asked), room.slept) == (1, [])


def test_the_accounts_limit_spaces_requests():
    """At two requests a second the third begins at least a second after the first."""
    room = Room(Vendor(answer()), limits=[RateLimit(2, timedelta(seconds=1))])
    for _ in range(3):
        room.get()
    waited = room.clock.at - START
    assert timedelta(seconds=1) < waited < timedelta(seconds=2)


def test_a_limit_slower_than_may_be_slept_ends_the_slice():
    """One request in 15 seconds: the second one is the continuation's."""
    vendor = Vendor(answer())
    room = Room(vendor, limits=[RateLimit(1, timedelta(seconds=15))])
    room.get()
    with pytest.raises(AccountBusy) as caught:
        room.get()
    assert timedelta(seconds=15) < caught.value.retry_after < timedelta(seconds=15.6)
    assert len(vendor.asked) == 1
    room.clock.sleep(caught.value.retry_after.total_seconds())
    room.get()


def test_a_stop_ends_waiting_and_asking():
    """After stop no request begins until it is allowed again."""
    vendor = Vendor(answer())
    room = Room(vendor)
    room.http.stop()
    with pytest.raises(VendorUnavailable):
        room.get()
    room.http.resume()
    assert room.get().requests == 1
    assert len(vendor.asked) == 1


def test_the_key_is_in_no_error_and_no_log(caplog):
    """Neither messages nor libraries' logs show credentials or query strings."""
    caplog.set_level(logging.DEBUG)
    room = Room(Vendor(answer(400)), refresh=lambda: "key-2")
    with pytest.raises(RequestRefused) as caught:
        room.get(params={"api_key": "key-1"})
    assert "key-1" not in str(caught.value)
    assert "key-1" not in caplog.text


def test_a_redirect_and_a_second_credential_take_slots_of_their_own():
    """Each is a request that the vendor counts."""
    limits = [RateLimit(2, timedelta(seconds=1))]
    led_on = Room(
        Vendor(answer(302, location="/v1/y"), answer(302, location="/v1/z"), answer()),
        limits=limits,
    )
    led_on.get()
    assert led_on.clock.at > START + timedelta(seconds=1)
    refused = Room(Vendor(answer(), answer(401), answer()), limits=limits)
    refused.get()
    refused.get()
    assert refused.clock.at > START + timedelta(seconds=1)


def test_one_account_keeps_its_connection_over_slices():
    """The same address and key share one client; another key has its own."""
    connections = VendorConnections(make_transport=lambda _: httpx.MockTransport(Vendor(answer())))
    first = connections.at(BASE, "key-1", side_by_side=4)
    assert connections.at(BASE, "key-1", side_by_side=4) is first
    assert connections.at(BASE, "key-2", side_by_side=4) is not first
    connections.close()
    assert first.client.is_closed


def test_connections_of_many_accounts_are_bounded():
    """The account unused longest is closed."""
    connections = VendorConnections(make_transport=lambda _: httpx.MockTransport(Vendor(answer())))
    first = connections.at(BASE, "key-0", side_by_side=1)
    for number in range(1, 17):
        connections.at(BASE, f"key-{number}", side_by_side=1)
    assert first.client.is_closed


def test_the_vendors_time_is_never_later_than_ours():
    """asked_at is the vendor's Date less the answer's duration, or our time if that is earlier."""
    behind = format_datetime(START - timedelta(minutes=3), usegmt=True)
    ahead = format_datetime(START + timedelta(minutes=3), usegmt=True)
    for date, expected in (
        (behind, START - timedelta(minutes=3, seconds=1)),
        (ahead, START),
        ("nonsense", START),
    ):
        got = Room(Vendor(answer(date=date))).get(read=lambda a: a.asked_at)
        assert got.value == expected
