"""The simulated cars vendor as a program of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from local.vendors.cars.control import CarsVendorControl
from tests.unit.local.vendor_program import address_of, running


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    with running("cars") as program:
        yield program


@pytest.fixture
def address(program) -> str:
    return address_of(program)


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
