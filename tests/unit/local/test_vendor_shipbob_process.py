"""The simulated ShipBob as a program of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from local.vendors.shipbob.control import ShipBobControl
from tests.unit.local.vendor_program import address_of, running


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    with running("shipbob") as program:
        yield program


@pytest.fixture
def address(program) -> str:
    return address_of(program)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order_amid_answers_and_pushes(program, address, name):
    """Exit 0 and the port is free, though a push waits for its next attempt."""
    base_url = f"http://{address}"
    with ShipBobControl(base_url) as control:
        control.create_world(orders=20, transactions=20)
        token = {"Authorization": "Bearer acme-token"}
        topics = ["order.shipment.tracking.updated"]
        wanted = {"url": "http://127.0.0.1:9/in", "topics": topics}
        httpx.post(f"{base_url}/2026-01/webhook", headers=token, json=wanted, trust_env=False)
        assert control.burst(merchant="acme")
        control.set_fault("slow", delay_ms=60_000)
        with socket.create_connection(address.split(":"), timeout=10) as waiting:
            request = "GET /2026-01/order HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer acme-token"
            waiting.sendall(f"{request}\r\n\r\n".encode())
            control.stats()
            program.send_signal(name)
            assert program.wait(timeout=20) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(base_url + "/_control", trust_env=False)
