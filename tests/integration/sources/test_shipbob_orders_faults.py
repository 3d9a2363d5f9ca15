"""ShipBob's listing streams at a vendor that misbehaves: equal to the truth in the end, or a clear failure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.postgres import Database
from local.vendors.loopback.clock import VendorClock
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.faults import PUSHES, FaultKind
from local.vendors.shipbob.server import vendor_in_thread
from sluice.core.budget import Budget
from sluice.core.errors import AccessDenied, CredentialsRefused, NotFound, WaitForVendor
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.records import ReadPages, Reconcile
from sluice.core.slices import Outcome
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from tests.integration.sources.shipbob_orders_stand import MERCHANT, TABLES, Stand, standing
from tests.unit.sources.slices import Stored, read_slice

NOON = 1_800_000_000.0  # 2027-01-15; it stands, so that the same questions meet the same faults
WORLD = {"orders": 390, "products": 120, "returns": 120, "receivings": 120, "transactions": 0}
FAULTS = [kind for kind in FaultKind if kind not in PUSHES | {FaultKind.POISON_ROWS}]
OF_PAGES = (
    FaultKind.EMPTY_PAGE,
    FaultKind.MISSING_ROWS,
    FaultKind.DUPLICATE_ROWS,
    FaultKind.REORDERED_ROWS,
    FaultKind.REPEATED_PAGE,
    FaultKind.CURSOR_LOOP,
)
CASES = [
    *((stream, kind) for stream in ("orders", "products") for kind in FAULTS),
    *((stream, kind) for stream in ("returns", "receiving_orders") for kind in OF_PAGES),
]
QUICK: dict[FaultKind, dict[str, Any]] = {
    FaultKind.SLOW: {"delay_ms": 20},
    FaultKind.DRIP: {"delay_ms": 1, "by_bytes": 20_000},
    FaultKind.OVERSIZED: {"size_bytes": 33 * 1024 * 1024, "zipped": True},
    FaultKind.RATE_LIMITED: {"retry_after_s": 1},
    FaultKind.CURSOR_LOOP: {"back": 1},
}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with vendor_in_thread(VendorClock(lambda: NOON)) as url:
        yield url


@pytest.fixture
def control(base_url: str) -> Iterator[ShipBobControl]:
    with ShipBobControl(base_url) as control:
        yield control
        control.clear_faults()


def world(control: ShipBobControl, **options: Any) -> None:
    control.create_world(**WORLD, history_days=30, options={"rate_limit": None, **options})


@pytest.fixture
def stand(database: Database, control: ShipBobControl) -> Iterator[Stand]:
    world(control)
    with standing(database, control, real=lambda: NOON) as made:
        yield made


@dataclass
class Read:
    """What slices of one stream brought, whoever failed meanwhile."""

    stored: Stored
    errors: list[Exception]

    @property
    def is_whole(self) -> bool:
        return "listed_at" in self.stored.cursor and "listing" not in self.stored.cursor


def read_whole(control: ShipBobControl, stream: str, *, slices: int = 60) -> Read:
    """Slices, each of a stream opened anew, until the first listing is complete."""
    now = datetime.fromtimestamp(control.now_s(), UTC)
    connections = VendorConnections(allow_loopback=True, sleep=lambda _: None, clock=lambda: now)
    found = Read(Stored(), [])
    for _ in range(slices):
        opened = _open(control, stream, connections)
        step = opened.next_step(found.stored.cursor, now, full_since=None)
        if found.is_whole:
            break
        assert isinstance(step, ReadPages)
        try:
            read_slice(
                opened, found.stored, step, Budget(lambda: now, now + timedelta(20), 20, 100)
            )
        except (NotFound, CredentialsRefused) as error:
            found.errors.append(error)
    connections.close()
    found.errors += found.stored.errors
    return found


def read_on(control: ShipBobControl, stream: str, stored: Stored) -> None:
    """Slices at a vendor that is well, with the cursor that was left, until no page is due."""
    now = datetime.fromtimestamp(control.now_s(), UTC)
    connections = VendorConnections(allow_loopback=True, sleep=lambda _: None, clock=lambda: now)
    for _ in range(60):
        opened = _open(control, stream, connections)
        step = opened.next_step(stored.cursor, now, full_since=None)
        if isinstance(step, Reconcile):
            stored.cursor = opened.after_reconcile(stored.cursor, step, None)
        elif not isinstance(step, ReadPages):
            break
        else:
            read_slice(opened, stored, step, Budget(lambda: now, now + timedelta(20), 20, 100))
    connections.close()


def _open(control: ShipBobControl, stream: str, connections: VendorConnections) -> Stream:
    return open_stream(
        StreamKey(MERCHANT, "shipbob", stream),
        settings={
            "base_url": control.base_url,
            "page_size": 3,
            "requests_per_minute": 100_000,
        },
        credentials=f"{MERCHANT}-token",
        refresh=lambda: f"{MERCHANT}-token",
        connections=connections,
        chance=lambda: 0.5,
    )


@pytest.mark.parametrize(("stream", "kind"), CASES)
def test_a_fault_in_a_fifth_of_the_answers_loses_nothing(control, stream, kind):
    """All rows in the end and none besides; or errors that say so, and a listing that is not complete."""
    can_hit = not (kind is FaultKind.CURSOR_LOOP and stream in ("orders", "receiving_orders"))
    for seed in (12, 13, 14):
        world(control, gzip=kind is FaultKind.CUT_GZIP)
        fault = control.set_fault(kind, probability=0.2, seed=seed, **QUICK.get(kind, {}))
        read = read_whole(control, stream)
        if control.stats().faults.get(fault.label) or not can_hit:
            break
    else:
        pytest.fail("the fault met no answer; more pages or other seeds are needed")
    if not read.is_whole:
        assert read.errors
        assert kind in {FaultKind.UNAUTHORIZED, FaultKind.CURSOR_LOOP}
        return
    truth = {str(line["id"]) for line in control.truth(TABLES[stream][2], MERCHANT)}
    # A row that twice came as no JSON lies in the rejects.
    rejected = {reject.record_id for reject in read.stored.rejects}
    assert kind is FaultKind.MALFORMED_JSON or not rejected
    if kind is FaultKind.MISSING_ROWS and set(read.stored.records) < truth:
        # A page that lacked the same rows twice is believed; the next listing has them.
        control.clear_faults()
        control.advance_clock(2 * 3600)
        read_on(control, stream, read.stored)
    assert set(read.stored.records) | rejected == truth
    assert read.stored.sightings[max(read.stored.sightings)] | rejected == truth


@pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN, FaultKind.UNAUTHORIZED])
def test_a_refusal_is_never_taken_for_an_empty_listing(control, kind):
    """Whoever is refused at every question reads nothing, and says why."""
    world(control)
    control.set_fault(kind)
    read = read_whole(control, "orders", slices=2)
    assert (read.stored.records, read.is_whole) == ({}, False)
    wanted = AccessDenied if kind is FaultKind.FORBIDDEN else CredentialsRefused
    assert all(isinstance(error, wanted) for error in read.errors)


def test_a_cursor_that_always_leads_back_is_an_error_and_no_end(control):
    """Begun anew a few times, then refused; the listing is not complete, so nothing is removed by it."""
    world(control)
    control.set_fault(FaultKind.CURSOR_LOOP, back=0)
    read = read_whole(control, "products", slices=20)
    assert not read.is_whole
    assert isinstance(read.errors[-1], WaitForVendor)
    assert "read before" in str(read.errors[-1])


@pytest.mark.parametrize("stream", TABLES)
@pytest.mark.parametrize(
    "kind", [FaultKind.NOT_FOUND, FaultKind.MISSING_ROWS, FaultKind.EMPTY_PAGE]
)
def test_no_live_row_is_deleted_whatever_the_listing_lacks(stand, kind, stream):
    """Days of listings and point reads with faults; whoever still lives at the vendor lives here."""
    stand.caught_up(stream)
    met = stand.control.set_fault(kind, probability=0.5, seed=3, rows=3)
    every = timedelta(hours=1 if stream == "orders" else 24)
    for passed in range(8):
        stand.time_passes(every)
        for _ in range(5):
            stand.run(stream)
        if passed and stand.control.stats().faults.get(met.label):
            break
    assert stand.control.stats().faults.get(met.label)
    assert set(stand.table(stream)) >= set(stand.truth(stream))


@pytest.mark.parametrize("stream", TABLES)
def test_poisoned_rows_lie_in_the_rejects_and_all_others_load(stand, stream):
    """A row that cannot be kept costs nobody else anything; once the vendor mends it, it is loaded and settled."""
    stand.control.set_fault("poison_rows", probability=0.2, seed=5, merchants=[MERCHANT])
    stand.caught_up(stream)
    truth, loaded = stand.truth(stream), stand.table(stream)
    rejects = stand.ask(
        "SELECT record_id, reason, raw FROM sluice.rejects WHERE client_id = %s AND resolved_at IS NULL"
    )
    named = {record_id for record_id, _, _ in rejects if record_id in truth}
    assert set(truth) - set(loaded) >= named != set()
    assert len(truth) - len(loaded) >= len(rejects) > len(named)
    assert all(loaded[number] == truth[number] for number in loaded)
    assert all(reason and raw for _, reason, raw in rejects)
    stand.control.clear_faults()
    stand.time_passes(timedelta(hours=1))
    stand.caught_up(stream)
    assert stand.table(stream) == stand.truth(stream)
    open_ones = stand.ask(
        "SELECT record_id FROM sluice.rejects WHERE client_id = %s AND resolved_at IS NULL"
    )
    assert {row[0] for row in open_ones}.isdisjoint(truth)


def test_the_vendors_own_limit_is_a_wait_and_no_failure(database, control):
    """Its sliding window refuses us although our own calendar does not: the run waits, and ends complete."""
    world(control, rate_limit={"requests": 12, "per_s": 60.0})
    with standing(database, control, real=lambda: NOON, page_size=10) as stand:
        for _ in range(20):
            if stand.run("orders")[-1].outcome is not Outcome.RUN_FAILED:
                stand.time_passes(timedelta(minutes=1))
            if stand.table("orders") == stand.truth("orders"):
                break
        assert stand.table("orders") == stand.truth("orders")
        assert stand.control.stats().by_status.get(429)
