"""What stands of many streams at once: in memory and in DynamoDB alike, after what leases do to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.keys import StreamKey
from sluice.core.ports import Leases
from sluice.core.scheduling import Standings
from sluice.core.slices import Lease
from sluice.core.underway import Standing
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.standings import DynamoStandings
from tests.memory.leases import MemoryLeases
from tests.memory.standings import MemoryStandings

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=90)
ACME, BOLT = StreamKey("acme", "cars", "cars"), StreamKey("bolt", "cars", "cars", "2026-03-01")


@dataclass
class State:
    """The state table: leases, and what is read of it."""

    leases: Leases
    standings: Standings

    def hold(self, key: StreamKey = ACME, **more: int) -> Lease:
        lease = self.leases.acquire(key, "worker", now=NOW, until=UNTIL, **more)  # type: ignore[arg-type]
        assert isinstance(lease, Lease)
        return lease

    def of(self, key: StreamKey = ACME) -> Standing | None:
        return self.standings.of([key]).get(key)


@pytest.fixture(params=["memory", "dynamodb"])
def state(request: pytest.FixtureRequest) -> State:
    if request.param == "memory":
        leases = MemoryLeases()
        return State(leases, MemoryStandings(leases))
    client = request.getfixturevalue("new_client")("dynamodb")
    table = request.getfixturevalue("state_table")
    return State(DynamoLeaseStore(client, table), DynamoStandings(client, table))


def test_a_stream_never_worked_on_is_missing(state: State) -> None:
    state.hold(BOLT)
    assert set(state.standings.of([ACME, BOLT])) == {BOLT}
    assert state.standings.of([]) == {}


def test_one_that_is_held(state: State) -> None:
    state.hold()
    assert state.of() == Standing(fencing_token=1, lease_until=UNTIL, acquired_at=NOW)


def test_one_that_was_given_back(state: State) -> None:
    state.leases.release(state.hold())
    assert state.of() == Standing(fencing_token=1, acquired_at=NOW)


def test_one_with_a_continuation_on_its_way(state: State) -> None:
    lease = state.hold(expect_seq=4)
    state.leases.save_watermark(lease, cursor={"page": 2}, seq=5, has_more=True, run_id="run")
    state.leases.release(lease, continued_seq=5)
    assert state.of() == Standing(
        fencing_token=1, base_seq=4, seq=5, continued_seq=5, has_more=True, acquired_at=NOW
    )


def test_one_that_caught_up(state: State) -> None:
    lease = state.hold()
    state.leases.save_watermark(lease, cursor={"page": 2}, seq=5, has_more=False, run_id=None)
    state.leases.release(lease)
    assert state.of() == Standing(fencing_token=1, seq=5, acquired_at=NOW)


def test_one_whose_vendor_asked_for_peace(state: State) -> None:
    state.leases.release(state.hold(), not_before=UNTIL)
    assert state.of() == Standing(fencing_token=1, not_before=UNTIL, acquired_at=NOW)


def test_one_whose_lease_was_freed(state: State) -> None:
    state.hold()
    (stale,) = state.leases.stale(before=UNTIL + timedelta(seconds=1), limit=10)
    state.leases.free(stale)
    assert state.of() == Standing(fencing_token=1, acquired_at=NOW)


def test_many_at_once(state: State) -> None:
    """Past the hundred that one call takes, and a key named twice is no error."""
    keys = [StreamKey(f"client-{number}", "cars", "cars") for number in range(130)]
    for key in keys[:125]:
        state.hold(key)
    found = state.standings.of([*keys, keys[0]])
    assert found == {
        key: Standing(fencing_token=1, lease_until=UNTIL, acquired_at=NOW) for key in keys[:125]
    }
