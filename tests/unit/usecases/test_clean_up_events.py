"""Cleanup drops one old day of events a pass, and leaves it for the next when somebody reads there."""

from __future__ import annotations

from datetime import date

import pytest

from sluice.core.errors import DatabaseUnavailable, InvariantBroken
from sluice.usecases.clean_up import EVENTS_KEPT, CleanUp, clean_up
from tests.unit.usecases.test_clean_up_inbox import Pruned
from tests.unit.usecases.world import World


class Days:
    """Stored days, oldest first; the last pass asked for those before ``asked``."""

    def __init__(self, *days: date, error: Exception | None = None) -> None:
        self.days, self.error = list(days), error
        self.asked: list[date] = []

    def forget(self, *, before: date) -> date | None:
        self.asked.append(before)
        if self.error is not None:
            raise self.error
        return self.days.pop(0) if self.days else None


def cleaned(world: World, days: Days, inbox: Pruned | None = None) -> CleanUp:
    return clean_up(
        world.leases, world.commits, world.messages, world.clock, inbox=inbox, events=days
    )


def test_one_day_a_pass_is_forgotten_while_there_is_one() -> None:
    world, days = World(), Days(date(2024, 1, 1), date(2024, 1, 2))
    assert [cleaned(world, days).forgotten for _ in range(3)] == [1, 1, 0]
    assert set(days.asked) == {(world.clock() - EVENTS_KEPT).date()}


def test_a_day_that_somebody_reads_is_held_and_no_failure() -> None:
    """The inbox was pruned before: nothing waits for events."""
    world, days = World(), Days(error=DatabaseUnavailable("lock timeout"))
    assert cleaned(world, days, Pruned(world)) == CleanUp(pruned=7, held=1)


def test_a_bound_that_the_database_refuses_is_a_bug_and_is_told() -> None:
    with pytest.raises(InvariantBroken):
        cleaned(World(), Days(error=InvariantBroken("within 100 days")))


def test_events_are_kept_for_longer_than_any_read_reaches_back() -> None:
    assert EVENTS_KEPT.days > 100
