"""Cleanup forgets old deliveries of pushes: last of all, so many at a time."""

from __future__ import annotations

from datetime import datetime

import pytest

from sluice.core.errors import DatabaseUnavailable
from sluice.usecases.clean_up import DELIVERIES_KEPT, MOST_PRUNED, CleanUp, clean_up
from tests.unit.usecases.test_clean_up import dead_holder
from tests.unit.usecases.world import World


class Pruned:
    """An inbox that notes what it is told to forget."""

    def __init__(self, world: World, *, error: Exception | None = None) -> None:
        self.asked: list[tuple[datetime, int, int]] = []
        self._world, self._error = world, error

    def prune(self, *, before: datetime, limit: int) -> int:
        self.asked.append((before, limit, len(self._world.messages.sent)))
        if self._error is not None:
            raise self._error
        return 7


def cleaned(world: World, inbox: Pruned | None) -> CleanUp:
    return clean_up(world.leases, world.commits, world.messages, world.clock, inbox=inbox)


def test_old_deliveries_are_forgotten_in_a_bounded_pass() -> None:
    world = World()
    inbox = Pruned(world)
    assert cleaned(world, inbox) == CleanUp(pruned=7)
    assert inbox.asked == [(world.clock() - DELIVERIES_KEPT, MOST_PRUNED, 0)]


def test_leases_are_freed_first() -> None:
    """What streams wait for does not wait for the inbox, not even when it does not answer."""
    world = World()
    dead_holder(world)
    world.clock.advance(minutes=5)
    inbox = Pruned(world, error=DatabaseUnavailable("away"))
    with pytest.raises(DatabaseUnavailable):
        cleaned(world, inbox)
    assert inbox.asked[0][2] == 1


def test_without_an_inbox_nothing_is_forgotten() -> None:
    assert cleaned(World(), None) == CleanUp()
