"""An account's page: time that never goes back, holds, seats, what the vendor told, and turns."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.limits.accounts import AccountPage, AccountRules, Ask, Stopped, VendorSays
from sluice.core.limits.breaker import Breaker
from sluice.core.limits.pages import clear, page_of, read_page, subject_of
from sluice.core.limits.rates import RateLimit, Taken
from tests.memory.book import MemoryBook
from tests.unit.core.calendars import START_MS, SharedLife

SECOND = timedelta(seconds=1)
TWENTY = RateLimit(20, SECOND)
RULES = AccountRules((TWENTY,))
MINUTE_MS = 60_000


def ask(holder: str = "one", now_ms: int = START_MS, count: int = 4, **more: object) -> Ask:
    return Ask(holder, now_ms, now_ms + 10_000, count, **more)  # type: ignore[arg-type]


def test_nobodys_time_is_earlier_than_the_pages() -> None:
    """Whose clock is behind books where the others are, not in their past."""
    _, page = AccountPage().granted(ask(now_ms=START_MS), RULES)
    grant, page = page.granted(ask("late", START_MS - 10_000), RULES)
    assert grant.now_ms == START_MS
    assert min(slot.at_ms for slot in grant.slots) >= START_MS
    assert page.at_ms == START_MS


def test_after_a_429_the_account_is_left_alone_as_long_as_the_vendor_asked() -> None:
    page = AccountPage().throttled(RULES, START_MS, sent_ms=START_MS - 50, wait=5 * SECOND)
    grant, _ = page.granted(ask(), RULES)
    assert (grant.slots, grant.wait_ms) == ((), 5000)
    later, _ = page.granted(ask(now_ms=START_MS + 4000), RULES)
    assert min(slot.at_ms for slot in later.slots) >= START_MS + 5000


def test_a_429_without_a_word_holds_ever_longer() -> None:
    page, holds = AccountPage(), []
    now = START_MS
    for _ in range(8):
        page = page.throttled(RULES, now, sent_ms=now, wait=None)
        holds.append(page.hold_until_ms - now)
        now = page.hold_until_ms + 100
    assert holds == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]


def test_a_minute_without_a_429_begins_anew() -> None:
    page = AccountPage().throttled(RULES, START_MS, sent_ms=START_MS, wait=None)
    page = page.throttled(RULES, START_MS + 61_000, sent_ms=START_MS + 61_000, wait=None)
    assert page.throttles == 1


def test_requests_that_were_under_way_together_are_one_429() -> None:
    """Eight workers hear it at once: the limit is lowered once."""
    page = AccountPage()
    for late in range(8):
        page = page.throttled(RULES, START_MS + late, sent_ms=START_MS - 100, wait=None)
    assert (page.throttles, page.factor) == (1, 0.7)


def test_a_429_lowers_the_limits_and_time_raises_them_again() -> None:
    page = AccountPage().throttled(RULES, START_MS, sent_ms=START_MS, wait=SECOND)
    assert page.limits(RULES, START_MS) == [RateLimit(14, SECOND)]
    assert page.factor_at(START_MS + MINUTE_MS) == pytest.approx(0.8)
    assert page.limits(RULES, START_MS + 3 * MINUTE_MS) == [TWENTY]


def test_the_limits_are_never_lowered_to_nothing() -> None:
    page = AccountPage()
    for n in range(1, 20):
        page = page.throttled(RULES, START_MS + n, sent_ms=START_MS + n, wait=SECOND)
    assert page.factor == 0.2


def test_an_account_without_limits_is_held_but_not_slowed() -> None:
    page = AccountPage().throttled(AccountRules(), START_MS, sent_ms=START_MS, wait=SECOND)
    assert (page.factor, page.hold_until_ms) == (1.0, START_MS + 1000)


def test_a_hold_is_never_shortened() -> None:
    page = AccountPage().held(START_MS, 5 * SECOND).held(START_MS, SECOND)
    assert page.hold_until_ms == START_MS + 5000


def test_somebody_elses_use_is_booked_as_used() -> None:
    """The vendor has fewer left than we think: the difference is not ours to use again."""
    minute = AccountRules((RateLimit(100, timedelta(minutes=1)),))
    says = VendorSays(remaining=10, of=100)
    grant, page = AccountPage().granted(ask(count=5), minute)
    heard = ask(now_ms=START_MS + 3000, count=64, says=says, said_at_ms=START_MS + 3000)
    _, page = page.granted(heard, minute)
    taken = sum(each.count for each in page.taken if each.start_ms <= START_MS + 3000)
    assert len(grant.slots) == 5
    assert taken >= 90
    assert sum(each.count for each in page.taken) <= 100


def test_a_vendor_that_has_more_left_than_we_think_changes_nothing() -> None:
    """It has not counted what is under way yet."""
    says = VendorSays(remaining=19)
    _, page = AccountPage().granted(ask(count=5), RULES)
    _, told = page.granted(ask(count=1, says=says, said_at_ms=START_MS), RULES)
    _, not_told = page.granted(ask(count=1), RULES)
    assert told.taken == not_told.taken


def test_a_rate_that_the_vendor_told_holds_for_a_while() -> None:
    says = VendorSays(per_second=2)
    _, page = AccountPage().granted(ask(says=says, said_at_ms=START_MS), RULES)
    assert RateLimit(2, SECOND) in page.limits(RULES, START_MS + 1000)
    assert page.limits(RULES, START_MS + 11 * MINUTE_MS) == [TWENTY]


def test_points_become_a_wait_and_a_rate() -> None:
    """A request of 50 points at 20 left and 10 restored a second: three seconds, and one in five."""
    short = VendorSays.points(available=20, restore_rate=10, cost=50)
    assert (short.wait, short.per_second) == (timedelta(seconds=3), 0.2)
    assert VendorSays.points(available=50, restore_rate=10, cost=50).wait is None


SEATS = AccountRules(concurrent=5)


def seat(holder: str, now_ms: int = START_MS, seats: int = 4) -> Ask:
    return Ask(holder, now_ms, 0, 0, seats=seats, seats_until_ms=now_ms + 60_000)


def test_seats_are_given_until_there_are_none() -> None:
    first, page = AccountPage().granted(seat("one"), SEATS)
    second, page = page.granted(seat("two"), SEATS)
    third, page = page.granted(seat("three"), SEATS)
    assert (first.seats, second.seats, third.seats) == (4, 1, 0)
    assert third.wait_ms > 0
    again, _ = page.granted(seat("one"), SEATS)
    assert again.seats == 4


def test_seats_of_the_dead_lapse_and_those_given_back_are_free() -> None:
    _, page = AccountPage().granted(seat("one"), SEATS)
    assert page.granted(seat("two", START_MS + 60_000), SEATS)[0].seats == 4
    left = page.left(Ask("one", START_MS + 10, 0, 0), SEATS)
    assert left.granted(seat("two", START_MS + 20), SEATS)[0].seats == 4


def test_where_more_share_than_fit_they_take_turns() -> None:
    """One a second, three who want it: who was sent away gets the place of one who was served."""
    life = SharedLife(AccountRules((RateLimit(1, SECOND),)))
    served: dict[str, int] = {"one": 0, "two": 0, "three": 0}
    back = dict.fromkeys(served, START_MS)
    for _ in range(60):
        holder = min(back, key=lambda name: back[name])
        life.now_ms = back[holder]
        grant = life.ask(holder)
        served[holder] += len(grant.slots)
        back[holder] = grant.slots[-1].at_ms + 1 if grant.slots else life.now_ms + grant.wait_ms
    assert life.overfull() == []
    assert min(served.values()) >= sum(served.values()) / 10


def test_who_is_sent_away_from_a_used_up_limit_comes_back_one_after_the_other() -> None:
    """Else all would write the page at the same moment, and most of them in vain."""
    minute = AccountRules((RateLimit(60, timedelta(minutes=1)),))
    life = SharedLife(minute)
    life.ask("greedy", 60, 1000)
    life.now_ms += 2000
    waits = [life.ask(holder).wait_ms for holder in ("one", "two", "three")]
    assert [after - before for before, after in itertools.pairwise(waits)] == [1016, 1017]


def test_a_page_is_read_as_it_was_written() -> None:
    page = AccountPage(
        at_ms=START_MS,
        taken=(Taken(START_MS, 250, 8), Taken(START_MS + 300), Taken(START_MS + 300, 0, 2)),
        holders={"one": START_MS + 5},
        waiting={"two": START_MS + 9},
        seats={"one": (3, START_MS + 7)},
        hold_until_ms=START_MS + 1,
        split_until_ms=START_MS + 2,
        throttled_at_ms=START_MS - 3,
        throttles=2,
        factor=0.49,
        told_rate=0.5,
        told_at_ms=START_MS - 4,
        breaker=Breaker(3, (START_MS + 40_000,), 0),
        stopped=Stopped("status 401", "abc"),
    )
    assert read_page(json.loads(json.dumps(page_of(page)))) == page


def test_a_page_is_named_by_its_source_and_its_account() -> None:
    """As it stands in the table of a running deployment: another name would be an empty page."""
    assert subject_of("shipbob", "sluice/acme") == "account#shipbob#sluice/acme"


def test_a_page_is_small_and_says_nothing_that_is_over() -> None:
    """It is read and written with every block of slots: distances for moments, and rates to a few digits."""
    taken = (
        Taken(START_MS),
        Taken(START_MS + 52),
        Taken(START_MS + 60, 250, 1),
        Taken(START_MS + 70, 0, 2),
    )
    page = AccountPage(
        at_ms=START_MS,
        taken=taken,
        hold_until_ms=START_MS,
        split_until_ms=START_MS,
        throttles=1,
        factor=1 / 3,
        told_rate=1 / 3,
        told_at_ms=START_MS,
    )
    assert page_of(page) == {
        "at": START_MS,
        "taken": [START_MS, 52, [8, 250, 1], [10, 0, 2]],
        "throttled": [0, 1, 0.3333],
        "told": [0.333333, START_MS],
    }


def test_an_empty_page_is_an_account_never_asked() -> None:
    assert read_page({}) == AccountPage()
    assert page_of(AccountPage()) == {}


@given(
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 300), st.integers(1, 4)), max_size=40)
)
def test_any_calendar_survives_its_page(entries: list[tuple[int, int, int]]) -> None:
    taken = tuple(sorted(Taken(START_MS + at, length, count) for at, length, count in entries))
    page = AccountPage(at_ms=START_MS, taken=taken)
    assert read_page(json.loads(json.dumps(page_of(page)))).taken == taken


def test_a_person_clears_an_account_and_its_calendar_stays() -> None:
    book, subject = MemoryBook(), subject_of("shipbob", "sluice/acme")
    page = AccountPage(
        at_ms=START_MS,
        taken=(Taken(START_MS),),
        hold_until_ms=START_MS + 100,
        breaker=Breaker(11, (), START_MS + 5),
        stopped=Stopped("status 401", "abc"),
    )
    book.pages[subject] = json.dumps(page_of(page))
    clear(book, subject)
    assert read_page(book.read(subject)) == AccountPage(at_ms=START_MS, taken=(Taken(START_MS),))
    writes = book.writes
    clear(book, subject)
    assert book.writes == writes
