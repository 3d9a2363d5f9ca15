"""A lease remembers what the work is for, so that cleanup asks for it again as that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sluice.core.ports import Leases
from sluice.core.priorities import Priority
from sluice.core.slices import Lease
from sluice.dynamo.leases import DynamoLeaseStore
from tests.contract.leasing import KEY, LATER, NOW, TTL, acquire


def take(leases: Leases, owner: str, priority: Priority) -> None:
    got = leases.acquire(KEY, owner, now=NOW, until=NOW + TTL, priority=priority)
    assert isinstance(got, Lease)


def seen_priority(leases: Leases) -> Priority:
    (seen,) = leases.stale(before=LATER + 2 * TTL, limit=10)
    return seen.priority


@pytest.mark.parametrize("priority", Priority)
def test_cleanup_sees_what_a_stale_lease_was_taken_for(leases: Leases, priority: Priority) -> None:
    take(leases, "dead", priority)
    assert seen_priority(leases) is priority


def test_a_lease_is_the_schedules_unless_it_says_otherwise(leases: Leases) -> None:
    acquire(leases, "dead")
    assert seen_priority(leases) is Priority.SCHEDULE


def test_who_takes_a_lapsed_lease_over_says_anew_what_it_is_for(leases: Leases) -> None:
    """A tick that goes on where a backfill's worker died is no backfill."""
    take(leases, "dead", Priority.BACKFILL)
    acquire(leases, "heir", NOW + TTL + timedelta(seconds=1))
    assert seen_priority(leases) is Priority.SCHEDULE


def test_a_stale_lease_is_freed_whatever_it_is_for(leases: Leases) -> None:
    take(leases, "dead", Priority.BACKFILL)
    (seen,) = leases.stale(before=LATER, limit=10)
    assert leases.free(seen)
    assert leases.stale(before=LATER, limit=10) == []


def test_a_lease_that_older_code_took_is_the_schedules(new_client: Any, state_table: str) -> None:
    """Its item says nothing of priorities, as all do on the day of a deploy."""
    client = new_client("dynamodb")
    leases = DynamoLeaseStore(client, state_table)
    take(leases, "dead", Priority.BACKFILL)
    client.update_item(
        TableName=state_table,
        Key={"stream_key": {"S": str(KEY)}},
        UpdateExpression="REMOVE priority",
    )
    assert seen_priority(leases) is Priority.SCHEDULE
