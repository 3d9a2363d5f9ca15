"""Who of a client's messages may work: limits, priorities, tickets, and what a death leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.desk.admitting import Admitted, DeskRules
from sluice.core.desk.page import Desk, page_of, read_desk
from sluice.core.priorities import Priority
from tests.unit.core.desk_door import INVOCATION, Door

PUSH, MANUAL, SCHEDULE, BACKFILL = Priority


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_client_runs_so_many_slices_and_no_more(most: int) -> None:
    door = Door(DeskRules(most_running=most))
    door.seat(*[SCHEDULE] * most)
    assert not door.admits()


def test_two_slices_run_unless_told_otherwise() -> None:
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    assert not door.admits()


def test_who_leaves_makes_room() -> None:
    door = Door()
    first, _ = door.seat(SCHEDULE, SCHEDULE)
    assert door.leave(first)
    assert door.admits()
    assert not door.admits()


def test_to_take_and_to_give_back_are_one_write_each() -> None:
    door = Door()
    (owner,) = door.seat(SCHEDULE)
    door.leave(owner)
    assert door.writes == 2


def test_the_same_owner_has_one_place_however_often_it_asks() -> None:
    """The answer to the first write was lost: the second finds the place taken by itself, and writes nothing."""
    door = Door()
    door.seat(SCHEDULE)
    assert door.ask(owner="me") == Admitted()
    writes = door.writes
    assert door.ask(owner="me") == Admitted()
    assert (len(door.desk.running), door.writes) == (2, writes)


def test_an_owner_that_comes_again_later_keeps_its_place_for_longer() -> None:
    """The same message, delivered again after its worker died."""
    door = Door()
    door.seat(SCHEDULE)
    door.ask(owner="me")
    door.wait(seconds=60)
    assert door.ask(owner="me") == Admitted()
    door.wait(seconds=60)
    assert list(door.desk.running) == ["me"]


def test_a_place_never_given_back_lapses_when_its_invocation_is_over_for_certain() -> None:
    """Its worker died. Not a moment earlier: it might be at work still."""
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    door.now += INVOCATION
    assert door.admits()
    earlier = Door()
    earlier.seat(SCHEDULE, SCHEDULE)
    earlier.now += INVOCATION
    earlier.wait(milliseconds=-1)
    assert not earlier.admits()


def test_giving_back_what_lapsed_or_never_was_changes_nothing() -> None:
    door = Door()
    (owner,) = door.seat(SCHEDULE)
    door.now += INVOCATION
    writes = door.writes
    assert not door.leave(owner)
    assert not door.leave("nobody")
    assert door.writes == writes


def test_an_empty_page_is_an_empty_desk() -> None:
    assert read_desk({}, 0) == Desk()
    assert page_of(Desk()) == {}


# --- Priorities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("priority", [PUSH, MANUAL])
def test_urgent_work_has_one_slot_more_which_schedules_cannot_take(priority: Priority) -> None:
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    assert door.admits(priority)
    assert not door.admits(priority)
    assert not door.admits(SCHEDULE)


def test_urgent_work_that_came_first_leaves_schedules_their_slots() -> None:
    """All but one of them: it may use those as well."""
    door = Door()
    door.seat(MANUAL)
    door.seat(SCHEDULE, SCHEDULE)
    busier = Door()
    busier.seat(MANUAL, PUSH, SCHEDULE)
    assert not busier.admits(SCHEDULE)


def test_urgent_work_takes_every_slot_while_nothing_else_waits() -> None:
    door = Door()
    door.seat(MANUAL, PUSH, MANUAL)
    assert not door.admits(PUSH)


def test_urgent_work_leaves_one_slot_to_a_schedule_that_was_called() -> None:
    """Else a client that is pushed to without end would never be read on schedule."""
    door = Door()
    first, _, _ = door.seat(PUSH, PUSH, PUSH)
    waiting = door.refused(SCHEDULE).waiting
    door.wait(seconds=10)
    assert not door.admits(SCHEDULE, waiting=waiting)
    door.leave(first)
    assert not door.admits(PUSH)
    assert door.admits(SCHEDULE, waiting=waiting)


def test_a_called_push_does_not_keep_that_slot_from_the_schedule() -> None:
    """It may not have it either: the slot would stay empty, for each to leave it to the other."""
    door = Door()
    first, _, _ = door.seat(PUSH, PUSH, PUSH)
    schedule, push = door.refused(SCHEDULE).waiting, door.refused(PUSH).waiting
    door.refused(SCHEDULE, waiting=schedule)
    door.refused(PUSH, waiting=push)
    door.leave(first)
    assert not door.admits(PUSH, waiting=push)
    assert door.admits(SCHEDULE, waiting=schedule)


def test_a_called_request_goes_before_a_schedule() -> None:
    door = Door()
    first, _ = door.seat(SCHEDULE, SCHEDULE)
    door.seat(MANUAL)
    waiting = door.refused(MANUAL).waiting
    door.wait(seconds=10)
    assert not door.admits(MANUAL, waiting=waiting)
    door.leave(first)
    assert not door.admits(SCHEDULE)
    assert door.admits(MANUAL, waiting=waiting)


def test_a_push_goes_before_a_request() -> None:
    door = Door()
    first, _, _ = door.seat(MANUAL, MANUAL, MANUAL)
    push, request = door.refused(PUSH).waiting, door.refused(MANUAL).waiting
    door.wait(seconds=10)
    door.refused(PUSH, waiting=push)
    door.refused(MANUAL, waiting=request)
    door.leave(first)
    assert not door.admits(MANUAL, waiting=request)
    assert door.admits(PUSH, waiting=push)


def test_a_request_that_waited_for_long_goes_before_pushes() -> None:
    """Or a stream of pushes without end would keep it out for ever."""
    door = Door()
    door.seat(PUSH, PUSH, PUSH)
    waiting = door.refused(MANUAL).waiting
    door.now += door.rules.patience
    first, _, _ = door.seat(PUSH, PUSH, PUSH)
    door.refused(MANUAL, waiting=waiting)
    door.leave(first)
    assert not door.admits(PUSH)
    assert door.admits(MANUAL, waiting=waiting)


@pytest.mark.parametrize(("most", "backfills"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_backfills_leave_one_slot_to_fresh_work(most: int, backfills: int) -> None:
    """Unless there is but one, which they take while nothing else wants it."""
    door = Door(DeskRules(most_running=most))
    door.seat(*[BACKFILL] * backfills)
    assert not door.admits(BACKFILL)
    assert most == 1 or door.admits(SCHEDULE)


def test_a_backfill_does_not_take_the_last_slot_beside_fresh_work() -> None:
    door = Door()
    door.seat(SCHEDULE)
    assert not door.admits(BACKFILL)
    assert door.admits(SCHEDULE)


def test_a_backfill_waits_while_fresh_work_does() -> None:
    """Even when a slot is free this very moment: whose turn it is has not come back yet."""
    door = Door(DeskRules(most_running=1))
    (owner,) = door.seat(SCHEDULE)
    waiting = door.refused(SCHEDULE).waiting
    door.leave(owner, timedelta(seconds=20))
    assert door.refused(BACKFILL).delay == timedelta(seconds=20)
    assert door.admits(SCHEDULE, waiting=waiting)


def test_a_backfill_that_waited_for_long_gets_the_last_slot_once() -> None:
    """One at a time, of those that fresh work would always take."""
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    waiting, other = door.refused(BACKFILL).waiting, door.refused(BACKFILL).waiting
    door.now += door.rules.patience
    door.seat(SCHEDULE)
    assert door.admits(BACKFILL, waiting=waiting)
    assert not door.admits(BACKFILL, waiting=other)


def test_a_backfill_that_waited_for_a_moment_does_not_get_the_last_slot() -> None:
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    waiting = door.refused(BACKFILL).waiting
    door.now += door.rules.patience - timedelta(minutes=1)
    door.seat(SCHEDULE)
    assert not door.admits(BACKFILL, waiting=waiting)


def test_fresh_work_leaves_a_slot_to_a_called_backfill_that_waited_for_long() -> None:
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    waiting = door.refused(BACKFILL).waiting
    door.now += door.rules.patience
    first, _ = door.seat(SCHEDULE, SCHEDULE)
    door.refused(BACKFILL, waiting=waiting)
    door.leave(first)
    assert not door.admits(SCHEDULE)
    assert door.admits(BACKFILL, waiting=waiting)


def test_of_backfills_that_waited_for_long_one_at_a_time_gets_the_last_slot() -> None:
    door = Door(DeskRules(most_running=3))
    door.seat(SCHEDULE, SCHEDULE, SCHEDULE)
    waiting, other = door.refused(BACKFILL).waiting, door.refused(BACKFILL).waiting
    door.now += door.rules.patience
    door.seat(SCHEDULE)
    assert door.admits(BACKFILL, waiting=waiting)
    assert not door.admits(BACKFILL, waiting=other)
    assert door.admits(SCHEDULE)


@pytest.mark.parametrize("minutes", [0, 15])
def test_a_slot_is_kept_for_the_backfill_that_was_called(minutes: float) -> None:
    """Also from other backfills, whether they just came or waited as long."""
    door = Door(DeskRules(most_running=1))
    door.seat(BACKFILL)
    waiting = [door.refused(BACKFILL).waiting for _ in range(5)]
    door.wait(minutes=minutes)
    door.ask(BACKFILL, owner="me")
    door.refused(BACKFILL, waiting=waiting[0])
    door.leave("me")
    for owner in list(door.desk.running):
        door.leave(owner)
    assert not door.admits(BACKFILL)
    assert not door.admits(BACKFILL, waiting=waiting[-1])
    assert door.admits(BACKFILL, waiting=waiting[0])


def test_fresh_work_leaves_no_slot_to_a_second_backfill() -> None:
    door = Door()
    door.seat(SCHEDULE, SCHEDULE)
    waiting, other = door.refused(BACKFILL).waiting, door.refused(BACKFILL).waiting
    door.now += door.rules.patience
    (first,) = door.seat(SCHEDULE)
    assert door.admits(BACKFILL, waiting=waiting)
    door.refused(BACKFILL, waiting=other)
    door.leave(first)
    assert door.admits(SCHEDULE)


# --- Tickets ---------------------------------------------------------------------------------------------


def test_ten_requests_wait_and_the_eleventh_is_refused() -> None:
    door = Door()
    assert all(door.take_ticket(f"t{number}") for number in range(10))
    writes = door.writes
    assert not door.take_ticket("t10")
    assert door.writes == writes


def test_a_ticket_taken_twice_is_one() -> None:
    """The answer was lost, and the command asks again."""
    door = Door(DeskRules(most_tickets=1))
    assert door.take_ticket("t")
    assert door.take_ticket("t")
    assert door.writes == 1


def test_a_request_no_longer_waits_once_it_is_let_in() -> None:
    """In the same write as its place."""
    door = Door(DeskRules(most_tickets=1))
    door.take_ticket("t")
    writes = door.writes
    assert door.admits(MANUAL, ticket="t")
    assert door.writes == writes + 1
    assert door.take_ticket("another")


def test_a_refused_request_waits_on() -> None:
    door = Door(DeskRules(most_tickets=1))
    door.seat(MANUAL, MANUAL, MANUAL)
    door.take_ticket("t")
    door.refused(MANUAL, ticket="t")
    assert not door.take_ticket("another")


def test_a_ticket_whose_message_got_lost_lapses_within_the_hour() -> None:
    door = Door(DeskRules(most_tickets=1))
    door.take_ticket("t")
    door.wait(minutes=59, seconds=59)
    assert not door.take_ticket("another")
    door.wait(seconds=1)
    assert door.take_ticket("another")
