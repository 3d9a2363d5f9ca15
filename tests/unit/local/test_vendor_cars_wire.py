"""Broken deliveries of the simulated cars vendor, read from a bare socket byte by byte."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import AccountOptions
from local.vendors.cars.server import vendor_in_thread
from local.vendors.loopback.clock import VendorClock

KEY = "k"


@dataclass
class Heard:
    """All bytes until the connection ended, and whether it ended in a reset."""

    raw: bytes
    reset: bool

    @property
    def status(self) -> bytes:
        return self.raw.partition(b"\r\n")[0]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def length(self) -> int:
        return int(self.headers["content-length"])


class Vendor(CarsVendorControl):
    """Control beside a client that looks at bytes."""

    naps: list[float]

    def hear(self, target: str = "/api/cars", *, accepts: str = "identity") -> Heard:
        place = urlsplit(self.base_url)
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {place.netloc}\r\nx-api-key: {KEY}\r\n"
            f"Accept-Encoding: {accepts}\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
            connection.sendall(request.encode())
            return _heard(connection)

    def ask(self) -> httpx.Response:
        return self._client.get(self.base_url + "/api/cars", headers={"x-api-key": KEY})


def _heard(connection: socket.socket) -> Heard:
    raw = b""
    try:
        while piece := connection.recv(65536):
            raw += piece
    except ConnectionResetError:
        return Heard(raw, reset=True)
    return Heard(raw, reset=False)


def _dechunked(body: bytes) -> tuple[bytes, bool]:
    """The chunks' content and whether the closing chunk came."""
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return content, True
        content, body = content + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return content, False


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    clock = VendorClock(lambda: 1_800_000_000.0)
    with vendor_in_thread(clock, nap) as base_url, Vendor(base_url) as vendor:
        vendor.naps = naps
        vendor.create_account(KEY, cars=100, options=AccountOptions(volatile=False))
        yield vendor


@pytest.fixture
def sound(vendor) -> bytes:
    """The body as it ought to be."""
    heard = vendor.hear()
    assert heard.status == b"HTTP/1.1 200 OK"
    assert heard.length == len(heard.body)
    assert len(json.loads(heard.body)["data"]) == 100
    return heard.body


@pytest.mark.parametrize(("at", "kept"), [(0, 0), (1, 1), (1024, 1024), (None, None), (10**9, -1)])
def test_a_cut_body_ends_before_its_announced_length(vendor, sound, at, kept):
    """At the byte asked for, half way where none was, one short where the body is shorter."""
    vendor.set_fault(KEY, "cut_body", at_bytes=at)
    heard = vendor.hear()
    expected = {None: len(sound) // 2, -1: len(sound) - 1}.get(kept, kept)
    assert (heard.status, heard.length) == (b"HTTP/1.1 200 OK", len(sound))
    assert heard.body == sound[:expected]
    assert heard.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    with pytest.raises(httpx.RemoteProtocolError):
        vendor.ask()


def test_a_cut_chunked_body_lacks_its_last_chunk(vendor, sound):
    """Each chunk is whole, so that only the missing end tells."""
    vendor.set_fault(KEY, "cut_chunked", at_bytes=40_000)
    heard = vendor.hear()
    assert heard.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in heard.headers
    assert _dechunked(heard.body) == (sound[:40_000], False)
    with pytest.raises(httpx.RemoteProtocolError):
        vendor.ask()


def test_a_cut_gzip_fits_its_announced_length(vendor, sound):
    """HTTP sees nothing wrong; the stream inside has no end, and httpx does not say so."""
    vendor.set_fault(KEY, "cut_gzip")
    heard = vendor.hear(accepts="gzip")
    opened = zlib.decompressobj(wbits=31)
    content = opened.decompress(heard.body)
    assert heard.headers["content-encoding"] == "gzip"
    assert heard.length == len(heard.body)
    assert not opened.eof
    assert sound.startswith(content)
    assert 0 < len(content) < len(sound)
    with pytest.raises(json.JSONDecodeError):
        vendor.ask().json()


def test_an_announced_length_beyond_the_body(vendor, sound):
    """The whole body comes, then the connection ends."""
    vendor.set_fault(KEY, "length_too_long", by_bytes=5)
    heard = vendor.hear()
    assert (heard.length, heard.body) == (len(sound) + 5, sound)
    with pytest.raises(httpx.RemoteProtocolError):
        vendor.ask()


def test_an_announced_length_short_of_the_body(vendor, sound):
    """A reader that trusts the header gets JSON without its end."""
    vendor.set_fault(KEY, "length_too_short", by_bytes=5)
    heard = vendor.hear()
    assert (heard.length, heard.body) == (len(sound) - 5, sound)
    answer = vendor.ask()
    assert (answer.status_code, answer.content) == (200, sound[:-5])


def test_malformed_json_of_the_right_length(vendor, sound):
    """Only the text in the middle is wrong."""
    vendor.set_fault(KEY, "malformed_json")
    heard = vendor.hear()
    assert heard.length == len(heard.body) == len(sound)
    with pytest.raises(json.JSONDecodeError):
        json.loads(heard.body)


def test_malformed_json_of_a_tiny_body(vendor):
    """An answer shorter than the garbage put into it is wrong too, and of the same length."""
    vendor.set_fault(KEY, "malformed_json", paths=["archived"])
    heard = vendor.hear("/api/archived-lots")
    assert heard.length == len(heard.body) == len(b'{"archived_lots":[]}')
    with pytest.raises(json.JSONDecodeError):
        json.loads(heard.body)


def test_an_oversized_body_is_valid_json_of_the_size_asked_for(vendor, sound):
    """Only a limit on size keeps it out."""
    vendor.set_fault(KEY, "oversized", size_bytes=3_000_000)
    heard = vendor.hear()
    assert heard.length == len(heard.body) == 3_000_000
    assert json.loads(heard.body) == json.loads(sound)


def test_a_small_gzip_opens_into_an_oversized_body(vendor, sound):
    """Few bytes on the wire, so the limit must be on what comes out."""
    vendor.set_fault(KEY, "oversized", size_bytes=8_000_000, zipped=True)
    heard = vendor.hear(accepts="gzip")
    squeezed, ended = _dechunked(heard.body)
    assert ended
    assert len(squeezed) < 150_000
    assert len(zlib.decompress(squeezed, wbits=31)) == 8_000_000


def test_a_reader_that_leaves_an_oversized_body_does_no_harm(vendor):
    """The server goes on answering, and counts what it had begun to send."""
    vendor.set_fault(KEY, "oversized", size_bytes=200_000_000, limit=1)
    with vendor._client.stream(
        "GET", vendor.base_url + "/api/cars", headers={"x-api-key": KEY}
    ) as answer:
        next(answer.iter_raw())
    assert vendor.ask().status_code == 200
    stats = next(stats for stats in iter(lambda: vendor.stats(KEY), None) if stats.requests == 2)
    assert stats.by_status == {200: 2}
    assert 0 < stats.body_bytes < 200_000_000


def test_a_slow_answer_waits_before_its_first_byte(vendor, sound):
    """Then it is sound."""
    vendor.set_fault(KEY, "slow", delay_ms=2500)
    assert vendor.hear().body == sound
    assert vendor.naps == [2.5]


def test_a_dripping_answer_waits_before_each_of_sixteen_pieces(vendor, sound):
    """No single read is slow, only the whole: a limit per read never strikes."""
    vendor.set_fault(KEY, "drip", delay_ms=900)
    heard = vendor.hear()
    assert (heard.length, heard.body) == (len(sound), sound)
    assert vendor.naps == [0.9] * 16


def test_a_reset_before_the_status_line(vendor):
    """Not a byte, and no orderly end."""
    vendor.set_fault(KEY, "reset")
    heard = vendor.hear()
    assert (heard.raw, heard.reset) == (b"", True)
    assert vendor.stats(KEY).by_status == {0: 1}


def test_a_reset_in_the_body(vendor, sound):
    """A whole head, some of the body, then no orderly end."""
    vendor.set_fault(KEY, "reset", at_bytes=100)
    heard = vendor.hear()
    assert heard.reset
    assert heard.body in (b"", sound[:100])  # a reset may overtake bytes not read yet
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        vendor.ask()


def test_a_connection_can_hang_before_it_ends(vendor, sound):
    """With a delay the missing bytes are waited for, as a reader's time limit must notice."""
    vendor.set_fault(KEY, "length_too_long", delay_ms=30_000)
    assert vendor.hear().body == sound
    assert vendor.naps == [30.0]


def test_a_refusal_can_be_delivered_badly(vendor):
    """A 503 whose body is cut is still a 503."""
    vendor.set_fault(KEY, "server_error", status=503)
    vendor.set_fault(KEY, "cut_body")
    heard = vendor.hear()
    assert heard.status == b"HTTP/1.1 503 Service Unavailable"
    assert len(heard.body) < heard.length


@pytest.mark.parametrize(
    "kind",
    ["cut_body", "cut_chunked", "cut_gzip", "length_too_long", "length_too_short", "reset"],
)
@pytest.mark.parametrize("target", ["/api/cars/1000001", f"/cars?api_key={KEY}"])
def test_the_vendor_goes_on_after_a_broken_answer(vendor, kind, target):
    """On every address, and the fault is counted."""
    vendor.set_fault(KEY, kind, limit=1)
    broken, whole = vendor.hear(target), vendor.hear(target)
    assert whole.length == len(whole.body)
    assert broken.raw != whole.raw
    assert vendor.stats(KEY).faults == {kind: 1}
