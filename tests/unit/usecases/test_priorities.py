"""A run keeps its priority through all that its messages go through."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sluice.core.desk.admitting import DeskRules, Waiting
from sluice.core.errors import StateUnavailable
from sluice.core.priorities import Priority
from sluice.core.slices import Outcome
from sluice.usecases.admission import ClientDesks
from tests.memory.book import MemoryBook
from tests.unit.usecases.world import KEY, Killed, World, asking, catalogue

BACKFILL = asking("manual", priority=Priority.BACKFILL)


@pytest.fixture
def world() -> World:
    world = World()
    world.vendor.things = catalogue(50)
    return world


def sent(world: World) -> list[tuple[str, str]]:
    return [(each.message.reason, each.message.priority) for each in world.messages.sent]


def test_continuations_are_what_the_first_message_was(world: World) -> None:
    assert world.run(BACKFILL).outcome is Outcome.COMMITTED
    assert sent(world) == [("continuation", "backfill")]


def test_a_tick_that_takes_up_a_waiting_backfill_leaves_the_rest_a_backfill(world: World) -> None:
    world.run(BACKFILL)
    world.messages.take_all()
    assert world.run(asking("schedule")).outcome is Outcome.COMMITTED
    assert sent(world) == [("continuation", "backfill")]


def test_fresh_work_stays_fresh(world: World) -> None:
    world.run(asking("schedule"))
    world.messages.take_all()
    world.run(asking("manual", priority=Priority.MANUAL))
    assert sent(world) == [("continuation", "manual")]


def test_a_deferred_slice_stays_what_it_was(world: World) -> None:
    kit = replace(world.kit(), desks=ClientDesks(_Away(), world.clock))
    assert world.run(BACKFILL, kit).outcome is Outcome.DEFERRED
    assert sent(world) == [("manual", "backfill")]


def test_one_sent_back_by_its_clients_desk_keeps_priority_ticket_and_turn(world: World) -> None:
    """And comes back without having used up an attempt."""
    desks = ClientDesks(world.book, world.clock, DeskRules(most_running=1))
    until = world.clock() + timedelta(seconds=60)
    desks.admit("acme", "busy", Priority.SCHEDULE, until)
    message = asking("manual", priority=Priority.BACKFILL, ticket="t1", attempt=2)
    assert world.run(message, replace(world.kit(), desks=desks)).outcome is Outcome.IN_LINE
    (back,) = world.messages.sent
    assert (back.message.priority, back.message.ticket, back.message.attempt) == (
        "backfill",
        "t1",
        2,
    )
    assert back.message.waiting is not None
    assert back.delay >= timedelta(seconds=1)


def test_one_sent_back_again_has_waited_since_it_was_sent_back_first(world: World) -> None:
    """The desk is told what it said before: else whoever waits is always the newest in line."""
    desks = ClientDesks(world.book, world.clock, DeskRules(most_running=1))
    desks.admit("acme", "busy", Priority.SCHEDULE, world.clock() + timedelta(minutes=5))
    kit = replace(world.kit(), desks=desks)
    world.run(asking("schedule"), kit)
    (first,) = world.messages.take_all()
    world.clock.advance(seconds=20)
    assert world.run(first, kit).outcome is Outcome.IN_LINE
    (again,) = world.messages.sent
    assert first.waiting is not None
    assert again.message.waiting == first.waiting


def test_one_that_is_let_in_gives_its_ticket_up(world: World) -> None:
    """Else a client's requests would be refused once ten of them were served."""
    desks = ClientDesks(world.book, world.clock, DeskRules(most_tickets=1))
    assert desks.take_ticket("acme", "t1")
    world.run(asking("manual", ticket="t1"), replace(world.kit(), desks=desks))
    assert desks.take_ticket("acme", "t2")


def test_one_that_the_desk_could_not_answer_keeps_its_turn(world: World) -> None:
    message = asking(waiting=Waiting(world.clock(), 3), ticket="t1")
    kit = replace(world.kit(), desks=ClientDesks(_Away(), world.clock))
    assert world.run(message, kit).outcome is Outcome.DEFERRED
    (back,) = world.messages.sent
    assert (back.message.turn, back.message.ticket) == (3, "t1")


def test_a_dead_backfill_is_asked_for_again_as_a_backfill(world: World) -> None:
    """By cleanup, which knows its message from the lease alone."""
    with pytest.raises(Killed):
        world.run(BACKFILL, replace(world.kit(), commits=_Dying()))  # type: ignore[arg-type]
    assert world.leases.items[KEY].owner is not None
    world.clock.advance(minutes=5)
    assert world.clean_up().freed == 1
    assert sent(world) == [("cleanup", "backfill")]


class _Away(MemoryBook):
    def revise(self, subject: str, revision: object) -> object:  # type: ignore[override]
        raise StateUnavailable("the table does not answer")


class _Dying:
    def claim(self, *_: object, **__: object) -> None:
        raise Killed
