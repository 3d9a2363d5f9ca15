"""The simulated cars vendor as a program of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from local.vendors.cars.control import CarsVendorControl


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "local.vendors.cars", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        yield program
        if program.poll() is None:
            program.kill()


@pytest.fixture
def address(program) -> str:
    assert program.stdout is not None
    said, _, address = program.stdout.readline().strip().rpartition(" ")
    assert said == "listening on"
    return address


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_in_order(program, address, name):
    """Ready when the line is out; a stop is exit 0 and frees the port, even amid a slow answer."""
    base_url = f"http://{address}"
    with CarsVendorControl(base_url) as control:
        control.create_account("k", cars=10)
        control.set_fault("k", "slow", delay_ms=60_000)
        with socket.create_connection(address.split(":"), timeout=10) as waiting:
            waiting.sendall(b"GET /api/cars HTTP/1.1\r\nHost: x\r\nx-api-key: k\r\n\r\n")
            control.stats("k")
            program.send_signal(name)
            assert program.wait(timeout=10) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(base_url + "/_control", trust_env=False)


def test_it_listens_on_loopback_only(address):
    """Its control addresses obey anybody, so nobody else may reach them."""
    host, _, port = address.partition(":")
    assert host == "127.0.0.1"
    with socket.socket() as elsewhere:
        elsewhere.settimeout(1)
        with pytest.raises(OSError, match="refused"):
            elsewhere.connect(("127.0.0.2", int(port)))


def test_it_answers_many_at_once(address):
    """Four readers get every page of a catalogue whole; how fast is measured elsewhere."""
    with CarsVendorControl(f"http://{address}") as control:
        control.create_account("k", cars=4000)
        with httpx.Client(headers={"x-api-key": "k"}, trust_env=False) as client:

            def rows(page: int) -> int:
                url = f"http://{address}/api/cars?page={page}"
                return len(client.get(url).json()["data"])

            with ThreadPoolExecutor(4) as readers:
                assert list(readers.map(rows, range(1, 42))) == [100] * 40 + [0]
        stats = control.stats("k")
    assert (stats.requests, stats.by_status) == (41, {200: 41})
    assert stats.latency_ms.p95 < 1000
