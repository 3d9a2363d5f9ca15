"""Both shapes against the simulated vendor over real sockets: whatever goes wrong, nothing is lost.

Each fault alone at 20 % of the answers must end with every car read, or with a typed error.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import AccountOptions, FaultKind
from sluice.core.budget import Budget
from sluice.core.errors import CredentialsRefused, RowRejected, WaitForVendor
from sluice.core.records import Reconcile
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from tests.unit.sources.slices import STREAM, Stored, read_slice

KEY = "account-under-test"
CARS = 2500


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The vendor's address; its process ends with the module."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local.vendors.cars", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            yield "http://" + process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def control(base_url: str) -> Iterator[CarsVendorControl]:
    with CarsVendorControl(base_url) as control:
        yield control


@pytest.fixture
def connections() -> Iterator[VendorConnections]:
    # Waits are taken as slept: what is tested is what is read, not how long it takes.
    kept = VendorConnections(allow_loopback=True, sleep=lambda _: None)
    yield kept
    kept.close()


def now() -> datetime:
    return datetime.now(UTC)


def _account(control, shape, position="repeatable", **options):
    control.create_account(
        KEY,
        cars=CARS,
        seed=7,
        options=AccountOptions(scroll_position=position, **options),
        replace=True,
    )


def _open(base_url, connections, shape, **more):
    settings = {
        "shape": shape,
        "base_url": base_url,
        "page_size": 100,
        "concurrency": 8,
        "volatile_fields": ["fetched_at"],
        **more,
    }
    return open_stream(
        STREAM, settings=settings, credentials=KEY, refresh=lambda: KEY, connections=connections
    )


def _read(stream, *, slices: int = 40, rows: int = 500) -> Stored:
    """Slices until the crawl is complete; errors that a person must look at are raised."""
    stored = Stored()
    for _ in range(slices):
        step = stream.next_step(stored.cursor, now(), full_since=None)
        if step is None or isinstance(step, Reconcile):
            return stored
        allowance = Budget(now, now() + timedelta(seconds=20), rows, 500)
        read_slice(stream, stored, step, allowance)
    return stored


def _finished(stored: Stored) -> bool:
    return "pending" in stored.cursor


@pytest.mark.parametrize("gzip", [True, False])
@pytest.mark.parametrize(
    ("shape", "position"),
    [("page", "repeatable"), ("scroll", "repeatable"), ("scroll", "advancing")],
)
def test_a_sound_vendor_is_read_whole(base_url, control, connections, shape, position, gzip):
    """Every car the vendor lists arrives, in one generation, without a retry."""
    _account(control, shape, position, gzip=gzip)
    stream = _open(base_url, connections, shape)
    stored = _read(stream)
    assert {int(identity) for identity in stored.records} == set(control.listed_ids(KEY))
    assert stored.sightings.keys() == {1}
    assert stream.traffic().retries == 0
    assert all(len(stream.values(r)) == len(stream.table.columns) for r in stored.records.values())


FAULTS = [kind for kind in FaultKind if kind not in {"poison_rows", "churn"}]
_QUICK = {
    "slow": {"delay_ms": 30},
    "drip": {"delay_ms": 2, "by_bytes": 20_000},
    "oversized": {"size_bytes": 40 * 1024 * 1024, "zipped": True},
    "rate_limited": {"retry_after_s": 1},
    # At a fifth of 25 pages no scroll would ever live to its end.
    "expired_scroll": {"limit": 3},
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("shape", ["page", "scroll"])
def test_a_fault_in_a_fifth_of_the_answers_loses_nothing(
    base_url, control, connections, shape, kind
):
    """All cars are read in the end, or the run ends with a typed error and a cursor to go on at."""
    _account(control, shape, gzip=kind is FaultKind.CUT_GZIP)
    control.set_fault(KEY, kind, probability=0.2, seed=12, **_QUICK.get(kind, {}))
    stream = _open(base_url, connections, shape)
    try:
        stored = _read(stream)
    except CredentialsRefused:
        assert kind in {FaultKind.UNAUTHORIZED, FaultKind.FORBIDDEN}
        return
    assert _finished(stored), stored.errors[-3:]
    last = stored.sightings[max(stored.sightings)]
    assert {int(identity) for identity in last} == set(control.listed_ids(KEY))
    assert stored.rejects == []
    assert control.stats(KEY).faults.get(kind.value) or not _applies(shape, kind)
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def _applies(shape: str, kind: FaultKind) -> bool:
    only_scroll = kind in {FaultKind.TOKEN_LOOP, FaultKind.EXPIRED_SCROLL}
    only_page = kind in {FaultKind.REPEATED_PAGE}
    return not (only_scroll and shape == "page") and not (only_page and shape == "scroll")


def test_poisoned_rows_are_rejects_or_records_and_never_lost(base_url, control, connections):
    """Every row is there: as a record that converts, as a reject, or as a RowRejected by name."""
    _account(control, "page")
    control.set_fault(KEY, "poison_rows", probability=0.2, seed=5)
    stream = _open(base_url, connections, "page")
    stored = _read(stream)
    assert _finished(stored)
    refused = 0
    for record in stored.records.values():
        try:
            stream.values(record)
        except RowRejected:
            refused += 1
    assert refused
    assert len(stored.rejects) + len(stored.records) == CARS
    assert all(reject.reason and reject.raw.isascii() for reject in stored.rejects)


def test_a_vendor_that_is_down_is_a_typed_wait(base_url, control, connections):
    """Refused connections are the vendor's, not ours, and nothing is lost."""
    stream = _open("http://127.0.0.1:9", connections, "page")
    step = stream.next_step({}, now(), full_since=None)
    with pytest.raises(WaitForVendor):
        list(stream.pages(step, {}, Budget(now, now() + timedelta(seconds=5), 500, 50)))


def test_a_key_rotated_at_the_vendor_is_read_anew(base_url, control, connections):
    """The run goes on with the fresh key; no slice fails."""
    _account(control, "page")
    control.rotate_key(KEY, "fresh-key")
    settings = {"shape": "page", "base_url": base_url, "page_size": 100}
    stream = open_stream(
        STREAM,
        settings=settings,
        credentials=KEY,
        refresh=lambda: "fresh-key",
        connections=connections,
    )
    stored = _read(stream)
    assert (len(stored.records), stored.errors) == (CARS, [])
    control.delete_account("fresh-key")
