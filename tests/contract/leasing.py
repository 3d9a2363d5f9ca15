"""What the suites of ``core.ports.Leases`` speak in: keys, moments, and taking a lease that is free."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sluice.core.keys import StreamKey
from sluice.core.ports import Leases
from sluice.core.slices import Lease, LeaseHeld

KEY = StreamKey("acme", "cars", "cars")
OTHER = StreamKey("bolt", "cars", "cars")
NOW = datetime(2026, 3, 1, 12, 0, 0, 123_457, tzinfo=UTC)  # finer than a millisecond, as clocks are
TTL = timedelta(seconds=90)
LATER = NOW + TTL + timedelta(seconds=1)


def acquire(leases: Leases, owner: str, now: datetime = NOW, key: StreamKey = KEY) -> Lease:
    got = leases.acquire(key, owner, now=now, until=now + TTL)
    assert isinstance(got, Lease)
    return got


def is_refused(leases: Leases, owner: str, now: datetime = NOW) -> bool:
    return isinstance(leases.acquire(KEY, owner, now=now, until=now + TTL), LeaseHeld)
