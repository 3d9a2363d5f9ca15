"""A day of events that was forgotten, or was not there, is nobody's fault."""

from __future__ import annotations

from datetime import date

from sluice.usecases.clean_up import CleanUp
from tests.unit.usecases.test_clean_up_events import Days, cleaned
from tests.unit.usecases.world import World


def test_a_pass_says_that_it_forgot_a_day_and_that_nobody_held_it() -> None:
    world, days = World(), Days(date(2024, 1, 1))
    assert [cleaned(world, days) for _ in range(2)] == [CleanUp(forgotten=1), CleanUp()]
