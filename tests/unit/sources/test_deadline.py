"""Real sockets on loopback: a vendor that drips, hangs or lies about its length holds nobody."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.budget import Budget
from sluice.core.errors import VendorAnswerBroken, VendorUnavailable
from sluice.core.limits.accounts import AccountRules
from sluice.sources.connections import VendorConnections
from sluice.sources.http import Limits, VendorHttp

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@contextmanager
def vendor(speak: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that reads a request and then does as it is told, until the test ends."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            try:
                speak(connection, over)
            except OSError:
                return
            over.wait(10)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.close()
        thread.join(10)


@contextmanager
def conversation(base: str, **limits: float) -> Iterator[VendorHttp]:
    connections = VendorConnections(allow_loopback=True, sleep=lambda _: None)
    try:
        yield VendorHttp(
            connections.at(base, "key", side_by_side=2),
            connections.account("vendor", "acme", AccountRules(), holder="one", side_by_side=2),
            auth=lambda key: ({}, {}),
            credentials="key",
            refresh=lambda: "key",
            sleep=lambda _: None,
            monotonic=time.monotonic,
            chance=lambda: 0,
            limits=Limits(attempts=1, **limits),
        )
    finally:
        connections.close()


def ask(http: VendorHttp, seconds: float = 30) -> bytes:
    def now() -> datetime:
        return datetime.now(UTC)

    budget = Budget(now, now() + timedelta(seconds=seconds), 10, 10)
    return http.get("/x", {}, lambda answer: answer.body, budget=budget).value


def _drip_head(connection: socket.socket, over: threading.Event) -> None:
    for byte in HEAD * 50:
        connection.sendall(bytes([byte]))
        if over.wait(0.02):
            return


def _drip_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"content-length: 5000\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b" ")


def _hang(connection: socket.socket, over: threading.Event) -> None:
    over.wait(10)


@pytest.mark.parametrize("speak", [_drip_head, _drip_body, _hang])
def test_the_whole_time_of_a_request_is_bounded(speak):
    """Bytes that come often enough for each read still run out of the request's own time."""
    began = time.monotonic()
    with vendor(speak) as base, conversation(base, total=0.5, read=10) as http:
        with pytest.raises(VendorUnavailable):
            ask(http)
        assert time.monotonic() - began < 2


def test_the_slices_time_bounds_a_request_too():
    """With little of the slice left, a request ends with it."""
    began = time.monotonic()
    with vendor(_drip_body) as base, conversation(base, total=20) as http:
        with pytest.raises(VendorUnavailable):
            ask(http, seconds=0.5)
        assert time.monotonic() - began < 2


def test_silence_is_bounded_by_the_read_limit():
    """A vendor that says nothing at all is left after the read limit."""
    began = time.monotonic()
    with vendor(_hang) as base, conversation(base, read=0.4) as http:
        with pytest.raises(VendorUnavailable, match="in time"):
            ask(http)
        assert 0.3 < time.monotonic() - began < 2


def test_a_stop_ends_a_request_under_way():
    """Closing a slice does not wait for a slow vendor."""
    with vendor(_hang) as base, conversation(base) as http:
        threading.Timer(0.2, http.stop).start()
        began = time.monotonic()
        with pytest.raises(VendorUnavailable):
            ask(http)
        assert time.monotonic() - began < 2


def test_a_body_cut_before_its_announced_length_is_not_believed():
    """Whole JSON with bytes missing behind it is a cut answer all the same."""

    def cut(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b'content-length: 50\r\n\r\n{"a":1}')
        connection.shutdown(socket.SHUT_WR)

    with vendor(cut) as base, conversation(base) as http, pytest.raises(VendorAnswerBroken):
        ask(http)


def test_a_name_that_leads_inside_is_not_connected_to(monkeypatch):
    """A public name that resolves to a private address gets no byte (and no second look-up)."""
    looked_up = []

    def private(host, port, **more):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", port))]

    monkeypatch.setattr(socket, "getaddrinfo", private)
    with (
        conversation("https://api.vendor.com") as http,
        pytest.raises(VendorUnavailable, match="private address"),
    ):
        ask(http)
    assert looked_up == ["api.vendor.com"]


def test_a_name_is_connected_at_the_address_that_was_judged(monkeypatch):
    """The name is not resolved again between judging and connecting."""
    connected = []

    def public(host, port, **more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    def refuse(address, *more, **named):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", public)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with conversation("https://api.vendor.com") as http, pytest.raises(VendorUnavailable):
        ask(http)
    assert connected == [("93.184.216.34", 443)]


def test_one_connection_serves_many_requests():
    """Keep-alive: the second request uses the first one's connection."""

    def twice(connection: socket.socket, over: threading.Event) -> None:
        answer = HEAD + b"content-length: 2\r\n\r\n{}"
        connection.sendall(answer)
        connection.recv(65536)
        connection.sendall(answer)

    with vendor(twice) as base, conversation(base) as http:
        assert [ask(http), ask(http)] == [b"{}", b"{}"]
