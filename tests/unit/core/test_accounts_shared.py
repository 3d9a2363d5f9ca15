"""How holders share an account: who counts as one, whose turn it is, how far a block reaches, and what a 429,
a wrong clock or a stranger's use does to it."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from sluice.core.limits.accounts import AccountPage, AccountRules, Ask, Grant, VendorSays
from sluice.core.limits.rates import RateLimit, Slot, Taken
from tests.unit.core.calendars import START_MS

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TWENTY = RateLimit(20, SECOND)
RULES = AccountRules((TWENTY,))
ONE = AccountRules((RateLimit(1, SECOND),))
"""Cells of 1,035 ms: two holders do not fit within what may be slept."""

SLOWER = AccountRules((RateLimit(1, timedelta(milliseconds=918)),))
"""Cells of 950 ms: two holders just fit."""


def ask(
    holder: str = "me", count: int = 4, *, until_ms: int = START_MS + 10_000, **more: object
) -> Ask:
    return Ask(holder, START_MS, until_ms, count, **more)  # type: ignore[arg-type]


def gaps(slots: tuple[Slot, ...]) -> list[int]:
    return [after.at_ms - before.at_ms for before, after in itertools.pairwise(slots)]


# --- Who counts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("until_ms", "alone"), [(START_MS, True), (START_MS + 1, False)])
def test_a_holder_counts_until_his_time_is_over(until_ms: int, alone: bool) -> None:
    """Only who is alone may use all there is without asking again; what is over is not carried along."""
    grant, page = AccountPage(holders={"other": until_ms}).granted(ask(), RULES)
    assert grant.alone is alone
    assert ("other" in page.holders) is not alone
    assert "me" in page.holders


def test_who_asks_again_is_alone_still() -> None:
    _, page = AccountPage().granted(ask(), RULES)
    assert page.granted(ask(), RULES)[0].alone


def test_a_holder_counts_for_two_seconds_after_his_last_slot() -> None:
    grant, page = AccountPage().granted(ask(count=1), RULES)
    assert page.holders == {"me": grant.slots[-1].until_ms + 2000}


def test_who_leaves_is_forgotten_and_nobody_else() -> None:
    page = AccountPage(
        holders={"me": START_MS + 500, "other": START_MS + 700},
        waiting={"me": START_MS + 600, "other": START_MS + 800},
        seats={"me": (1, START_MS + 900), "other": (2, START_MS + 900)},
    )
    left = page.left(ask(), RULES)
    assert left.holders == {"other": START_MS + 700}
    assert left.waiting == {"other": START_MS + 800}
    assert left.seats == {"other": (2, START_MS + 900)}
    assert left.at_ms == START_MS


# --- Seats and slots -------------------------------------------------------------------------------------


def test_who_gets_a_seat_gets_slots_as_well() -> None:
    both = AccountRules((TWENTY,), concurrent=2)
    grant, _ = AccountPage().granted(ask(seats=1, seats_until_ms=START_MS + 100), both)
    assert (grant.seats, len(grant.slots)) == (1, 4)


def test_without_a_seat_there_are_no_slots_and_the_page_is_kept_up_all_the_same() -> None:
    both = AccountRules((TWENTY,), concurrent=1)
    page = AccountPage(holders={"gone": START_MS}, seats={"other": (1, START_MS + 100)})
    grant, refused = page.granted(ask(seats=1, seats_until_ms=START_MS + 100), both)
    assert (grant.seats, grant.slots, grant.wait_ms) == (0, (), 2000)
    assert (refused.at_ms, refused.holders) == (START_MS, {})
    assert refused.seats == {"other": (1, START_MS + 100)}


def test_where_nothing_is_counted_nobody_has_a_seat() -> None:
    grant, page = AccountPage().granted(ask(seats=3, seats_until_ms=START_MS + 100), RULES)
    assert (grant.seats, page.seats) == (0, {})


def test_seats_that_were_given_out_under_looser_rules_are_no_debt() -> None:
    """Of three while only two are allowed now: none is free, and none is owed."""
    page = AccountPage(seats={"other": (3, START_MS + 100)})
    grant, _ = page.granted(ask(seats=1), AccountRules(concurrent=2))
    assert grant.seats == 0


def test_without_limits_or_a_wish_for_slots_none_are_booked() -> None:
    for rules, count in [(AccountRules(), 4), (RULES, 0)]:
        grant, page = AccountPage().granted(ask(count=count), rules)
        assert (grant.slots, grant.wait_ms) == ((), 0)
        assert (page.taken, page.waiting, page.holders) == ((), {}, {})


# --- Turns -----------------------------------------------------------------------------------------------


def test_a_block_of_one_who_is_alone_lasts_for_forty_slots() -> None:
    """A newcomer has to wait for its end."""
    grant, _ = AccountPage().granted(ask(count=64, until_ms=START_MS + 10**6), ONE)
    assert len(grant.slots) == 40
    assert gaps(tuple(grant.slots)) == [1035] * 39


def test_a_block_reaches_at_least_as_far_as_may_be_slept() -> None:
    """Forty slots of twenty a second would be over in as little."""
    grant, _ = AccountPage().granted(
        ask(count=640, until_ms=START_MS + 10**6), AccountRules((RateLimit(40, SECOND),))
    )
    assert START_MS + 1950 <= grant.slots[-1].at_ms <= START_MS + 2000


@pytest.mark.parametrize(
    ("rules", "waiting", "reaches_ms"),
    [
        (ONE, {"third": START_MS - 3000}, 5000),
        (ONE, {}, 82_800),
        (SLOWER, {"third": START_MS - 3000}, 76_000),
    ],
)
def test_where_more_share_than_fit_a_block_is_short_while_somebody_waits(
    rules: AccountRules, waiting: dict[str, int], reaches_ms: int
) -> None:
    """Five seconds; else forty rounds. Two of 950 ms just fit within 1,900."""
    page = AccountPage(holders={"other": START_MS + 10**6}, waiting=waiting)
    grant, _ = page.granted(ask(count=640, until_ms=START_MS + 10**6), rules)
    last = grant.slots[-1].at_ms - START_MS
    assert reaches_ms - 1900 < last <= reaches_ms


def crowded(due_ms: int, **more: dict[str, int]) -> AccountPage:
    holders = {"third": START_MS + 60_000}
    return AccountPage(holders=holders, waiting={"third": due_ms, **more.get("waiting", {})})


@pytest.mark.parametrize("off_ms", [-2000, 0, 2000])
def test_who_comes_next_leaves_the_place_to_one_who_is_due(off_ms: int) -> None:
    """Two seconds before and after he was told to come back."""
    grant, page = crowded(START_MS + off_ms).granted(ask(), ONE)
    assert grant.slots == ()
    assert grant.wait_ms > 2000
    assert page.waiting == {"me": START_MS + grant.wait_ms}


@pytest.mark.parametrize("off_ms", [-2001, 2001])
def test_who_is_not_due_is_left_no_place(off_ms: int) -> None:
    grant, _ = crowded(START_MS + off_ms).granted(ask(), ONE)
    assert grant.slots


def test_where_all_fit_nobody_leaves_his_place() -> None:
    """Two of 950 ms fit into 1,900, two of 950.5 do not."""
    grant, _ = crowded(START_MS).granted(ask(), SLOWER)
    assert grant.slots
    wider = AccountRules((RateLimit(2, timedelta(milliseconds=1837)),))
    assert not crowded(START_MS).granted(ask(), wider)[0].slots


def test_who_was_sent_away_himself_leaves_no_place() -> None:
    grant, page = crowded(START_MS, waiting={"me": START_MS}).granted(ask(), ONE)
    assert grant.slots
    assert page.waiting == {"third": START_MS}


@pytest.mark.parametrize(
    ("others", "wait_ms"),
    [({}, 4000), ({"other": 4000}, 4000), ({"other": 4001}, 2001), ({"other": 9000}, 7000)],
)
def test_who_made_room_comes_back_when_somebody_elses_block_ends(
    others: dict[str, int], wait_ms: int
) -> None:
    """The first that ends later than in two seconds; in four where there is none."""
    holders = {name: START_MS + left for name, left in {"third": 1000, **others}.items()}
    page = AccountPage(holders=holders, waiting={"third": START_MS})
    grant, page = page.granted(ask(), ONE)
    assert (grant.slots, grant.wait_ms) == ((), wait_ms)
    assert page.waiting == {"me": START_MS + wait_ms}
    assert page.holders["me"] == START_MS + wait_ms + 2000


def test_who_made_room_for_one_owes_the_others_theirs() -> None:
    page = crowded(START_MS, waiting={"fourth": START_MS + 9000})
    _, page = page.granted(ask(), ONE)
    assert set(page.waiting) == {"fourth", "me"}


def test_who_never_came_back_is_waited_for_no_longer() -> None:
    """Four seconds after he was told to."""
    waiting = {"gone": START_MS - 4000, "late": START_MS - 3999, "me": START_MS + 10}
    _, page = AccountPage(waiting=waiting).granted(ask(), RULES)
    assert page.waiting == {"late": START_MS - 3999}


@pytest.mark.parametrize(("free_in_ms", "wait_ms"), [(10_000, 10_000), (10_001, 12_034)])
def test_who_would_wait_for_long_comes_after_those_who_wait_already(
    free_in_ms: int, wait_ms: int
) -> None:
    """By a cell for each: 1,017 ms of 60 a minute."""
    taken = (Taken(START_MS + free_in_ms - 61_000, 0, 60),)
    waiting = {"one": START_MS + 9000, "two": START_MS + 9000, "me": START_MS}
    page = AccountPage(taken=taken, waiting=waiting)
    grant, _ = page.granted(ask(), AccountRules((RateLimit(60, MINUTE),)))
    assert (grant.slots, grant.wait_ms) == ((), wait_ms)


# --- Wrong clocks ----------------------------------------------------------------------------------------


def test_while_clocks_are_wrong_each_keeps_to_his_part_of_a_short_limit() -> None:
    """Two share twenty a second: one in 104 ms for each, the first not at once with his last before."""
    page = AccountPage(holders={"other": START_MS + 10**6}, split_until_ms=START_MS + 1)
    grant, _ = page.granted(ask(count=10, last_ms=START_MS), RULES)
    assert grant.slots[0].at_ms >= START_MS + 104
    assert min(gaps(tuple(grant.slots))) >= 103


def test_once_clocks_are_right_again_all_of_it_is_used() -> None:
    page = AccountPage(holders={"other": START_MS + 10**6}, split_until_ms=START_MS)
    grant, _ = page.granted(ask(count=10, last_ms=START_MS), RULES)
    assert {slot.at_ms for slot in grant.slots} == {START_MS}


@pytest.mark.parametrize(("seconds", "splits"), [(10, True), (11, False)])
def test_only_limits_of_up_to_ten_seconds_are_split(seconds: int, splits: bool) -> None:
    page = AccountPage(split_until_ms=START_MS + 1)
    rules = AccountRules((RateLimit(20, seconds * SECOND),))
    grant, _ = page.granted(ask(count=10), rules)
    assert (len({slot.at_ms for slot in grant.slots}) > 1) is splits


def test_where_more_share_than_a_short_limit_has_requests_each_keeps_to_one_in_a_window() -> None:
    holders = dict.fromkeys(("other", "third"), START_MS + 10**6)
    page = AccountPage(holders=holders, split_until_ms=START_MS + 1)
    grant, _ = page.granted(ask(last_ms=START_MS), AccountRules((RateLimit(2, SECOND),)))
    assert grant.slots[0].at_ms >= START_MS + 1035


@pytest.mark.parametrize(("mended_ms", "split_until_ms"), [(14, 0), (15, START_MS + 60_000)])
def test_a_clock_that_was_behind_by_more_than_the_way_may_take_splits_for_a_minute(
    mended_ms: int, split_until_ms: int
) -> None:
    """Of the margin of 35 ms, 21 are for being late and 14 for the way."""
    _, page = AccountPage().granted(ask(mended_ms=mended_ms), RULES)
    assert page.split_until_ms == split_until_ms


# --- 429 and holds ---------------------------------------------------------------------------------------


def test_a_429_makes_the_accounts_time_the_hearers() -> None:
    assert AccountPage().throttled(RULES, START_MS, sent_ms=1, wait=SECOND).at_ms == START_MS
    held = AccountPage().held(START_MS, SECOND)
    assert (held.at_ms, held.hold_until_ms) == (START_MS, START_MS + 1000)


def test_a_429_of_before_the_last_one_does_not_count_again() -> None:
    """Also if it was sent in the very moment in which that was heard: the limit grows back from that one."""
    page = AccountPage().throttled(RULES, START_MS, sent_ms=START_MS - 50, wait=None)
    again = page.throttled(RULES, START_MS + 700, sent_ms=START_MS, wait=None)
    assert (again.throttles, again.factor, again.throttled_at_ms) == (1, 0.7, START_MS)
    news = page.throttled(RULES, START_MS + 700, sent_ms=START_MS + 1, wait=None)
    assert (news.throttles, news.throttled_at_ms) == (2, START_MS + 700)


def test_a_lowered_limit_is_exact_in_the_moment_of_the_429() -> None:
    page = AccountPage().throttled(RULES, START_MS, sent_ms=START_MS, wait=SECOND)
    assert page.factor_at(START_MS) == 0.7


# --- What the vendor told --------------------------------------------------------------------------------


def test_a_rate_that_was_told_counts_for_ten_minutes_and_only_beside_declared_ones() -> None:
    page = AccountPage(told_rate=2, told_at_ms=START_MS)
    assert len(page.limits(RULES, START_MS + 599_999)) == 2
    assert page.limits(RULES, START_MS + 600_000) == [TWENTY]
    assert page.limits(AccountRules(), START_MS) == []
    assert AccountPage().limits(RULES, 0) == [TWENTY]


def test_a_rate_of_nothing_is_none() -> None:
    says = VendorSays(remaining=3, per_second=None)
    _, page = AccountPage(told_rate=2, told_at_ms=START_MS - 5).granted(ask(says=says), RULES)
    assert (page.told_rate, page.told_at_ms) == (2, START_MS - 5)


def test_points_that_are_short_by_little_are_waited_for() -> None:
    assert VendorSays.points(available=45, restore_rate=10, cost=50).wait == SECOND / 2


MINUTELY = AccountRules((RateLimit(100, MINUTE), TWENTY, RateLimit(300, timedelta(hours=1))))


@pytest.mark.parametrize(
    ("of", "remaining", "others"),
    [
        (100, 90, 10),
        (None, 90, 210),
        (20, 5, 15),
        (77, 90, 210),
        (100, 99, 1),
        (100, 100, 0),
        (100, 130, 0),
    ],
)
def test_a_strangers_use_is_what_is_missing_of_the_limit_that_was_named(
    of: int | None, remaining: int, others: int
) -> None:
    """Of the longest one where the vendor names none of ours. It is taken at the moment of the answer."""
    says = VendorSays(remaining=remaining, of=of)
    _, page = AccountPage().granted(ask(count=0, says=says, said_at_ms=START_MS - 7), MINUTELY)
    assert page.taken == ((Taken(START_MS - 7, 0, others),) if others else ())


def test_of_two_limits_alike_in_number_the_first_is_meant() -> None:
    twice = AccountRules((RateLimit(100, MINUTE), RateLimit(100, timedelta(hours=1))))
    past = (Taken(START_MS - 120_000, 0, 40),)
    says = VendorSays(remaining=90, of=100)
    _, page = AccountPage(taken=past).granted(ask(count=0, says=says, said_at_ms=START_MS), twice)
    assert Taken(START_MS, 0, 10) in page.taken


def test_remaining_requests_of_no_limit_tell_nothing() -> None:
    _, page = AccountPage().granted(ask(says=VendorSays(remaining=3)), AccountRules())
    assert page.taken == ()


def test_what_is_not_said_is_nothing() -> None:
    """No slots from a certain moment on, no pace, no seats; and who hears nothing of others is alone."""
    plain = Ask("me", 1, 2, 3)
    assert (plain.from_ms, plain.last_ms, plain.mended_ms, plain.pace_ms) == (0, 0, 0, 0)
    assert (plain.seats, plain.seats_until_ms, plain.said_at_ms) == (0, 0, 0)
    grant = Grant(1)
    assert (grant.slots, grant.seats, grant.wait_ms, grant.alone) == ((), 0, 0, True)


# --- The calendar ----------------------------------------------------------------------------------------


def test_an_ask_gives_back_what_was_not_used_and_forgets_what_is_long_over() -> None:
    unused = Slot(START_MS + 500, START_MS + 521)
    page = AccountPage(taken=(Taken(START_MS - 9000), Taken(START_MS + 500)))
    _, page = page.granted(ask(count=0, unused=[unused]), RULES)
    assert page.taken == ()


def test_a_holder_gets_slots_at_twice_his_pace_and_those_who_share_their_own_cells() -> None:
    busy = tuple(Taken(START_MS - n * 52) for n in range(19, 0, -1))
    alone, _ = AccountPage(taken=busy).granted(ask(count=5, pace_ms=800), RULES)
    assert min(gaps(tuple(alone.slots))) >= 360
    holders = dict.fromkeys("abc", START_MS + 10**6)
    shared, _ = AccountPage(taken=busy, holders=holders).granted(ask(count=5), RULES)
    assert all(206 <= gap <= 208 for gap in gaps(tuple(shared.slots)))


def test_nothing_is_booked_that_is_more_than_two_seconds_away() -> None:
    """A longer wait is not slept: the message is sent again with a delay."""
    taken = (Taken(START_MS - 61_000 + 2000, 0, 60),)
    limits = AccountRules((RateLimit(60, MINUTE),))
    grant, _ = AccountPage(taken=taken).granted(ask(count=1), limits)
    assert START_MS + 2000 <= grant.slots[0].at_ms <= START_MS + 2017
    later = (Taken(START_MS - 61_000 + 2001, 0, 60),)
    grant, _ = AccountPage(taken=later).granted(ask(count=1), limits)
    assert (grant.slots, grant.wait_ms) == ((), 2001)
