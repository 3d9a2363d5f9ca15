"""Numbers that must fit each other: who waits for whom, and what must be over before it is believed dead."""

from __future__ import annotations

from datetime import timedelta

from sluice.usecases.clean_up import ABANDONED, LEASE_GRACE, SILENCE, SILENCE_OF_BACKFILLS
from sluice.usecases.kit import LEASE_MARGIN, MERGE_MARGIN
from sluice.usecases.waiting import LONGEST_DELAY
from tests.unit.usecases.world import INVOCATION

LONGEST_THE_QUEUE_DELAYS = timedelta(minutes=15)
CLEANUP_COMES_EVERY = timedelta(minutes=5)
BACKFILLS_MAY_WAIT = timedelta(hours=6)
"""Then the alarm says that they do."""


def test_no_delay_is_longer_than_the_queue_can_hold_a_message() -> None:
    """SQS would refuse it; ours is that long, since a vendor may ask for hours."""
    assert LONGEST_DELAY == LONGEST_THE_QUEUE_DELAYS


def test_a_run_whose_continuation_is_only_delayed_is_not_taken_for_silent() -> None:
    """The longest delay and a whole slice after it fit into the silence, with time to spare."""
    assert LONGEST_DELAY + INVOCATION + LEASE_MARGIN < SILENCE < LONGEST_DELAY * 2


def test_a_run_is_asked_to_go_on_many_times_before_it_is_closed() -> None:
    assert ABANDONED >= 10 * (SILENCE + CLEANUP_COMES_EVERY)


def test_a_backfill_that_only_waits_is_not_taken_for_silent_and_a_lost_one_is_found_in_time() -> (
    None
):
    """Whoever is on call learns of it first; and it is asked for many times before it is closed."""
    assert SILENCE_OF_BACKFILLS >= BACKFILLS_MAY_WAIT > SILENCE
    assert ABANDONED - SILENCE_OF_BACKFILLS >= 100 * CLEANUP_COMES_EVERY


def test_a_lapsed_lease_is_left_to_its_holder_for_a_moment_and_not_for_long() -> None:
    """Clocks differ by seconds; a pass of cleanup may not be missed for it."""
    assert timedelta(seconds=10) <= LEASE_GRACE < CLEANUP_COMES_EVERY


def test_a_slice_keeps_time_for_its_merge_and_its_lease_outlives_it() -> None:
    """The lease must still be held while what is read is merged, even when that takes all its time."""
    assert timedelta(seconds=10) <= MERGE_MARGIN <= INVOCATION / 2
    assert MERGE_MARGIN <= LEASE_MARGIN <= 2 * MERGE_MARGIN
