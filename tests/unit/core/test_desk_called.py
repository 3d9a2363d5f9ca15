"""Whom a slot is kept for, when several wait for it and not all of them are there."""

from __future__ import annotations

from datetime import timedelta

from sluice.core.desk.admitting import DeskRules
from sluice.core.priorities import Priority
from tests.unit.core.desk_door import Door

PUSH, MANUAL, SCHEDULE, BACKFILL = Priority
SECOND = timedelta(seconds=1)


def test_who_comes_again_too_early_is_called_once() -> None:
    """Its place is one: else it would keep two slots from the others."""
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    first, second = door.refused().waiting, door.refused().waiting
    for waiting in (first, first, second):
        door.refused(waiting=waiting)
    assert [one.turn for one in door.desk.called] == [1, 2]


def test_as_many_of_a_line_are_called_as_there_are_slots() -> None:
    """The third of a line whose first is called waits on, and costs no write."""
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    first, second, third = [door.refused().waiting for _ in range(3)]
    door.refused(waiting=first)
    writes = door.writes
    door.refused(waiting=third)
    assert [one.turn for one in door.desk.called] == [1]
    assert door.writes == writes
    door.refused(waiting=second)
    assert [one.turn for one in door.desk.called] == [1, 2]


def test_a_kept_slot_goes_to_neighbours_and_not_to_who_is_further_behind() -> None:
    """Neighbours are as many turns apart as there are slots."""
    door = Door()
    first, _ = door.seat(SCHEDULE, SCHEDULE)
    waiting = [door.refused().waiting for _ in range(4)]
    door.refused(waiting=waiting[0])
    door.leave(first)
    assert not door.admits(waiting=waiting[3])
    assert door.admits(waiting=waiting[2])


def test_a_new_push_leaves_the_last_slot_to_the_schedule_for_which_it_is_kept() -> None:
    """Though the push before it has not come back yet: that one has the other slot."""
    door = Door()
    first, second, _ = door.seat(PUSH, PUSH, PUSH)
    schedule, push = door.refused(SCHEDULE).waiting, door.refused(PUSH).waiting
    door.refused(SCHEDULE, waiting=schedule)
    door.refused(PUSH, waiting=push)
    door.leave(first)
    door.leave(second)
    assert not door.admits(PUSH)
    assert door.admits(PUSH, waiting=push)
    assert not door.admits(PUSH)
    assert door.admits(SCHEDULE, waiting=schedule)


def test_two_who_waited_for_equally_long_do_not_leave_a_slot_to_each_other() -> None:
    """It would stay empty."""
    door = Door()
    door.seat(PUSH, PUSH, PUSH)
    push, request = door.refused(PUSH).waiting, door.refused(MANUAL).waiting
    door.now += door.rules.patience
    first, _, _ = door.seat(PUSH, PUSH, PUSH)
    door.refused(PUSH, waiting=push)
    door.refused(MANUAL, waiting=request)
    door.leave(first)
    assert door.admits(MANUAL, waiting=request)


def test_a_push_does_not_wait_for_schedules_however_long_they_waited() -> None:
    """Its slot is one that they cannot take. Patience makes only urgent work equal."""
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    waiting = door.refused(SCHEDULE).waiting
    door.now += door.rules.patience
    door.seat(SCHEDULE, SCHEDULE)
    door.refused(SCHEDULE, waiting=waiting)
    assert door.admits(PUSH)


def test_fresh_work_leaves_nothing_to_a_backfill_that_waited_for_a_moment() -> None:
    """Though it is called: only one that waited for long is."""
    door = Door()
    first, _ = door.seat(SCHEDULE, SCHEDULE)
    door.refused(BACKFILL, waiting=door.refused(BACKFILL).waiting)
    door.leave(first)
    assert door.desk.called
    assert door.admits(SCHEDULE)


def test_a_backfill_is_patient_for_a_quarter_of_an_hour() -> None:
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    waiting = door.refused(BACKFILL).waiting
    door.wait(minutes=14, seconds=59, milliseconds=999)
    door.seat(SCHEDULE)
    assert not door.admits(BACKFILL, waiting=waiting)
    door.wait(milliseconds=1)
    assert door.admits(BACKFILL, waiting=waiting)


def test_the_first_refused_comes_when_the_first_slot_should_be_free() -> None:
    """Of those that run, the one that began earliest."""
    door = Door()
    (owner,) = door.seat(SCHEDULE)
    door.leave(owner, 10 * SECOND)
    door.seat(SCHEDULE)
    door.wait(seconds=6)
    door.seat(SCHEDULE)
    assert door.refused().delay == 4 * SECOND


def test_more_may_be_called_than_run() -> None:
    """Backfills that leave free slots to a schedule that waits: each is called for the slice that runs."""
    door = Door(DeskRules(most_running=3))
    first, second, _ = door.seat(SCHEDULE, SCHEDULE, SCHEDULE)
    door.refused(SCHEDULE)
    backfills = [door.refused(BACKFILL).waiting for _ in range(3)]
    door.leave(first)
    door.leave(second)
    assert [door.refused(BACKFILL, waiting=each).delay for each in backfills] == [5 * SECOND] * 3


def test_the_mean_moves_by_a_fifth_of_what_a_slice_differs() -> None:
    """One slice that was slow says little of the next ones."""
    door = Door()
    for seconds in (10, 20, 2):
        (owner,) = door.seat(SCHEDULE)
        door.leave(owner, seconds * SECOND)
    assert door.desk.mean_ms == 10_000


def test_a_slice_that_took_no_time_is_learnt_as_the_shortest_there_is() -> None:
    """A clock was set back. It is a slice that left all the same."""
    door = Door()
    (owner,) = door.seat(SCHEDULE)
    door.leave(owner, -timedelta(hours=1))
    assert door.desk.mean_ms == 1
