"""Who waits, how long, and what a message still says when it comes back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sluice.core.errors import DatabaseUnavailable, VendorThrottled, VendorUnavailable
from sluice.core.keys import StreamKey
from sluice.core.slices import Claim, Lease, LeaseHeld, Outcome
from sluice.usecases.clean_up import SILENCE
from sluice.usecases.run_slice import LONGEST_DELAY, MOST_ATTEMPTS
from tests.memory.leases import MemoryLeases
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, START, Clock, World, asking, catalogue


@pytest.fixture
def world() -> World:
    return World(vendor=Vendor(catalogue(75)))


def _gone(key: StreamKey, *, limit: int) -> list[object]:
    raise DatabaseUnavailable("gone")


def hold(world: World, seconds: float) -> None:
    """A holder that began before the slice that the next continuation continues."""
    item = world.leases.items[KEY]
    item.owner, item.until = "finishing", world.clock() + timedelta(seconds=seconds)
    item.base_seq = 0


def test_a_tick_that_waits_leaves_the_next_tick_waiting_too(world: World) -> None:
    """Giving the lease back takes ``not_before`` away unless it is said again."""
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(minutes=5))]
    world.run()
    for _ in range(3):
        assert world.run(asking("schedule")).outcome is Outcome.WAITING
    assert world.leases.items[KEY].not_before == START + timedelta(minutes=5)


def test_the_delayed_message_itself_is_not_kept_waiting(world: World) -> None:
    """``not_before`` is for ticks: the deferred message obeyed its delay already."""
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(minutes=5))]
    world.run()
    (deferred,) = world.messages.take_all()
    assert deferred.reason == "deferred"
    assert world.run(deferred).outcome is Outcome.COMMITTED


def test_a_message_that_waits_for_the_lease_comes_back_as_it_was(world: World) -> None:
    """Only its attempt rises: what it continues, why, and the full read it asks for stay."""
    world.run()
    world.messages.take()
    hold(world, seconds=90)
    world.run(asking("cleanup", expect_seq=1, attempt=2, full_since=START))
    (sent,) = world.messages.sent
    assert sent.message == asking("cleanup", expect_seq=1, attempt=3, full_since=START)
    assert sent.delay == timedelta(seconds=4)


def test_waiting_for_the_lease_never_counts_beyond_the_attempts(world: World) -> None:
    world.run()
    world.messages.take()
    hold(world, seconds=90)
    world.run(asking("continuation", expect_seq=1, attempt=MOST_ATTEMPTS))
    assert world.messages.sent[0].message.attempt == MOST_ATTEMPTS


def test_a_lease_that_lapsed_while_it_was_refused_costs_one_second() -> None:
    """The refusal was slow: the wait is counted from now, and is never negative."""
    clock = Clock()

    class Slow(MemoryLeases):
        def acquire(
            self, key: StreamKey, owner: str, *, now: datetime, until: datetime
        ) -> Lease | LeaseHeld:
            answer = super().acquire(key, owner, now=now, until=until)
            clock.advance(seconds=10)
            return answer

    world = World(clock=clock, vendor=Vendor(catalogue(75)), leases=Slow())
    world.run()
    world.messages.take()
    hold(world, seconds=5)
    world.run(asking("continuation", expect_seq=1))
    assert world.messages.sent[0].delay == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("chance", "attempt", "seconds"),
    [(0.0, 0, 1), (0.0, 7, 1), (0.25, 2, 5), (1.0, 7, 640), (1.0, 0, 5)],
)
def test_without_a_word_from_the_vendor_the_wait_is_drawn_below_a_doubling_ceiling(
    world: World, chance: float, attempt: int, seconds: float
) -> None:
    """Full jitter, but at least a second: 5 s times two to the attempt, times chance."""
    world.chance = chance
    world.vendor.script = [VendorUnavailable("503")]
    world.run(asking(attempt=attempt))
    assert world.messages.sent[0].delay == timedelta(seconds=seconds)
    assert world.leases.items[KEY].not_before == START + timedelta(seconds=seconds)


def test_a_vendor_that_wants_hours_of_peace_is_left_alone_no_longer_than_a_message_can_wait(
    world: World,
) -> None:
    """Else ticks would stay away long after the delayed message was back."""
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(hours=2))]
    world.run()
    assert world.messages.sent[0].delay == LONGEST_DELAY
    assert world.leases.items[KEY].not_before == START + LONGEST_DELAY


@pytest.mark.parametrize(("attempt", "outcome"), [(7, Outcome.DEFERRED), (8, Outcome.RUN_FAILED)])
def test_the_eighth_deferral_is_the_last(world: World, attempt: int, outcome: Outcome) -> None:
    world.vendor.script = [VendorUnavailable("503")]
    assert world.run(asking(attempt=attempt)).outcome is outcome


def test_a_deferred_message_still_continues_what_it_continued(world: World) -> None:
    """Without its ``expect_seq`` a redelivery beside it would be worked on twice."""
    world.run()
    (continuation,) = world.messages.take()
    world.vendor.script = [VendorUnavailable("503")]
    world.run(continuation)
    (deferred,) = world.messages.take_all()
    assert (deferred.reason, deferred.expect_seq) == ("deferred", 1)


def test_a_store_of_ours_that_fails_is_no_failure_of_the_run(world: World) -> None:
    """The run counts what its vendor did, and a database that is gone could not be told anyway."""
    world.run()
    (continuation,) = world.messages.take()
    world.vendor.script = [DatabaseUnavailable("gone")]
    world.run(continuation)
    (run,) = world.commits.database.runs
    assert (run.failures, run.last_error) == (0, None)


def test_a_vendor_that_fails_is_written_into_the_run_that_goes_on(world: World) -> None:
    world.run()
    (continuation,) = world.messages.take()
    world.vendor.script = [VendorUnavailable("503")]
    world.run(continuation)
    (run,) = world.commits.database.runs
    assert (run.failures, run.last_error, run.outcome) == (1, "503", "running")


@pytest.mark.parametrize("reason", ["manual", "redrive"])
def test_what_a_person_asked_for_and_the_vendor_deferred_is_still_a_persons_wish(
    world: World, reason: str
) -> None:
    """Else the first held lease that it met on its way back would drop it."""
    world.sync()
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(seconds=30))]
    world.clock.advance(hours=1)
    if reason == "redrive":
        world.commits.open_rejects = _gone  # type: ignore[assignment, method-assign]
    world.run(asking(reason, full_since=world.clock()))
    (deferred,) = world.messages.take_all()
    assert (deferred.reason, deferred.attempt) == (reason, 1)
    hold(world, seconds=90)
    assert world.run(deferred).outcome is Outcome.DEFERRED
    assert world.messages.sent[0].message.full_since == world.clock()


def test_a_run_that_is_given_up_leaves_the_vendor_alone_no_longer_than_a_message_can_wait(
    world: World,
) -> None:
    """The eighth doubling of 5 s would be longer than that."""
    world.chance = 1.0
    world.vendor.script = [VendorUnavailable("503")]
    assert world.run(asking(attempt=MOST_ATTEMPTS)).outcome is Outcome.RUN_FAILED
    assert world.leases.items[KEY].not_before == START + LONGEST_DELAY


def test_a_continuation_dropped_before_an_idle_holder_is_missed_by_cleanup(world: World) -> None:
    """A redelivered message holds the lease only to find that it is a duplicate. The continuation that
    arrives just then takes it for the one at work; the run stands still until its silence is noticed.
    """
    first = asking(expect_seq=0)
    world.run(first)
    (continuation,) = world.messages.take()
    claim, outcomes = world.commits.claim, []

    def meanwhile(key: StreamKey, fencing_token: int) -> Claim | None:
        world.commits.claim = claim  # type: ignore[method-assign]
        outcomes.append(world.run(continuation).outcome)
        return claim(key, fencing_token)

    world.commits.claim = meanwhile  # type: ignore[method-assign]
    outcomes.append(world.run(first).outcome)
    assert outcomes == [Outcome.LEASE_HELD, Outcome.DUPLICATE]
    assert world.messages.sent == []
    world.clock.at += SILENCE + timedelta(seconds=1)
    assert world.clean_up().resent == 1
    world.drain()
    assert world.in_step()
