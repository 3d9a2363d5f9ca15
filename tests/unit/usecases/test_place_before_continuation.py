"""A slice leaves its client's desk before it asks for the next: else that would find this one's place taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sluice.core.desk.admitting import Admitted
from sluice.core.priorities import Priority
from sluice.core.slices import Outcome
from sluice.messages import SliceMessage
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, World, asking, catalogue


def backfill(**more: Any) -> SliceMessage:
    """Of these one may work at a time."""
    return asking("manual", priority=Priority.BACKFILL, **more)


def continuation_lost(world: World) -> SliceMessage:
    """The slice asked for was made; its maker died before it asked for the next."""
    world.run(backfill())
    world.messages.take()
    world.leases.items[KEY].continued_seq = 0
    return backfill(expect_seq=0)


@pytest.mark.parametrize(
    ("prepare", "outcome"),
    [(lambda _: backfill(), Outcome.COMMITTED), (continuation_lost, Outcome.DUPLICATE)],
)
def test_the_place_is_free_when_the_continuation_is_sent(
    prepare: Callable[[World], SliceMessage], outcome: Outcome
) -> None:
    world = World(vendor=Vendor(catalogue(75)))
    message, ask = prepare(world), world.messages.ask_for_slice
    found: list[object] = []

    def received_at_once(*args: Any, **more: Any) -> None:
        until = world.clock() + timedelta(minutes=1)
        found.append(world.kit().desks.admit("acme", "next", Priority.BACKFILL, until))
        ask(*args, **more)

    world.messages.ask_for_slice = received_at_once  # type: ignore[method-assign]
    assert world.run(message).outcome is outcome
    assert [isinstance(answer, Admitted) for answer in found] == [True]
    (sent,) = world.messages.sent
    assert sent.message == SliceMessage.asking_for(
        KEY, reason="continuation", expect_seq=1, priority=Priority.BACKFILL
    )
