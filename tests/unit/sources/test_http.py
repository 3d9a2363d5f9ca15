"""The HTTP room: what it believes, what it tries again, what it hands on, and what it never leaks."""

from __future__ import annotations

import gzip
import tracemalloc
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from sluice.core.errors import (
    AccessDenied,
    CredentialsRefused,
    NotFound,
    RequestRefused,
    VendorAnswerBroken,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.sources.answers import retry_after_of
from tests.unit.sources.cars_vendor import START
from tests.unit.sources.http_room import Room, Vendor, answer


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (404, NotFound),
        (405, RequestRefused),
        (408, VendorUnavailable),
        (409, RequestRefused),
        (410, NotFound),
        (418, RequestRefused),
        (422, RequestRefused),
        (425, VendorUnavailable),
        (429, VendorThrottled),
        (500, VendorUnavailable),
        (502, VendorUnavailable),
        (503, VendorUnavailable),
        (504, VendorUnavailable),
        (521, VendorUnavailable),
        (201, VendorAnswerBroken),
        (204, VendorAnswerBroken),
        (206, VendorAnswerBroken),
        (304, VendorAnswerBroken),
        (401, CredentialsRefused),
        (403, AccessDenied),
    ],
)
def test_each_status_says_what_to_do_next(status, error):
    """One table sorts the vendor's statuses into errors."""
    with pytest.raises(error):
        Room(Vendor(answer(status))).get()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(status):
    """Two failures and a success are a success, with two retries counted."""
    room = Room(Vendor(answer(status), answer(status), answer()))
    got = room.get()
    traffic = room.http.traffic()
    assert (got.value, got.requests) == (b'{"a":1}', 3)
    assert (traffic.requests, traffic.retries, traffic.errors) == (3, 2, 2)
    assert len(traffic.latencies_ms) == 1
    assert traffic.bytes_received == 7


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_cannot_pass_is_not_tried_again(status):
    """A request called wrong is asked once."""
    vendor = Vendor(answer(status))
    with pytest.raises((RequestRefused, NotFound)):
        Room(vendor).get()
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(("status", "errors"), [(404, 0), (410, 0), (422, 1)])
def test_an_object_that_is_gone_is_an_answer_and_no_error(status, errors):
    """Point reads ask in order to hear it: an error rate must not grow with what was removed."""
    room = Room(Vendor(answer(status)))
    with pytest.raises((RequestRefused, NotFound)):
        room.get()
    assert room.http.traffic().errors == errors


def test_tries_end():
    """After the last attempt the vendor's error is raised as it is."""
    vendor = Vendor(answer(503))
    with pytest.raises(VendorUnavailable, match="503"):
        Room(vendor, attempts=4).get()
    assert len(vendor.asked) == 4


def test_waits_between_tries_are_fully_jittered_and_double():
    """The wait is a random part of a bound that doubles up to two seconds."""
    room = Room(Vendor(answer(500)), chance=1.0, attempts=6, first_wait=0.25)
    with pytest.raises(VendorUnavailable):
        room.get()
    assert sum(room.slept) == pytest.approx(0.25 + 0.5 + 1 + 2 + 2)
    none = Room(Vendor(answer(500)), chance=0.0, attempts=6)
    with pytest.raises(VendorUnavailable):
        none.get()
    assert none.slept == []


def test_a_short_retry_after_is_slept_in_place():
    """Up to two seconds the vendor's own wait is kept to exactly."""
    room = Room(Vendor(answer(429, retry_after="2"), answer()))
    room.get()
    assert sum(room.slept) == pytest.approx(2)


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_retry_after_is_handed_on_and_not_slept(status):
    """More than two seconds end the slice; the continuation carries the wait."""
    vendor = Vendor(answer(status, retry_after="30"))
    room = Room(vendor)
    with pytest.raises((VendorThrottled, VendorUnavailable)) as caught:
        room.get()
    assert caught.value.retry_after == timedelta(seconds=30)
    assert (len(vendor.asked), room.slept) == (1, [])


def test_after_a_long_retry_after_nobody_else_asks():
    """The account is left alone until its time, by other threads and slices too."""
    vendor = Vendor(answer(429, retry_after="30"))
    room = Room(vendor)
    with pytest.raises(VendorThrottled):
        room.get()
    room.clock.at = START + timedelta(seconds=10)
    with pytest.raises(VendorThrottled) as caught:
        room.get()
    assert caught.value.retry_after == timedelta(seconds=20)
    assert len(vendor.asked) == 1


def test_a_date_in_retry_after_is_read_by_the_vendors_clock():
    """A vendor whose clock is an hour ahead asks for five seconds, not for an hour."""
    ahead = START + timedelta(hours=1)
    room = Room(
        Vendor(
            answer(
                429,
                retry_after=format_datetime(ahead + timedelta(seconds=5), usegmt=True),
                date=format_datetime(ahead, usegmt=True),
            )
        )
    )
    with pytest.raises(VendorThrottled) as caught:
        room.get()
    assert caught.value.retry_after == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("99999999999999999999", 24 * 3600),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0),
        ("Wed, 01 Nov 2090 11:00:00 GMT", 24 * 3600),
    ],
)
def test_an_odd_retry_after_has_bounds(text, seconds):
    """Never negative, never longer than a day."""
    wait = retry_after_of(httpx.Headers({"retry-after": text}), START)
    assert wait == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "١٢", "0x10"])
def test_a_retry_after_that_says_nothing_is_no_wait(text):
    """What cannot be read is left out; our own jitter decides."""
    assert retry_after_of(httpx.Headers({b"retry-after": text.encode()}), START) is None


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>", {"content_type": "text/html"}),
        (b'{"a":1}', {"content_type": "text/plain"}),
        (b'{"a":1}', {"content_type": ""}),
        (b'{"a":1}', {"content_length": "9"}),
        (b'{"a":1}', {"content_length": "5"}),
        (b'{"a":1}', {"content_encoding": "br"}),
        (b'{"a":1}', {"content_encoding": "gzip"}),
        (gzip.compress(b'{"a":1}')[:-4], {"content_encoding": "gzip"}),
        (gzip.compress(b'{"a":1}') + b"x", {"content_encoding": "gzip"}),
        (gzip.compress(b'{"a":1}')[:12] + b"\xff" * 12, {"content_encoding": "gzip"}),
        (b"x" * 2000, {}),
        (gzip.compress(b"x" * 2000), {"content_encoding": "gzip"}),
    ],
)
def test_an_answer_that_does_not_agree_with_itself_is_not_believed(body, headers):
    """Type, length, packing and size must all be right."""
    with pytest.raises(VendorAnswerBroken):
        Room(Vendor(answer(body=body, **headers)), body_bytes=1000, attempts=2).get()


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/problem+json"])
def test_json_may_say_more_about_itself(kind):
    """A charset or a JSON dialect is JSON."""
    assert Room(Vendor(answer(content_type=kind))).get().value == b'{"a":1}'


def test_gzip_is_unpacked_whole():
    """A packed body is the body."""
    body = gzip.compress(b'{"a":1}')
    vendor = Vendor(answer(body=body, content_encoding="gzip", content_length=str(len(body))))
    assert Room(vendor).get().value == b'{"a":1}'


def test_a_bomb_never_gets_its_memory():
    """64 MB in 64 KB are refused when the limit is passed, not after unpacking."""
    bomb = gzip.compress(b"\0" * 64 * 1024 * 1024)
    room = Room(
        Vendor(answer(body=bomb, content_encoding="gzip")), body_bytes=1_000_000, attempts=1
    )
    tracemalloc.start()
    try:
        with pytest.raises(VendorAnswerBroken, match="larger"):
            room.get()
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (httpx.ConnectError("refused"), VendorUnavailable),
        (httpx.ConnectTimeout("slow"), VendorUnavailable),
        (httpx.ReadTimeout("slow"), VendorUnavailable),
        (httpx.PoolTimeout("busy"), VendorUnavailable),
        (httpx.ReadError("reset"), VendorUnavailable),
        (httpx.RemoteProtocolError("cut"), VendorAnswerBroken),
    ],
)
def test_foreign_errors_end_in_this_room(raised, error):
    """httpx is unknown outside; its errors become ours, with the cause kept."""

    def fail(request):
        raise raised

    with pytest.raises(error) as caught:
        Room(Vendor(fail), attempts=2).get()
    assert caught.value.__cause__ is raised


def test_a_redirect_within_the_host_is_followed_with_the_key():
    """The vendor may move an address on its own host."""
    vendor = Vendor(answer(302, location="/v2/x?b=2"), answer())
    Room(vendor).get(params={"a": 1})
    assert str(vendor.asked[1].url) == "https://api.vendor.com/v2/x?b=2"
    assert vendor.asked[1].headers["x-api-key"] == "key-1"


@pytest.mark.parametrize(
    "location", ["https://evil.com/", "//evil.com/", "http://api.vendor.com/", "https://10.0.0.1/"]
)
def test_a_redirect_to_elsewhere_never_gets_the_key(location):
    """No request leaves for another host, whatever the vendor says."""
    vendor = Vendor(answer(302, location=location))
    with pytest.raises(VendorAnswerBroken):
        Room(vendor, attempts=1).get()
    assert {request.url.host for request in vendor.asked} == {"api.vendor.com"}


def test_redirects_in_circles_end():
    """Three redirects are enough."""
    vendor = Vendor(answer(302, location="/v1/x"))
    with pytest.raises(VendorAnswerBroken, match="circles"):
        Room(vendor, attempts=1).get()
    assert len(vendor.asked) == 4


def test_refused_credentials_are_fetched_anew_once():
    """The fresh key is used from then on."""
    calls = []

    def by_key(request):
        good = request.headers["x-api-key"] == "key-2"
        return answer(200 if good else 401)(request)

    vendor = Vendor(by_key)
    room = Room(vendor, refresh=lambda: calls.append(1) or "key-2")
    room.get()
    room.get()
    assert len(calls) == 1
    assert [request.headers["x-api-key"] for request in vendor.asked] == ["key-1", "key-2", "key-2"]


def test_credentials_refused_again_are_a_persons_matter():
    """One refresh, one more try, and no storm."""
    vendor, calls = Vendor(answer(401)), []
    room = Room(vendor, refresh=lambda: calls.append(1) or "key-2")
    with pytest.raises(CredentialsRefused):
        room.get()
    with pytest.raises(CredentialsRefused):
        room.get()
    assert (len(vendor.asked), len(calls)) == (2, 1)


def test_an_answer_the_reader_does_not_believe_is_asked_for_again():
    """What is damaged inside is tried again in the same place as what is damaged outside."""
    seen = []

    def read(got):
        seen.append(got.body)
        if len(seen) < 3:
            raise VendorAnswerBroken("not yet")
        return "whole"

    assert Room(Vendor(answer())).get(read=read).value == "whole"
    assert len(seen) == 3


def test_what_is_not_repeatable_is_asked_once():
    """Only a refusal to hear the question allows asking it again."""
    for broken in (
        answer(502),
        answer(body=b"", content_length="5"),
        answer(200, content_type="x"),
    ):
        vendor = Vendor(broken, answer())
        with pytest.raises((VendorUnavailable, VendorAnswerBroken)):
            Room(vendor).get(repeatable=False)
        assert len(vendor.asked) == 1
    vendor = Vendor(answer(429), answer())
    assert Room(vendor).get(repeatable=False).requests == 2
