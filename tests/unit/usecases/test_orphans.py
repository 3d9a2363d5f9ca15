"""A worker dies; its message comes again when its time is over, and goes on at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sluice.core.errors import QueueUnavailable
from sluice.core.priorities import Priority
from sluice.core.slices import Delivery, Outcome
from sluice.usecases.admission import ClientDesks
from sluice.usecases.kit import LEASE_MARGIN
from tests.memory.deliveries import MemoryDeliveries
from tests.memory.leases import StateItem
from tests.unit.usecases.world import INVOCATION, KEY, Killed, World, asking, catalogue

MESSAGE = Delivery("m1", "receipt", "slices")


@pytest.fixture
def world() -> World:
    world = World()
    world.vendor.things = catalogue(5)
    return world


def test_a_message_is_told_to_come_back_when_its_workers_time_is_over(world: World) -> None:
    """That is before the lease lapses, and well before the queue would give it out again by itself."""
    world.run(delivery=MESSAGE)
    assert world.deliveries.coming_back == {"m1": INVOCATION}
    assert world.deliveries.calls == 1


def test_it_is_told_first_of_all(world: World) -> None:
    """Who dies while it asks for the lease is followed as soon as who dies with it."""
    item = world.leases.items.setdefault(KEY, StateItem())
    item.owner, item.until = "busy", world.clock() + timedelta(seconds=80)
    assert world.run(delivery=MESSAGE).outcome is Outcome.LEASE_HELD
    assert world.deliveries.coming_back == {"m1": INVOCATION}


def desks_with_full_client(world: World) -> ClientDesks:
    """A worker's desks; the client's slots are taken for an hour."""
    until = world.clock() + timedelta(hours=1)
    for number in range(world.rules.most_running):
        other = ClientDesks(world.book, world.clock, world.rules)
        other.admit(KEY.client_id, f"busy {number}", Priority.SCHEDULE, until)
    return ClientDesks(world.book, world.clock, world.rules)


def test_it_is_told_before_the_desk_is_asked(world: World) -> None:
    """A worker may die at the desk, too."""
    kit = world.kit(desks=desks_with_full_client(world))
    assert world.run(kit=kit, delivery=MESSAGE).outcome is Outcome.IN_LINE
    assert world.deliveries.coming_back == {"m1": INVOCATION}


def test_in_a_flood_it_is_told_once_the_desk_let_it_in(world: World) -> None:
    """Who refused such a message a moment ago spares the next the call; a moment later it no longer does."""
    desks = desks_with_full_client(world)
    kit = world.kit(desks=desks)
    world.run(kit=kit)
    assert world.run(kit=kit, delivery=MESSAGE).outcome is Outcome.IN_LINE
    assert world.deliveries.coming_back == {}
    for number in range(world.rules.most_running):
        desks.leave(KEY.client_id, f"busy {number}", timedelta(seconds=1))
    called = next(sent.message for sent in world.messages.sent)
    assert world.run(called, kit, MESSAGE).outcome is Outcome.COMMITTED
    assert world.deliveries.coming_back == {"m1": INVOCATION}


def test_a_rush_ends_after_two_seconds(world: World) -> None:
    kit = world.kit(desks=desks_with_full_client(world))
    world.run(kit=kit)
    world.clock.advance(seconds=2)
    world.run(kit=kit, delivery=MESSAGE)
    assert world.deliveries.coming_back == {"m1": INVOCATION}


@pytest.mark.parametrize("reason", ["schedule", "continuation"])
def test_it_takes_over_before_the_lease_lapses(world: World, reason: str) -> None:
    """Within one lease of the death, wherever that was: the invocation's time and not a second more."""
    kit = replace(world.kit(), commits=_Dying())  # type: ignore[arg-type]
    message = asking(reason, expect_seq=0 if reason == "continuation" else None)
    with pytest.raises(Killed):
        world.run(message, kit, MESSAGE)
    lapse = world.leases.items[KEY].until
    assert lapse == world.clock() + INVOCATION + LEASE_MARGIN
    world.clock.at += world.deliveries.coming_back["m1"]
    assert world.run(message, delivery=MESSAGE).outcome is Outcome.COMMITTED
    assert world.clock() < lapse


def test_any_other_message_waits_for_the_lapse(world: World) -> None:
    with pytest.raises(Killed):
        world.run(kit=replace(world.kit(), commits=_Dying()), delivery=MESSAGE)  # type: ignore[arg-type]
    world.clock.at += INVOCATION
    other = Delivery("m2", "receipt", "slices")
    assert world.run(delivery=other).outcome is Outcome.LEASE_HELD
    world.clock.at += LEASE_MARGIN
    assert world.run(delivery=other).outcome is Outcome.COMMITTED


def test_one_whose_holder_is_not_over_by_our_clock_is_not_dropped(world: World) -> None:
    """A clock that is behind: the message was the dead worker's, and nobody else has it."""
    with pytest.raises(Killed):
        world.run(kit=replace(world.kit(), commits=_Dying()), delivery=MESSAGE)  # type: ignore[arg-type]
    world.clock.at += INVOCATION - timedelta(seconds=5)
    assert world.run(delivery=MESSAGE).outcome is Outcome.DEFERRED
    (sent,) = world.messages.sent
    assert sent.message.reason == "schedule"
    world.drain()
    assert world.in_step()


def test_a_queue_that_does_not_answer_defers_the_slice(world: World) -> None:
    """Nothing is begun that nobody would go on with."""
    kit = replace(world.kit(), deliveries=_Silent())
    assert world.run(kit=kit, delivery=MESSAGE).outcome is Outcome.DEFERRED
    assert world.leases.items == {}
    world.drain()
    assert world.in_step()


def test_a_message_acknowledged_meanwhile_is_worked_on_all_the_same(world: World) -> None:
    """A late duplicate: what it does is dropped or done by the protocol, as ever."""
    world.deliveries.gone.add("m1")
    assert world.run(delivery=MESSAGE).outcome is Outcome.COMMITTED


class _Dying:
    """The worker dies when it turns to Postgres."""

    def claim(self, *_: object, **__: object) -> None:
        raise Killed


class _Silent(MemoryDeliveries):
    def come_back(self, delivery: Delivery, *, after: timedelta) -> bool:
        raise QueueUnavailable("SQS does not answer")
