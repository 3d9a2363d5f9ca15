"""The timelines stream through the engine, Postgres and the simulated ShipBob: who is asked, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.postgres import Database
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.faults import FaultKind
from local.vendors.shipbob.server import vendor_in_thread
from sluice.core.slices import Outcome
from tests.integration.sources.shipbob_orders_stand import Stand, standing
from tests.integration.sources.timelines_seen import (
    asked,
    everything_is_due,
    is_open,
    make_world,
    never_checked,
    rejects,
    stored,
    truth,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def control() -> Iterator[ShipBobControl]:
    """A vendor of its own for each test: the database's clock stands beside those that a test moves on."""
    with vendor_in_thread() as url, ShipBobControl(url) as control:
        make_world(control)
        yield control


@pytest.fixture
def stand(database: Database, control: ShipBobControl) -> Iterator[Stand]:
    """A merchant whose orders were read."""
    with standing(database, control) as made:
        made.caught_up("orders")
        control.clear_stats()
        yield made


def test_every_open_shipment_is_asked_for_once_and_no_other(stand):
    """Their events are the vendor's own; whoever was delivered or cancelled is left alone."""
    on_their_way = is_open(stand)
    reports = stand.run("timelines")
    assert {report.outcome for report in reports} == {Outcome.COMMITTED}
    assert asked(stand) == len(on_their_way) > 10
    assert stored(stand) == truth(stand, on_their_way)
    assert rejects(stand) == []


def test_nothing_due_is_no_request_and_no_commit(stand):
    """A tick right after, and one when the list may be looked at again: one query, no slice, no run."""
    seq = stand.run("timelines")[-1].seq
    stand.control.clear_stats()
    for _ in range(2):
        reports = stand.run("timelines")
        assert [(report.outcome, report.seq) for report in reports] == [(Outcome.CAUGHT_UP, seq)]
        stand.time_passes(MINUTE)
    assert asked(stand) == 0
    assert _runs(stand) == ["completed"]


def test_small_slices_go_on_until_nothing_is_due(database, control):
    """Seven shipments a list and five requests a slice: each is asked for once, and the run ends."""
    with standing(database, control, timelines_batch=7, slice_requests=5) as stand:
        stand.caught_up("orders")
        on_their_way = is_open(stand)
        control.clear_stats()
        reports = stand.run("timelines")
        assert asked(stand) == len(on_their_way)
        assert all(report.traffic.requests <= 5 for report in reports)
        assert stored(stand) == truth(stand, on_their_way)
        assert _runs(stand) == ["completed"]


def _runs(stand: Stand) -> list[str | None]:
    """How the runs of the timelines ended; None for one that has not."""
    query = "SELECT outcome FROM sluice.run WHERE client_id = %s AND stream = 'timelines' ORDER BY started_at"
    return [row[0] for row in stand.ask(query)]


def test_another_merchants_shipment_is_none_of_ours(stand):
    """404: it counts as checked, nothing is stored of it, and the others are read."""
    on_their_way = is_open(stand)
    foreign = str(next(iter(stand.truth("shipments", "niva"))))
    stand.ask(
        "INSERT INTO shipbob_tracking (client_id, shipment_id, order_id, created_at, is_open, tier, due_at)"
        " VALUES (%s, %s, '1', now(), true, 3, '-infinity') RETURNING 1",
        foreign,
    )
    reports = stand.run("timelines")
    assert {report.outcome for report in reports} == {Outcome.COMMITTED}
    assert stored(stand) == truth(stand, on_their_way)
    assert (never_checked(stand), rejects(stand)) == (set(), [])


def test_a_full_read_asks_for_every_open_shipment_once(stand):
    """Due or not; then the stream goes on at its own pace."""
    stand.run("timelines")
    still_open = is_open(stand)
    stand.control.clear_stats()
    stand.time_passes(MINUTE)
    stand.run("timelines", "manual", full_since=stand.now() - MINUTE / 2)
    assert asked(stand) == len(still_open) > 10
    stand.control.clear_stats()
    stand.time_passes(MINUTE)
    assert [report.outcome for report in stand.run("timelines")] == [Outcome.CAUGHT_UP]
    assert asked(stand) == 0


NO_TIMELINES = {
    FaultKind.EMPTY_PAGE,
    FaultKind.MISSING_ROWS,
    FaultKind.DUPLICATE_ROWS,
    FaultKind.REORDERED_ROWS,
    FaultKind.REPEATED_PAGE,
    FaultKind.CURSOR_LOOP,
    FaultKind.LOST_PUSH,
    FaultKind.DOUBLED_PUSH,
    FaultKind.LATE_PUSH,
}
"""What the simulator does to pages of listings and to pushes alone; timelines out of order, with events twice
or without any are tried in the unit tests."""

FAULTS = [kind for kind in FaultKind if kind not in NO_TIMELINES]
QUICK: dict[str, dict[str, Any]] = {
    "slow": {"delay_ms": 30},
    "drip": {"delay_ms": 1, "by_bytes": 500},
    "oversized": {"size_bytes": 40 * 1024 * 1024, "zipped": True, "limit": 2},
    "rate_limited": {"retry_after_s": 1},
}
REFUSED = {FaultKind.UNAUTHORIZED, FaultKind.FORBIDDEN}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_a_fifth_of_the_answers_is_mended_by_the_next_reading(database, control, kind):
    """Whatever comes meanwhile, nobody is passed over, and once the vendor is well all is as it says."""
    make_world(control, gzip=kind is FaultKind.CUT_GZIP)
    with standing(database, control, timelines_batch=20, concurrency=2) as stand:
        stand.caught_up("orders")
        on_their_way = is_open(stand)
        fault = {"endpoints": ("timeline",), "probability": 0.2, "seed": 11}
        control.set_fault(kind, **fault, **QUICK.get(kind.value, {}))
        reports = stand.run("timelines")
        assert control.stats().faults.get(kind.value), "the fault never came"
        failed = [report for report in reports if report.outcome is Outcome.RUN_FAILED]
        assert not failed or kind in REFUSED, failed
        assert not never_checked(stand) or kind in REFUSED
        control.clear_faults()
        everything_is_due(stand)
        stand.time_passes(MINUTE)
        stand.caught_up("timelines")
        assert stored(stand) == truth(stand, on_their_way)
        assert rejects(stand) == []
