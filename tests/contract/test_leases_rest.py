"""A vendor that wants to be left alone: who heeds that leaves the stream, who does not takes it."""

from __future__ import annotations

from datetime import timedelta

from sluice.core.ports import Leases
from sluice.core.slices import Lease, LeaseHeld, Resting
from tests.contract.leasing import KEY, LATER, NOW, TTL, acquire

REST = NOW + timedelta(minutes=5)


def resting(leases: Leases) -> Lease:
    lease = acquire(leases, "throttled")
    assert leases.release(lease, not_before=REST)
    return lease


def test_who_heeds_the_vendors_rest_leaves_a_free_stream_alone(leases: Leases) -> None:
    """Nothing changes, and the very moment the rest ends the stream can be had."""
    lease = resting(leases)
    got = leases.acquire(KEY, "tick", now=NOW, until=NOW + TTL, heed_rest=True)
    assert isinstance(got, Resting)
    assert abs(got.until - REST) < timedelta(milliseconds=1)
    later = leases.acquire(KEY, "tick", now=REST, until=REST + TTL, heed_rest=True)
    assert isinstance(later, Lease)
    assert later.fencing_token == lease.fencing_token + 1


def test_who_does_not_heed_the_rest_takes_the_stream(leases: Leases) -> None:
    resting(leases)
    assert isinstance(leases.acquire(KEY, "back", now=NOW, until=NOW + TTL), Lease)


def test_a_held_lease_is_held_for_who_heeds_the_rest_too(leases: Leases) -> None:
    """Until it ran out: then the rest alone stands in the way."""
    resting(leases)
    acquire(leases, "works")
    got = leases.acquire(KEY, "tick", now=NOW, until=NOW + TTL, heed_rest=True)
    assert isinstance(got, LeaseHeld)
    assert got.owner == "works"
    late = leases.acquire(KEY, "tick", now=LATER, until=LATER + TTL, heed_rest=True)
    assert isinstance(late, Resting)
