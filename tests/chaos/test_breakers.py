"""Each breaker breaks what it says: a fault that does not arrive proves nothing about the engine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.chaos.tcp_proxy import TcpProxy

PATIENCE_S = 20.0


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that says back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=say_back, args=(connection,)))
                threads[-1].start()

        def say_back(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(65536):
                        connection.sendall(data)
                except OSError:
                    return

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(PATIENCE_S)
        for thread in threads:
            thread.join(PATIENCE_S)


@pytest.fixture
def echo_proxy(echo: tuple[str, int]) -> Iterator[TcpProxy]:
    proxy = TcpProxy(echo, seed=1)
    yield proxy
    proxy.close()


@contextmanager
def talking(proxy: TcpProxy) -> Iterator[socket.socket]:
    """A conversation that is past the chunks that no weather touches."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_S) as client:
        for word in (b"one", b"two"):
            client.sendall(word)
            assert client.recv(100) == word
        yield client


def receive_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_a_reset_is_a_reset_and_not_an_end(echo_proxy: TcpProxy) -> None:
    with talking(echo_proxy) as client:
        echo_proxy.weather(reset=1)
        client.sendall(b"three")
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    assert echo_proxy.counts()["reset"] == 1


def test_a_half_closed_connection_still_carries_the_other_direction(echo_proxy: TcpProxy) -> None:
    with talking(echo_proxy) as client:
        echo_proxy.weather(half_close=1)
        client.sendall(b"three")
        assert receive_all(client) == b"three"  # the server heard an end after it, and ended too
    assert echo_proxy.counts()["half_close"] >= 1


def test_a_black_hole_says_nothing_until_it_ends(echo_proxy: TcpProxy) -> None:
    with talking(echo_proxy) as client:
        echo_proxy.weather(black_hole=1, black_hole_s=1.0)
        client.settimeout(0.5)
        client.sendall(b"three")
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(PATIENCE_S)
        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_a_cut_lets_a_part_through(echo_proxy: TcpProxy) -> None:
    whole = b"x" * 60_000
    with talking(echo_proxy) as client:
        echo_proxy.weather(cut=1)
        client.sendall(whole)
        assert len(receive_all(client)) < len(whole)
    assert echo_proxy.counts()["cut"] == 1


def test_slices_arrive_whole_and_latency_is_late(echo_proxy: TcpProxy) -> None:
    with talking(echo_proxy) as client:
        echo_proxy.weather(sliced=1)
        client.sendall(b"y" * 5000)
        received = b""
        while len(received) < 5000:
            received += client.recv(5000)
        assert received == b"y" * 5000
        echo_proxy.weather(latency=1, longest_latency_s=0.5)
        began = time.monotonic()
        for _ in range(4):
            client.sendall(b"late")
            client.recv(100)
        assert time.monotonic() - began > 0.3
    assert echo_proxy.counts()["sliced"] >= 1


def test_the_target_can_be_moved_and_all_connections_be_reset(
    echo_proxy: TcpProxy, echo: tuple[str, int]
) -> None:
    nobody = socket.create_server(("127.0.0.1", 0))
    address = nobody.getsockname()
    nobody.close()
    with talking(echo_proxy) as client:
        echo_proxy.point_at(address)
        with (
            pytest.raises(ConnectionResetError),  # while it connects, or right after
            socket.create_connection(("127.0.0.1", echo_proxy.port), timeout=PATIENCE_S) as other,
        ):
            other.recv(1)
        client.sendall(b"lives on")
        assert client.recv(100) == b"lives on"
        echo_proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    echo_proxy.point_at(echo)
    with talking(echo_proxy):
        assert echo_proxy.counts()["refused"] == 1
