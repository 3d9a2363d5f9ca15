"""Plan: a schedule tick becomes one message per stream that is due."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.core.budget import Clock
from sluice.core.ports import Messages, Schedule

MOST_PER_TICK = 1000


@dataclass(frozen=True, slots=True)
class Planned:
    """``asked`` messages sent; ``raced`` streams that another tick advanced at the same time."""

    asked: int
    raced: int


def plan(schedule: Schedule, messages: Messages, clock: Clock) -> Planned:
    """Send first, then advance: dying in between asks twice, which the protocol drops, never not at all."""
    now = clock()
    due = schedule.due(now, limit=MOST_PER_TICK)
    messages.ask_for_slices([stream.key for stream in due], reason="schedule")
    advanced = sum(schedule.advance(stream, now) for stream in due)
    return Planned(len(due), len(due) - advanced)
