"""The calendar of an account: slots come as early as the limits allow, and never in a window too many."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid
from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.rates import (
    Booked,
    RateLimit,
    Slot,
    Taken,
    Wanted,
    book,
    compacted,
    given_back,
    lateness_ms,
    used_in_window,
)
from tests.unit.core.calendars import START_MS, SharedLife, overfull

SECOND = timedelta(seconds=1)
TWENTY = RateLimit(20, SECOND)
SHIPBOB = RateLimit(150, timedelta(minutes=1))


def booked(
    limits: Sequence[RateLimit],
    count: int,
    *,
    taken: Sequence[Taken] = (),
    sharers: int = 1,
    pace_ms: float = 0,
    from_ms: int = START_MS,
    longest_wait_ms: int = 2000,
) -> Booked:
    wanted = Wanted(from_ms, from_ms + 16_000, count, sharers, pace_ms)
    return book(taken, limits, wanted, longest_wait_ms=longest_wait_ms)


def gaps(slots: Sequence[Slot]) -> list[int]:
    return [after.at_ms - before.at_ms for before, after in itertools.pairwise(slots)]


@pytest.mark.parametrize(
    ("rate", "requests", "seconds"), [(20, 20, 1), (0.5, 1, 2), (2.5, 2, 0.8), (1 / 15, 1, 15)]
)
def test_a_rate_may_be_a_fraction(rate: float, requests: int, seconds: float) -> None:
    """Half a request a second is one in two seconds."""
    assert RateLimit.per_second(rate) == RateLimit(requests, timedelta(seconds=seconds))


@pytest.mark.parametrize(("requests", "per"), [(0, SECOND), (1, timedelta(0))])
def test_a_limit_that_allows_nothing_is_a_wrong_setting(requests: int, per: timedelta) -> None:
    with pytest.raises(SettingInvalid, match="allows none"):
        RateLimit(requests, per)


def test_a_slowed_limit_is_rounded_down_and_never_to_nothing() -> None:
    assert TWENTY.slowed(0.7) == RateLimit(14, SECOND)
    assert RateLimit(1, SECOND).slowed(0.5) == RateLimit(1, 2 * SECOND)
    assert RateLimit(3, SECOND).slowed(0.2).per > SECOND


def test_an_idle_account_gives_at_once_what_its_limits_allow() -> None:
    """Twenty may start within a short stretch from now on; the rest follow one by one, a window later."""
    slots = booked([TWENTY], 25).slots
    assert {slot.at_ms for slot in slots[:20]} == {START_MS}
    assert slots[0].until_ms - START_MS == 250
    assert START_MS + 1035 <= slots[20].at_ms < START_MS + 1400
    assert all(51 <= gap <= 52 for gap in gaps(slots[20:]))


def test_the_scarcest_limit_decides_how_many_come_at_once() -> None:
    slots = booked([TWENTY, RateLimit(5, timedelta(minutes=1))], 20).slots
    assert len(slots) == 5


def test_one_request_at_a_time_needs_no_stretch() -> None:
    """One in fifteen seconds: the next one follows fifteen seconds and the margin later, not more."""
    limit = RateLimit(1, timedelta(seconds=15))
    first = booked([limit], 1)
    assert first.slots[0].at_ms == START_MS
    refused = booked([limit], 1, taken=first.taken)
    assert (refused.slots, refused.free_at_ms) == ((), START_MS + limit.window_ms)


def test_who_would_wait_too_long_books_nothing() -> None:
    """He hears when the first moment is free, and the calendar is as it was."""
    full = [Taken(START_MS, 0, 150)]
    answer = booked([SHIPBOB], 8, taken=full)
    assert (answer.slots, answer.taken) == ((), tuple(full))
    assert answer.free_at_ms == START_MS + 61_000


def test_no_slot_is_booked_that_nobody_would_wait_for() -> None:
    """A gap longer than may be slept ends the block."""
    ahead = [Taken(START_MS + n * 407, 0, 1) for n in range(2, 150)]
    slots = booked([SHIPBOB], 8, taken=ahead).slots
    assert len(slots) == 2


@pytest.mark.parametrize(("used", "at_once"), [(0, 8), (120, 1)])
def test_where_all_near_cells_are_taken_there_is_room_between_them(used: int, at_once: int) -> None:
    """Several at a time while much of the budget is left, and then one."""
    near = [Taken((START_MS * 150 // 61_000 + n) * 61_000 // 150) for n in range(8)]
    taken = sorted([Taken(START_MS - 5000, 0, used + 1), *near])
    slots = booked([SHIPBOB], 8, taken=taken).slots
    assert sum(slot.at_ms == START_MS for slot in slots) == at_once


def test_a_cell_is_no_place_for_two() -> None:
    cell = (START_MS * 20 // 1035 + 1) * 1035 // 20
    slots = booked([TWENTY], 3, taken=[Taken(START_MS - 900), Taken(cell)]).slots
    assert cell not in {slot.at_ms for slot in slots}


def test_slots_are_spread_among_those_who_share() -> None:
    """With eight on the account each takes every eighth cell, and leaves the others free."""
    busy = [Taken(START_MS - n * 52) for n in range(1, 20)]
    slots = booked([TWENTY], 10, taken=busy, sharers=8).slots
    assert all(413 <= gap <= 415 for gap in gaps(slots))


def test_slots_are_never_spread_wider_than_may_be_slept() -> None:
    slots = booked([SHIPBOB], 10, taken=[Taken(START_MS - 100, 0, 130)], sharers=100).slots
    assert max(gaps(slots)) <= 1900


def test_a_slow_holder_gets_slots_at_twice_his_pace_at_most() -> None:
    """What he could not use stays free for others."""
    busy = [Taken(START_MS - n * 52) for n in range(1, 20)]
    slots = booked([TWENTY], 10, taken=busy, pace_ms=800).slots
    assert min(gaps(slots)) >= 360
    assert min(gaps(booked([TWENTY], 10, pace_ms=800).slots)) >= 360


def test_a_slot_given_back_is_free_again_wherever_it_lies() -> None:
    """Also one that lies behind: no request started in it."""
    full = booked([RateLimit(4, timedelta(minutes=1))], 4)
    assert booked([RateLimit(4, timedelta(minutes=1))], 1, taken=full.taken).slots == ()
    later = START_MS + 5000
    left = given_back(full.taken, full.slots[:2])
    limit = RateLimit(4, timedelta(minutes=1))
    once = booked([limit], 1, taken=left, from_ms=later)
    twice = booked([limit], 1, taken=once.taken, from_ms=later)
    thrice = booked([limit], 1, taken=twice.taken, from_ms=later)
    assert [len(each.slots) for each in (once, twice, thrice)] == [1, 1, 0]


def test_a_slot_given_back_is_found_in_what_it_was_merged_to() -> None:
    assert given_back([Taken(100, 50, 3)], [Slot(120, 140)]) == (Taken(100, 50, 2),)
    assert given_back([Taken(100, 50, 1)], [Slot(120, 140)]) == ()
    assert given_back([Taken(100, 50, 1)], [Slot(151, 160)]) == (Taken(100, 50, 1),)


def test_a_slots_own_entry_is_taken_before_one_that_reaches_over_it() -> None:
    taken = [Taken(100, 250, 4), Taken(120)]
    assert given_back(taken, [Slot(120, 140)]) == (Taken(100, 250, 4),)


def test_what_no_window_reaches_is_forgotten() -> None:
    behind = START_MS - 2 * TWENTY.window_ms
    kept = compacted([Taken(behind), Taken(behind + 1)], [TWENTY], START_MS)
    assert kept == (Taken(behind + 1),)


def test_an_hours_past_is_kept_in_few_stretches() -> None:
    """Thousands of requests an hour are about 64 stretches, with every request still counted."""
    hour = RateLimit(5000, timedelta(hours=1))
    past = [Taken(START_MS - n * 700) for n in range(5000)]
    kept = compacted(past, [TWENTY, hour], START_MS)
    assert len(kept) <= 2 * 64 + 2
    assert sum(each.count for each in kept) == 5000
    singles = [each for each in kept if each.start_ms > START_MS - 1000]
    assert all(each.length_ms == 0 for each in singles)


def test_a_merged_past_reaches_from_its_first_request_to_its_last() -> None:
    """And counts whole in every window that touches it."""
    hour = RateLimit(3, timedelta(hours=1))
    first = START_MS - 3_600_000
    past = [Taken(first), Taken(first + 10_000), Taken(first + 20_000)]
    kept = compacted(past, [TWENTY, hour], START_MS)
    assert kept == (Taken(first, 20_000, 3),)
    free = booked([TWENTY, hour], 1, taken=kept).free_at_ms
    assert free == first + 20_000 + hour.window_ms


def test_what_lies_ahead_is_never_merged() -> None:
    hour = RateLimit(5000, timedelta(hours=1))
    ahead = tuple(Taken(START_MS + n * 100) for n in range(1, 50))
    assert compacted(ahead, [hour], START_MS) == ahead


def test_a_request_may_be_late_by_a_part_of_the_margin_only() -> None:
    """The rest of it is for the way to the vendor."""
    assert lateness_ms([TWENTY, SHIPBOB]) == 21
    assert (
        booked([TWENTY], 1, taken=[Taken(START_MS - 500, 0, 16)]).slots[0]
        == Slot(START_MS + 7, START_MS + 28)
        or lateness_ms([TWENTY]) < TWENTY.margin_ms
    )


def test_use_is_counted_as_the_vendor_may_count_it() -> None:
    taken = [Taken(START_MS - 1000), Taken(START_MS - 999), Taken(START_MS), Taken(START_MS + 1)]
    assert used_in_window(taken, TWENTY, START_MS) == 2


SOME_LIMITS = st.lists(
    st.builds(
        RateLimit,
        st.integers(1, 40),
        st.sampled_from([timedelta(seconds=s) for s in (0.2, 1, 2, 10, 60)]),
    ),
    min_size=1,
    max_size=3,
)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "wait", "give back", "die"]),
        st.integers(0, 4),
        st.integers(1, 4000),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(SOME_LIMITS, MOVES)
def test_no_window_ever_holds_more_than_a_limit_allows(
    limits: list[RateLimit], moves: list[tuple[str, int, int]]
) -> None:
    """Whoever asks, waits, gives back or dies, in whatever order."""
    life = SharedLife(AccountRules(tuple(limits)))
    for move, who, number in moves:
        holder = f"holder-{who}"
        if move == "ask":
            life.ask(holder, 1 + number % 40, 200 + number * 4, pace_ms=number % 7 * 100)
        elif move == "wait":
            life.now_ms += number
        elif move == "give back":
            life.give_back(holder, only_ahead=True)
        else:
            life.die(holder)
    assert life.overfull() == []


def test_the_oracle_sees_a_window_that_is_too_full() -> None:
    two = RateLimit(2, SECOND)
    slots = [Slot(START_MS, START_MS + 20), Slot(START_MS + 500, START_MS + 500)]
    assert overfull(slots, [two]) == []
    assert overfull([*slots, Slot(START_MS + 1019, START_MS + 1019)], [two])
    assert overfull([*slots, Slot(START_MS + 1020, START_MS + 1020)], [two]) == []
