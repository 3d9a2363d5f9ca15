"""Numbers that must fit each other: what is forgotten when, how much in one pass, and when a tick stops."""

from __future__ import annotations

from datetime import timedelta

from sluice.usecases.clean_up import DELIVERIES_KEPT, MOST_HISTORY, MOST_PRUNED
from sluice.usecases.plan import MARGIN
from tests.unit.usecases.dispatching import TIME

DEAD_LETTERS_LIVE_FOR = timedelta(days=14)
CLEANUP_COMES_EVERY = timedelta(minutes=5)
PASSES_A_DAY = timedelta(days=1) // CLEANUP_COMES_EVERY
A_CHUNK_TAKES = timedelta(seconds=1)


def test_a_delivery_is_known_for_as_long_as_a_message_of_it_may_come_back() -> None:
    """A dead letter that somebody sends again on its last day is no new delivery."""
    assert DELIVERIES_KEPT >= DEAD_LETTERS_LIVE_FOR


def test_what_comes_in_a_day_can_be_forgotten_in_a_day() -> None:
    """Else the inbox and the history would only grow under a flood of a million a day."""
    assert PASSES_A_DAY * min(MOST_PRUNED, MOST_HISTORY) >= 1_400_000


def test_a_chunk_that_a_tick_begins_ends_in_time_though_it_takes_many_times_as_long() -> None:
    """And most of the tick's time is still for chunks."""
    assert 5 * A_CHUNK_TAKES <= MARGIN < TIME / 2
