"""Limits of the simulated Mixpanel: as published, per project, to the very request."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import httpx
import pytest

from local.vendors.mixpanel.models import Limits
from tests.unit.local.mixpanel_account import (
    ACCOUNT,
    ENGAGE,
    EXPORT,
    PROJECT,
    QUIET,
    TODAY,
    Vendor,
    standing_vendor,
)

EMPTY = {"feed": QUIET, "profiles": 3}
PUBLISHED: dict[str, Any] = {"options": {}}
OTHER = {"id": 7, "project_secret": "other", **EMPTY}


def statuses(vendor: Vendor, count: int, project: int = PROJECT) -> list[int]:
    return [vendor.ask(project=project).status_code for _ in range(count)]


def test_three_exports_a_second():
    """The fourth within the same second is refused, and a second later three are let in again."""
    with standing_vendor(EMPTY, **PUBLISHED) as vendor:
        assert statuses(vendor, 4) == [200, 200, 200, 429]
        vendor.advance_clock(0.999)
        assert statuses(vendor, 1) == [429]
        vendor.advance_clock(0.001)
        assert statuses(vendor, 4) == [200, 200, 200, 429]


def test_sixty_exports_an_hour():
    """Of which the first makes room an hour after it was asked, not before."""
    with standing_vendor(EMPTY, **PUBLISHED) as vendor:
        for _ in range(20):
            assert statuses(vendor, 3) == [200, 200, 200]
            vendor.advance_clock(1)
        assert statuses(vendor, 1) == [429]
        vendor.advance_clock(3600 - 20 - 0.01)
        assert statuses(vendor, 1) == [429]
        vendor.advance_clock(0.01)
        assert statuses(vendor, 4) == [200, 200, 200, 429]


def test_sixty_pages_of_profiles_an_hour():
    """As fast as one likes, beside the exports."""
    with standing_vendor(EMPTY, **PUBLISHED) as vendor:
        assert statuses(vendor, 3) == [200, 200, 200]
        told = [vendor.engage().status_code for _ in range(61)]
        assert told == [200] * 60 + [429]
        vendor.advance_clock(3600)
        assert vendor.engage().status_code == 200


def test_429_tells_the_limit_in_words_only():
    """JSON with the request and the reason; no header says when to come again."""
    with standing_vendor(EMPTY, **PUBLISHED) as vendor:
        statuses(vendor, 3)
        answer = vendor.ask()
        told = answer.json()
        assert set(told) == {"request", "error"}
        assert "project_id: 1001" in told["error"]
        assert "4/3 queries running in the last second" in told["error"]
        hints = {name for name in answer.headers if "retry" in name or "limit" in name}
        assert hints == set()
        assert vendor.stats().refused_by_limit == 1


def test_projects_are_counted_apart():
    """Even under one service account."""
    with standing_vendor(EMPTY, OTHER, **PUBLISHED) as vendor:
        assert statuses(vendor, 4) == [200, 200, 200, 429]
        assert statuses(vendor, 4, project=7) == [200, 200, 200, 429]


def test_wrong_credentials_cost_nothing_and_wrong_questions_do():
    """The vendor knows whose budget it is only once it knows who asks."""
    with standing_vendor(EMPTY, **PUBLISHED) as vendor:
        for _ in range(5):
            assert vendor.ask(auth=("a", "b")).status_code == 401
        told = [vendor.ask("yesterday").status_code for _ in range(4)]
        assert told == [400, 400, 400, 429]


def test_whether_refused_requests_count():
    """Not unless asked for; then whoever hammers never gets in again."""
    for counted, last in ((False, 200), (True, 429)):
        options = {"limits": {"count_refused": counted}}
        with standing_vendor(EMPTY, options=options) as vendor:
            statuses(vendor, 3)
            for _ in range(4):
                vendor.advance_clock(0.3)
                status = vendor.ask().status_code
            assert status == last


def test_the_scale_shortens_hour_and_second():
    """So that a test with the machine's clock need not wait."""
    options = {"limits": {"time_scale": 0.01, "export_per_hour": 6}}
    with standing_vendor(EMPTY, options=options) as vendor:
        assert statuses(vendor, 4) == [200, 200, 200, 429]
        vendor.advance_clock(0.01)
        assert statuses(vendor, 4) == [200, 200, 200, 429]
        vendor.advance_clock(35.98)
        assert statuses(vendor, 1) == [429]
        vendor.advance_clock(0.01)
        assert statuses(vendor, 1) == [200]


def test_other_limits_hold_from_now_on():
    """And nothing that was asked before counts."""
    with standing_vendor(EMPTY, **PUBLISHED) as vendor:
        statuses(vendor, 4)
        vendor.set_limits(Limits(export_per_second=1))
        assert statuses(vendor, 2) == [200, 429]
        vendor.set_limits(None)
        assert set(statuses(vendor, 70)) == {200}
        assert vendor.summary().options.limits is None


async def _together(vendor: Vendor, path: str, count: int, gate: threading.Event) -> list[int]:
    """So many at once; the gate opens once those above the limit were refused."""
    asked: dict[str, Any] = {"project_id": PROJECT}
    if path == EXPORT:
        asked |= {"from_date": TODAY, "to_date": TODAY}
    method = "GET" if path == EXPORT else "POST"
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=60) as client:

        async def one() -> int:
            address = vendor.base_url + path
            answer = await client.request(method, address, params=asked, auth=ACCOUNT)
            if answer.status_code == 429:
                assert "queries running concurrently" in answer.json()["error"]
                gate.set()
            return answer.status_code

        return await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize(("path", "most"), [(EXPORT, 100), (ENGAGE, 5)])
def test_so_many_at_once(path, most):
    """One more is refused while they are under way; afterwards there is room again."""
    gate = threading.Event()
    options = {"limits": {"export_per_second": 1000, "export_per_hour": 1000}}
    with standing_vendor(EMPTY, gate=gate, options=options) as vendor:
        vendor.set_fault("slow", delay_ms=1000)
        got = Counter(asyncio.run(_together(vendor, path, most + 1, gate)))
        assert got == {200: most, 429: 1}
        assert vendor.stats().most_at_once == most
        assert set(asyncio.run(_together(vendor, path, most, gate))) == {200}
