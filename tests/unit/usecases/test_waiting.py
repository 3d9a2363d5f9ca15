"""Who waits, how long, and what a message still says when it comes back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sluice.core.desk.admitting import Waiting
from sluice.core.errors import (
    AccountBusy,
    BreakerOpen,
    DatabaseUnavailable,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.slices import Claim, Lease, LeaseHeld, Outcome, Resting
from sluice.usecases.waiting import LONGEST_DELAY, MOST_ATTEMPTS
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


def test_a_tick_that_waits_never_holds_the_lease(world: World) -> None:
    """Else a continuation that comes just then would take the tick for the one at work."""
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(minutes=5))]
    world.run()
    token = world.leases.items[KEY].fencing_token
    assert world.run(asking("schedule")).outcome is Outcome.WAITING
    assert world.leases.items[KEY].fencing_token == token


def test_the_delayed_message_itself_is_not_kept_waiting(world: World) -> None:
    """``not_before`` is for ticks: the deferred message obeyed its delay already."""
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(minutes=5))]
    world.run()
    (deferred,) = world.messages.take_all()
    assert deferred.reason == "deferred"
    assert world.run(deferred).outcome is Outcome.COMMITTED


def test_a_message_that_waits_for_the_lease_comes_back_as_it_was(world: World) -> None:
    """Only ``held`` rises: what it continues, why, its attempts and the full read it asks for stay."""
    world.run()
    world.messages.take()
    hold(world, seconds=90)
    said: dict[str, Any] = {"expect_seq": 1, "attempt": 5, "full_since": START}
    world.run(asking("cleanup", held=2, priority=Priority.BACKFILL, **said))
    (sent,) = world.messages.sent
    assert sent.message == asking("cleanup", held=3, priority=Priority.BACKFILL, **said)
    assert sent.delay == timedelta(seconds=4)


@pytest.mark.parametrize(
    ("held", "seconds"), [(0, 1), (1, 2), (7, 128), (8, 256), (9, 256), (10**6, 256)]
)
def test_each_time_the_lease_is_held_the_next_look_is_twice_as_far_off(
    world: World, held: int, seconds: int
) -> None:
    """Up to 256 s, which is as long as any lease has left."""
    world.run()
    world.messages.take()
    hold(world, seconds=1000)
    world.run(asking("continuation", expect_seq=1, held=held))
    (sent,) = world.messages.sent
    assert (sent.message.held, sent.delay) == (held + 1, timedelta(seconds=seconds))


def test_waiting_for_the_lease_uses_up_no_attempt(world: World) -> None:
    """However long it had to wait, a vendor that asks for peace then defers the run, and fails it not."""
    world.run()
    (message,) = world.messages.take()
    for _ in range(MOST_ATTEMPTS + 2):
        hold(world, seconds=1000)
        assert world.run(message).outcome is Outcome.DEFERRED
        (message,) = world.messages.take_all()
    world.leases.items[KEY].give_back()
    world.vendor.script = [VendorThrottled("429")]
    assert world.run(message).outcome is Outcome.DEFERRED
    (deferred,) = world.messages.take_all()
    assert (deferred.reason, deferred.attempt, deferred.held) == ("deferred", 1, 0)


def test_a_vendor_that_refuses_is_counted_also_between_waits_for_the_lease(world: World) -> None:
    """Else a run that meets both in turn would never be given up."""
    world.run()
    (message,) = world.messages.take()
    outcomes = []
    for _ in range(MOST_ATTEMPTS + 1):
        hold(world, seconds=1000)
        world.run(message)
        (message,) = world.messages.take_all()
        world.leases.items[KEY].give_back()
        world.vendor.script = [VendorThrottled("429")]
        outcomes.append(world.run(message).outcome)
        message = next(iter(world.messages.take_all()), message)
    assert outcomes == [*[Outcome.DEFERRED] * MOST_ATTEMPTS, Outcome.RUN_FAILED]


def test_a_message_sent_back_by_its_clients_desk_has_not_tried_the_lease(world: World) -> None:
    """How often it found the lease held stays; and the report says of whom, and when it comes back."""
    world.kit().desks.admit("acme", "busy", Priority.SCHEDULE, START + timedelta(minutes=1))
    message = asking(held=2, attempt=3, priority=Priority.BACKFILL)
    report = world.run(message)
    (back,) = world.messages.sent
    assert (back.message.held, back.message.attempt) == (2, 3)
    assert (report.outcome, report.key) == (Outcome.IN_LINE, KEY)
    assert report.detail == f"comes back in {back.delay}"


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("manual", "manual"), ("redrive", "redrive"), ("push", "deferred"), ("cleanup", "deferred")],
)
def test_what_no_tick_says_again_keeps_its_reason(world: World, reason: str, kept: str) -> None:
    """A redrive that lost it would be a slice of whatever is due."""
    world.streams.refuses = AccountBusy("no slot", retry_after=timedelta(seconds=9))
    assert world.run(asking(reason)).outcome is Outcome.DEFERRED
    (sent,) = world.messages.sent
    assert (sent.message.reason, sent.delay) == (kept, timedelta(seconds=9))


def test_a_message_that_was_let_in_and_deferred_takes_a_new_turn(world: World) -> None:
    """Its turn and its ticket are used up: its client's desk called it, and it came."""
    world.vendor.script = [VendorUnavailable("503")]
    world.run(asking("manual", ticket="t", waiting=Waiting(START, 0)))
    (deferred,) = world.messages.take_all()
    assert (deferred.reason, deferred.attempt) == ("manual", 1)
    assert (deferred.ticket, deferred.waiting) == (None, None)


def test_a_lease_that_lapsed_while_it_was_refused_costs_one_second() -> None:
    """The refusal was slow: the wait is counted from now, and is never negative."""
    clock = Clock()

    class Slow(MemoryLeases):
        def acquire(self, *args: Any, **more: Any) -> Lease | LeaseHeld | Resting:
            answer = super().acquire(*args, **more)
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


@pytest.mark.parametrize("error", [AccountBusy, BreakerOpen])
def test_a_vendor_that_was_not_asked_uses_up_no_attempt(
    world: World, error: type[AccountBusy | BreakerOpen]
) -> None:
    """However long its breaker stays open, the run waits: whoever tries it is counted."""
    world.vendor.script = [error("not asked", retry_after=timedelta(seconds=60))]
    assert world.run(asking(attempt=8)).outcome is Outcome.DEFERRED
    (sent,) = world.messages.sent
    assert (sent.message.attempt, sent.delay) == (8, timedelta(seconds=60))


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


def test_a_continuation_waits_for_a_holder_that_does_nothing(world: World) -> None:
    """A redelivered message holds the lease only to find that it is a duplicate. The continuation that
    arrives just then may not take it for the one at work: the run would stand still for 20 minutes.
    """
    first = asking(expect_seq=0)
    world.run(first)
    (continuation,) = world.messages.take()
    claim, outcomes = world.commits.claim, []

    def meanwhile(key: StreamKey, fencing_token: int, **more: Any) -> Claim | None:
        world.commits.claim = claim  # type: ignore[method-assign]
        outcomes.append(world.run(continuation).outcome)
        return claim(key, fencing_token, **more)

    world.commits.claim = meanwhile  # type: ignore[method-assign]
    outcomes.append(world.run(first).outcome)
    assert outcomes == [Outcome.DEFERRED, Outcome.DUPLICATE]
    world.drain()
    assert world.in_step()


@pytest.mark.parametrize("continued", [0, 7])
def test_a_continuation_that_was_not_sent_for_this_seq_is_sent_again(
    world: World, continued: int
) -> None:
    """Never sent; or sent for a later seq, which a failover of the database undid."""
    first = asking(expect_seq=0)
    world.run(first)
    world.messages.take()
    world.leases.items[KEY].continued_seq = continued
    assert world.run(first).outcome is Outcome.DUPLICATE
    (sent,) = world.messages.sent
    assert sent.message.expect_seq == 1


def test_a_duplicate_that_took_over_a_lapsed_lease_sends_the_continuation_again(
    world: World,
) -> None:
    """Whoever had received it died with the lease, and its repeats were acknowledged meanwhile."""
    first = asking(expect_seq=0)
    world.run(first)
    world.messages.take()
    item = world.leases.items[KEY]
    item.owner, item.until = "died", world.clock() - timedelta(seconds=1)
    assert world.run(first).outcome is Outcome.DUPLICATE
    (sent,) = world.messages.sent
    assert sent.message.expect_seq == 1
    world.drain()
    assert world.in_step()


def test_a_claim_that_a_failover_lost_is_made_again(world: World) -> None:
    """Nobody overtook the worker: its message comes back instead of being acknowledged."""
    world.run()
    (continuation,) = world.messages.take()
    before = world.commits.database.backup()
    world.vendor.page_takes = lambda: world.commits.database.restore(before)
    assert world.run(continuation).outcome is Outcome.DEFERRED
    world.vendor.page_takes = lambda: None
    world.drain()
    assert world.in_step()


def test_who_was_overtaken_acknowledges(world: World) -> None:
    """The lease is another's: the newer holder does the work."""
    world.run()
    (continuation,) = world.messages.take()

    def overtaken() -> None:
        world.leases.items[KEY].fencing_token += 1
        world.commits.claim(KEY, world.leases.items[KEY].fencing_token)

    world.vendor.page_takes = overtaken
    assert world.run(continuation).outcome is Outcome.SUPERSEDED
    assert world.messages.sent == []
