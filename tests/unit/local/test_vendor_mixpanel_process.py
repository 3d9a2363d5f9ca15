"""The simulated Mixpanel as a program of its own: it starts, streams in flat memory, and ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.vendors.mixpanel.control import MixpanelControl
from tests.unit.local.mixpanel_account import ACCOUNT, EXPORT, PROJECT, UNLIMITED
from tests.unit.local.vendor_program import address_of, running

MANY = 200_000
MIB = 1024 * 1024

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").is_file(), reason="there is no /proc to measure by"
)


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    with running("mixpanel") as program:
        yield program


@pytest.fixture
def address(program) -> str:
    return address_of(program)


def high_water_mib(program: subprocess.Popen[str]) -> float:
    """The most memory the program had resident since the mark was last set back."""
    text = Path(f"/proc/{program.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def streamed(base_url: str, asked: dict[str, Any]) -> tuple[int, int, int]:
    """Lines, bytes of text and the largest piece of an export that is read and not kept."""
    press = zlib.decompressobj(wbits=31)
    lines = size = largest = 0
    with httpx.stream(
        "GET", base_url + EXPORT, params=asked, auth=ACCOUNT, trust_env=False, timeout=60
    ) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        for raw in answer.iter_raw():
            text = press.decompress(raw)
            lines += text.count(b"\n")
            size += len(text)
            largest = max(largest, len(text))
    assert press.eof
    return lines, size, largest


@pytest.mark.long
@needs_proc
def test_memory_stays_flat_while_200_000_events_are_streamed(program, address):
    """Sent, cut and counted: sixty megabytes of text pass through a program that does not grow."""
    base_url = f"http://{address}"
    feed = {"per_day": MANY, "days": 2, "subscribers": 500, "late_share": 0}
    with MixpanelControl(base_url) as control:
        control.create_world(options=UNLIMITED, projects=[{"feed": feed}])
        start_s = int(control.now_s()) // 86_400 * 86_400 - 86_400
        day = datetime.fromtimestamp(start_s, UTC).date().isoformat()
        asked = {"project_id": PROJECT, "from_date": day, "to_date": day}
        narrow = f'properties["$time"]<datetime({start_s + 60})'
        streamed(base_url, {**asked, "where": narrow})
        list(control.truth("counts", from_s=start_s, until_s=start_s + 60))
        Path(f"/proc/{program.pid}/clear_refs").write_text("5")  # sets the mark back
        before = high_water_mib(program)
        lines, size, largest = streamed(base_url, asked)
        counts = control.truth("counts", from_s=start_s, until_s=start_s + 86_400)
        counted = sum(line["count"] for line in counts)
        assert counted == MANY
        assert 1.01 * MANY < lines < 1.03 * MANY
        assert size > 50 * MIB
        assert largest < MIB
        control.set_fault("cut_line")
        quarter = f'properties["$time"]<datetime({start_s + 21_600})'
        cut, _, _ = streamed(base_url, {**asked, "where": quarter})
        assert 0.1 * MANY < cut < 0.15 * MANY
        assert high_water_mib(program) - before < 8


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order_amid_answers_and_pushes(program, address, name):
    """Exit 0 and the port is free, though a page waits for its next attempt."""
    base_url = f"http://{address}"
    with MixpanelControl(base_url) as control:
        control.create_world(options=UNLIMITED)
        control.set_cohort(PROJECT, 7, add=5)
        control.sync_cohort(PROJECT, 7, "http://127.0.0.1:9/in", wait=False)
        control.set_fault("slow", delay_ms=60_000)
        with socket.create_connection(address.split(":"), timeout=10) as waiting:
            path = f"{EXPORT}?from_date=2020-01-01&to_date=2020-01-01"
            secret = "cHJvamVjdC1zZWNyZXQ6"
            request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {secret}\r\n\r\n"
            waiting.sendall(request.encode())
            control.stats()
            program.send_signal(name)
            assert program.wait(timeout=20) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(base_url + "/_control", trust_env=False)
