"""Cleanup forgets old history: last of all, so much at a time, and as old as the deployment says."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sluice.core.errors import DatabaseUnavailable
from sluice.core.history import HISTORY_KEPT, Forgotten
from sluice.usecases.clean_up import DELIVERIES_KEPT, MOST_HISTORY, CleanUp, clean_up
from tests.unit.usecases.test_clean_up_events import Days
from tests.unit.usecases.test_clean_up_inbox import Pruned
from tests.unit.usecases.world import World


class Past:
    """A history that notes what it is told to forget."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.asked: list[tuple[datetime, int]] = []
        self._error = error

    def forget(self, *, before: datetime, limit: int) -> Forgotten:
        self.asked.append((before, limit))
        if self._error is not None:
            raise self._error
        return Forgotten(runs=1, slices=20, rejects=300)


def cleaned(world: World, past: Past, **more: object) -> CleanUp:
    ports = (world.leases, world.commits, world.messages, world.clock)
    return clean_up(*ports, history=past, **more)  # type: ignore[arg-type]


def test_old_history_is_forgotten_in_a_bounded_pass() -> None:
    world, past = World(), Past()
    assert cleaned(world, past) == CleanUp(old_runs=1, old_slices=20, old_rejects=300)
    assert past.asked == [(world.clock() - HISTORY_KEPT, MOST_HISTORY)]


def test_a_deployment_says_for_how_long_it_is_kept() -> None:
    world, past = World(), Past()
    cleaned(world, past, history_kept=timedelta(days=7))
    assert past.asked == [(world.clock() - timedelta(days=7), MOST_HISTORY)]


def test_everything_else_comes_first() -> None:
    """A history that cannot be forgotten is told, and keeps nobody from anything."""
    world = World()
    inbox, days = Pruned(world), Days()
    with pytest.raises(DatabaseUnavailable):
        cleaned(world, Past(error=DatabaseUnavailable("too slow")), inbox=inbox, events=days)
    assert len(inbox.asked) == len(days.asked) == 1


def test_history_is_kept_for_longer_than_any_look_up_reaches_back() -> None:
    """A lost answer to COMMIT is looked up within a slice's minute, dead letters live for 14 days."""
    assert HISTORY_KEPT > DELIVERIES_KEPT
