"""A lease whose holder died is taken over by the very message that it was taken for, before it lapses."""

from __future__ import annotations

from datetime import datetime, timedelta

from sluice.core.ports import Leases
from sluice.core.slices import Lease, LeaseHeld, Resting
from tests.contract.leasing import KEY, NOW, TTL

MARGIN = timedelta(seconds=30)
OVER = NOW + TTL - MARGIN  # the holder's invocation is over, its lease is not


def take(
    leases: Leases, owner: str, delivery: str | None, now: datetime, *, heed_rest: bool = False
) -> Lease | LeaseHeld | Resting:
    return leases.acquire(
        KEY,
        owner,
        now=now,
        until=now + TTL,
        delivery=delivery,
        orphaned_by=now + MARGIN,
        heed_rest=heed_rest,
    )


def test_the_same_message_takes_over_once_its_holders_time_is_over(leases: Leases) -> None:
    """Not a second earlier: the queue may also give a message out twice while its holder is at work."""
    assert isinstance(take(leases, "first", "m1", NOW), Lease)
    assert isinstance(take(leases, "early", "m1", OVER - timedelta(seconds=1)), LeaseHeld)
    heir = take(leases, "heir", "m1", OVER)
    assert isinstance(heir, Lease)
    assert (heir.fencing_token, heir.took_over) == (2, True)
    assert abs(heir.until - (OVER + TTL)) < timedelta(milliseconds=1)


def test_another_message_waits_for_the_lapse(leases: Leases) -> None:
    """It proves nothing about the holder; and who is refused learns for which message the lease is held."""
    take(leases, "first", "m1", NOW)
    refused = take(leases, "other", "m2", OVER)
    assert isinstance(refused, LeaseHeld)
    assert refused.delivery == "m1"
    assert isinstance(take(leases, "nameless", None, OVER), LeaseHeld)
    assert isinstance(take(leases, "other", "m2", NOW + TTL), Lease)


def test_of_two_without_a_message_neither_is_the_others_heir(leases: Leases) -> None:
    take(leases, "first", None, NOW)
    assert isinstance(take(leases, "second", None, OVER), LeaseHeld)


def test_the_heirs_lease_is_held_for_its_own_time(leases: Leases) -> None:
    """Taken over, it is not over at once: a second copy of the message finds it held."""
    take(leases, "first", "m1", NOW)
    take(leases, "heir", "m1", OVER)
    assert isinstance(take(leases, "copy", "m1", OVER + timedelta(seconds=1)), LeaseHeld)


def test_a_message_heeds_a_rest_also_as_an_heir(leases: Leases) -> None:
    first = take(leases, "first", "m1", NOW)
    assert isinstance(first, Lease)
    leases.release(first, not_before=NOW + timedelta(hours=1))
    assert isinstance(take(leases, "second", "m1", NOW), Lease)
    assert isinstance(take(leases, "heir", "m1", OVER, heed_rest=True), Resting)


def test_who_is_given_the_lease_later_is_no_heir_of_an_older_holder(leases: Leases) -> None:
    first = take(leases, "first", "m1", NOW)
    assert isinstance(first, Lease)
    leases.release(first)
    take(leases, "second", "m2", NOW)
    assert isinstance(take(leases, "third", "m1", OVER), LeaseHeld)
