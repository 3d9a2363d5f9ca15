"""Where slots are booked, to the millisecond: at once, on the grid's cells, between them; and what is kept of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest

from sluice.core.limits.rates import (
    Booked,
    RateLimit,
    Slot,
    Taken,
    Wanted,
    book,
    compacted,
    densest,
    given_back,
)
from tests.unit.core.calendars import START_MS

SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
TWENTY = RateLimit(20, SECOND)
"""Planned with a window of 1,035 ms, in cells of 51.75 ms; a request may be 21 ms late."""

THOUSAND = RateLimit(1000, SECOND)
"""In 40 cells of 25.875 ms, each of 25 requests."""

CELL = -(-START_MS * 20 // 1035)
"""The first of twenty's cells at or after the start."""

CELL_MS = CELL * 1035 // 20
OFF_GRID_MS = CELL_MS - 20
BUSY = tuple(Taken(START_MS - n * 52) for n in range(19, 0, -1))


def booked(limits: Sequence[RateLimit], count: int, **more: float) -> Booked:
    wanted = {"from_ms": START_MS, "until_ms": START_MS + 16_000, "count": count, **more}
    longest_wait_ms = wanted.pop("longest_wait_ms", 2000)
    taken = wanted.pop("taken", ())
    return book(taken, limits, Wanted(**wanted), longest_wait_ms=int(longest_wait_ms))  # type: ignore[arg-type]


def moments(answer: Booked) -> list[int]:
    return [slot.at_ms - START_MS for slot in answer.slots]


# --- Limits ----------------------------------------------------------------------------------------------


def test_the_shortest_limit_is_of_a_millisecond() -> None:
    """Its margin is one, too: no window is planned without one."""
    shortest = RateLimit(1, MILLISECOND)
    assert (shortest.per_ms, shortest.margin_ms, shortest.window_ms) == (1, 1, 2)
    assert RateLimit(1, MILLISECOND * 1.5).per_ms == 2


@pytest.mark.parametrize(
    ("requests", "cells"),
    [
        (1, 1),
        (200, 200),
        (201, 40),
        (217, 36),
        (231, 33),
        (253, 36),
        (256, 64),
        (305, 61),
        (325, 36),
        (1000, 40),
    ],
)
def test_a_window_of_very_many_requests_has_as_many_cells_as_share_them_out_best(
    requests: int, cells: int
) -> None:
    """33 to 64 of them; up to 200 requests have a cell each."""
    assert RateLimit(requests, SECOND).cells == cells


def test_no_more_cells_than_milliseconds() -> None:
    """A hundred in ten: cells of ten requests each."""
    assert RateLimit(100, 10 * MILLISECOND).cells == 10
    assert RateLimit(11, 10 * MILLISECOND).cells == 11


def test_the_densest_limit_is_the_one_of_the_shortest_distance() -> None:
    """A hundred in two seconds are closer to each other than one in a second."""
    hundred = RateLimit(100, 2 * SECOND)
    assert densest([RateLimit(1, SECOND), hundred]) == hundred


# --- At once ---------------------------------------------------------------------------------------------


def test_what_comes_at_once_is_booked_as_one_stretch() -> None:
    """A quarter of the shortest limit, a second at the most."""
    answer = booked([TWENTY], 20)
    assert answer == Booked((Slot(START_MS, START_MS + 250),) * 20, (Taken(START_MS, 250, 20),), 0)
    slow = booked([RateLimit(100, 10 * SECOND)], 5)
    assert slow.taken == (Taken(START_MS, 1000, 5),)


@pytest.mark.parametrize(("ago_ms", "at_once"), [(2070, True), (2069, False)])
def test_an_account_is_idle_after_two_windows(ago_ms: int, at_once: bool) -> None:
    answer = booked([TWENTY], 4, taken=(Taken(START_MS - ago_ms),))
    assert (len(set(moments(answer))) == 1) is at_once


@pytest.mark.parametrize(("until_ms", "at_once"), [(250, True), (249, False)])
def test_nothing_comes_at_once_that_reaches_beyond_the_askers_time(
    until_ms: int, at_once: bool
) -> None:
    answer = booked([TWENTY], 4, until_ms=START_MS + until_ms)
    assert (len(set(moments(answer))) == 1) is at_once
    assert len(answer.slots) == 4


def test_who_must_keep_apart_gets_nothing_at_once() -> None:
    gaps = [b - a for a, b in itertools.pairwise(moments(booked([TWENTY], 5, apart_ms=104)))]
    assert min(gaps) >= 154  # whole cells: three of them are the first that reach so far


def test_a_slow_holder_gets_at_once_what_he_can_use_and_then_his_share() -> None:
    """Twice as many as he makes of 100 ms each in 250 ms; the next comes eight cells after the start."""
    answer = booked([TWENTY], 8, pace_ms=100, sharers=8)
    assert moments(answer)[:5] == [0] * 5
    assert moments(answer)[5] == (CELL + 8) * 1035 // 20 - START_MS


def test_who_is_too_slow_for_two_at_once_gets_single_slots() -> None:
    answer = booked([TWENTY], 2, pace_ms=300)
    assert moments(answer)[0] == CELL_MS - START_MS
    assert len(set(moments(answer))) == 2


def test_two_come_at_once_as_well() -> None:
    """Where a longer limit has no more of them left: what was used an hour ago counts until it is over."""
    hour = RateLimit(10, timedelta(hours=1))
    past = (Taken(START_MS - hour.window_ms + 100, 0, 8),)
    assert Taken(START_MS, 250, 2) in booked([TWENTY, hour], 5, taken=past).taken


def test_a_limit_of_more_requests_than_milliseconds_gives_all_of_them() -> None:
    answer = booked([RateLimit(100, 10 * MILLISECOND)], 100)
    assert moments(answer) == [0] * 100


@pytest.mark.parametrize(("longest_wait_ms", "slots"), [(0, 5), (-1, 0)])
def test_what_may_be_waited_for_decides_also_of_this_moment(
    longest_wait_ms: int, slots: int
) -> None:
    """Less than nothing is a hold that lasts for longer than may be slept."""
    answer = booked([TWENTY], 5, longest_wait_ms=longest_wait_ms)
    assert [slot.until_ms for slot in answer.slots] == [START_MS + 250] * slots
    assert answer.free_at_ms == (0 if slots else START_MS)


def test_what_is_not_said_of_a_wish_is_one_holder_in_no_hurry() -> None:
    wanted = Wanted(1, 2, 3)
    assert (wanted.sharers, wanted.pace_ms, wanted.apart_ms) == (1, 0, 0)


def test_after_what_came_at_once_the_next_is_a_cell_away() -> None:
    """Of 300 an hour, a cell is 72 s and takes six: none of them comes with the first two."""
    limit = RateLimit(300, timedelta(hours=1))
    cell_ms = -(-START_MS * limit.cells // limit.window_ms) * limit.window_ms // limit.cells
    assert len(booked([limit], 8, from_ms=cell_ms, until_ms=cell_ms + 9000, pace_ms=800).slots) == 2


# --- On the grid -----------------------------------------------------------------------------------------


def test_single_slots_lie_on_cells_from_the_first_one_on() -> None:
    """As many as were asked for, however long that takes; each is in the calendar."""
    answer = booked([TWENTY], 100, taken=BUSY, sharers=2)
    expected = [(CELL + 2 * n) * 1035 // 20 for n in range(100)]
    assert [slot.at_ms for slot in answer.slots] == expected
    assert answer.slots[0] == Slot(CELL_MS, CELL_MS + 21)
    assert set(answer.taken) == {*BUSY, *(Taken(at) for at in expected)}
    assert answer.free_at_ms == 0


@pytest.mark.parametrize(("until_ms", "count"), [(CELL_MS, 1), (CELL_MS - 1, 0)])
def test_the_last_slot_may_lie_at_the_end_of_the_askers_time(until_ms: int, count: int) -> None:
    answer = booked([TWENTY], 1, taken=BUSY, from_ms=OFF_GRID_MS, until_ms=until_ms)
    on_grid = [slot for slot in answer.slots if slot.at_ms == CELL_MS]
    assert len(on_grid) == count


def test_a_cell_that_is_just_within_reach_is_booked_as_a_cell() -> None:
    """All the limit is free again in that moment, and still only one of it is taken there."""
    full = (Taken(CELL_MS - 1035, 0, 20),)
    answer = booked([TWENTY], 4, taken=full, from_ms=CELL_MS - 500, longest_wait_ms=500)
    assert len({slot.at_ms for slot in answer.slots}) == 4
    assert answer.slots[0].at_ms == CELL_MS


def test_a_cell_of_many_is_filled_up_and_the_rest_goes_to_the_next() -> None:
    cell = -(-START_MS * 40 // 1035)
    at, following = cell * 1035 // 40, (cell + 1) * 1035 // 40
    before = (Taken(START_MS - 800), Taken(at, 0, 21))
    answer = booked([THOUSAND], 10, taken=before)
    assert [slot.at_ms for slot in answer.slots] == [at] * 4 + [following] * 6
    assert Taken(at, 0, 4) in answer.taken
    assert Taken(following, 0, 6) in answer.taken


@pytest.mark.parametrize(("count", "slots"), [(24, 24), (25, 25), (26, 50), (50, 50), (51, 75)])
def test_who_wants_more_than_a_cell_gets_whole_cells(count: int, slots: int) -> None:
    """Nobody else would use what is left of one."""
    assert len(booked([THOUSAND], count, taken=(Taken(START_MS - 800),)).slots) == slots


def test_slots_of_one_holder_are_apart_by_whole_cells() -> None:
    def apart(**more: float) -> int:
        return moments(booked([TWENTY], 2, taken=BUSY, **more))[1] - (CELL_MS - START_MS)

    assert apart() in (51, 52)
    assert apart(sharers=3) in (155, 156)
    assert apart(pace_ms=207) in (103, 104)  # twice as fast as he is
    assert apart(apart_ms=103) in (103, 104)
    assert apart(apart_ms=104) in (155, 156)
    assert apart(apart_ms=207) == 207
    assert apart(sharers=100) in (1862, 1863)
    assert apart(apart_ms=5000) in (1914, 1915)


def test_a_cell_that_is_taken_is_passed_over_and_the_next_one_is_not() -> None:
    answer = booked([TWENTY], 1, taken=(*BUSY, Taken(CELL_MS)))
    assert answer.slots[0].at_ms == (CELL + 1) * 1035 // 20


def test_a_stretch_takes_no_cell() -> None:
    """Those who may use it start anywhere in it; where the limits have room the cell is free."""
    answer = booked([TWENTY], 1, taken=(Taken(CELL_MS, 250, 4),), from_ms=OFF_GRID_MS)
    assert answer.slots[0].at_ms == CELL_MS


def test_a_cell_takes_no_more_than_the_scarcest_limit_has_left() -> None:
    scarce = RateLimit(10, timedelta(minutes=1))
    answer = booked([THOUSAND, scarce], 30, taken=(Taken(START_MS - 800),))
    assert len(answer.slots) == 9


def test_where_more_was_booked_than_allowed_nothing_is_until_that_is_over() -> None:
    """Limits are lowered by a 429 or by a deployment while slots are out."""
    answer = booked([TWENTY], 1, taken=(Taken(START_MS - 100, 0, 25),))
    assert START_MS + 935 <= answer.slots[0].at_ms <= START_MS + 935 + 52
    assert answer.taken == (Taken(START_MS - 100, 0, 25), Taken(answer.slots[0].at_ms))


# --- Between cells ---------------------------------------------------------------------------------------


def between(used: int, count: int = 10, **more: float) -> Booked:
    """Off the grid, with no time to wait for a cell."""
    past = (Taken(OFF_GRID_MS - 500, 0, used),)
    return booked([TWENTY], count, taken=past, from_ms=OFF_GRID_MS, longest_wait_ms=0, **more)


def at_once(answer: Booked) -> int:
    return sum(slot.at_ms == OFF_GRID_MS for slot in answer.slots)


def test_between_cells_slots_are_like_those_on_them() -> None:
    answer = between(4, 3)
    assert answer.slots == (Slot(OFF_GRID_MS, OFF_GRID_MS + 21),) * 3
    assert answer.taken == (Taken(OFF_GRID_MS - 500, 0, 4), Taken(OFF_GRID_MS, 0, 3))


def test_after_those_between_cells_the_next_lies_on_one() -> None:
    cells = [(CELL + n) * 1035 // 20 for n in range(3)]
    taken = (Taken(OFF_GRID_MS - 500, 0, 15), Taken(cells[0]))
    answer = booked([TWENTY], 3, taken=taken, from_ms=OFF_GRID_MS, pace_ms=40, longest_wait_ms=60)
    assert [slot.at_ms for slot in answer.slots] == [OFF_GRID_MS, cells[1], cells[2]]


def test_a_window_is_over_to_the_millisecond() -> None:
    over = booked(
        [TWENTY],
        1,
        taken=(Taken(OFF_GRID_MS - 1035, 0, 20),),
        from_ms=OFF_GRID_MS,
        longest_wait_ms=0,
    )
    assert over.slots[0].at_ms == OFF_GRID_MS
    full = booked(
        [TWENTY],
        1,
        taken=(Taken(OFF_GRID_MS - 1034, 0, 20),),
        from_ms=OFF_GRID_MS,
        longest_wait_ms=0,
    )
    assert (full.slots, full.free_at_ms) == ((), OFF_GRID_MS + 1)


@pytest.mark.parametrize(("used", "expected"), [(15, 5), (16, 1), (19, 1)])
def test_several_are_booked_there_while_a_quarter_of_the_limit_is_free(
    used: int, expected: int
) -> None:
    assert at_once(between(used)) == expected


@pytest.mark.parametrize(("pace_ms", "expected"), [(0, 10), (10, 4), (20, 2), (50, 1)])
def test_and_as_many_as_the_holder_can_start_in_time(pace_ms: float, expected: int) -> None:
    """Twice as many as he makes in the 21 ms of such a slot; one always."""
    assert at_once(between(2, pace_ms=pace_ms)) == expected


def test_and_one_where_he_must_keep_apart() -> None:
    assert at_once(between(2, apart_ms=10)) == 1


# --- What is given back, and what is kept ----------------------------------------------------------------


def test_what_is_given_back_is_one_slot_and_no_more() -> None:
    taken = [Taken(100), Taken(150, 0, 2), Taken(200)]
    assert given_back(taken, [Slot(100, 121)]) == (Taken(150, 0, 2), Taken(200))
    assert given_back(taken, [Slot(150, 171)]) == (Taken(100), Taken(150), Taken(200))


def test_what_a_short_limit_needs_is_kept_singly() -> None:
    """A millisecond apart is apart; only what lies in the same moment is one entry, once it is past."""
    past = [Taken(START_MS - n) for n in (3, 2, 1, 1)]
    assert compacted(past, [TWENTY], START_MS) == (*past[:2], Taken(START_MS - 1, 0, 2))
    now = [Taken(START_MS), Taken(START_MS)]
    assert compacted(now, [TWENTY], START_MS) == tuple(now)


@pytest.mark.parametrize(("requests", "entries"), [(200, 3), (201, 1)])
def test_of_a_limit_of_very_many_requests_also_its_own_window_is_merged(
    requests: int, entries: int
) -> None:
    """To 64ths of it: 16 ms of a second."""
    past = [Taken(START_MS - n) for n in (100, 92, 84)]
    assert len(compacted(past, [RateLimit(requests, SECOND)], START_MS)) == entries


def test_stretches_are_no_longer_than_a_64th_of_the_window() -> None:
    hour = RateLimit(5000, timedelta(hours=1))
    kept = compacted([Taken(START_MS - n * 700) for n in range(5000)], [TWENTY, hour], START_MS)
    assert max(each.length_ms for each in kept) <= hour.window_ms // 64
    assert 60 < len(kept) < 130


def test_a_stretch_that_is_longer_takes_nothing_in() -> None:
    """Many booked at once and one that lies within: together they would count for longer than either does."""
    past = (Taken(START_MS - 900), Taken(START_MS - 500, 250, 600), Taken(START_MS - 490))
    assert compacted(past, [THOUSAND], START_MS) == past


def test_what_only_shows_that_the_account_is_not_idle_is_kept_for_two_windows_of_the_shortest() -> (
    None
):
    """What a longer limit needs, until its own is over."""
    old = [Taken(START_MS - 2070), Taken(START_MS - 2069)]
    assert compacted(old, [TWENTY], START_MS) == (old[1],)
    both = [TWENTY, RateLimit(150, 60 * SECOND)]
    old = [Taken(START_MS - 61_000), Taken(START_MS - 60_999)]
    assert compacted(old, both, START_MS) == (old[1],)
    alike = [TWENTY, RateLimit(30, 1.5 * SECOND)]
    old = [Taken(START_MS - 2070), Taken(START_MS - 2069)]
    assert compacted(old, alike, START_MS) == (old[1],)
