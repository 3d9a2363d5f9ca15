"""What the picture of a deployment says of accounts, runs and slices, and how it words a duration."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.limits.rates import RateLimit
from sluice.core.overview.account_views import account_view
from sluice.core.overview.picture import CLOSED, OPEN, TRYING
from sluice.core.overview.run_details import SliceView
from sluice.core.overview.wording import duration
from tests.unit.core.streams_known import HOUR, MINUTE, NOW, run

NOW_MS = int(NOW.timestamp() * 1000)
LIMITS = [RateLimit(10, timedelta(minutes=1)), RateLimit(100, timedelta(hours=1))]


def test_an_account_is_shown_by_its_own_figures() -> None:
    page = {
        "at": NOW_MS,
        "taken": [[NOW_MS - 1000, 500, 4]],
        "breaker": [11, [], NOW_MS + 1000],
        "stopped": {"why": "401 of /orders", "digest": "d"},
    }
    view = account_view("shipbob/acme", page, LIMITS, NOW)
    assert (view.name, view.breaker, view.failures) == ("shipbob/acme", OPEN, 11)
    assert (view.stopped_because, view.budget_used) == ("401 of /orders", 0.4)


@pytest.mark.parametrize(
    ("open_until", "shown"), [(0, CLOSED), (NOW_MS, TRYING), (NOW_MS + 1, OPEN)]
)
def test_a_breaker_is_open_until_its_time_and_then_tries(open_until: int, shown: str) -> None:
    page = {"at": NOW_MS, "breaker": [11, [], open_until]}
    view = account_view("a", page, LIMITS, NOW)
    assert (view.breaker, view.stopped_because, view.budget_used) == (shown, None, 0.0)


def test_time_is_the_accounts_own_where_that_is_ahead() -> None:
    """A clock that is behind the others' must not show a breaker as open that they all try again."""
    breaker = [11, [], NOW_MS + 3_000]
    assert account_view("a", {"at": NOW_MS, "breaker": breaker}, LIMITS, NOW).breaker == OPEN
    ahead = {"at": NOW_MS + 3_000, "breaker": breaker}
    assert account_view("a", ahead, LIMITS, NOW).breaker == TRYING


def test_time_goes_on_where_nobody_asks_the_account() -> None:
    page = {"at": NOW_MS - 60_000, "breaker": [11, [], NOW_MS - 1]}
    assert account_view("a", page, LIMITS, NOW).breaker == TRYING


def test_a_breaker_is_told_in_words() -> None:
    assert (CLOSED, OPEN, TRYING) == ("closed", "open", "trying")


@pytest.mark.parametrize(("booked", "share"), [(7, 0.7), (10, 1.0), (13, 1.0)])
def test_a_budget_is_used_up_at_most(booked: int, share: float) -> None:
    """What is merged counts whole, so more may seem to be booked than was allowed."""
    page = {"at": NOW_MS, "taken": [[NOW_MS - 1000, 500, booked]]}
    assert account_view("a", page, LIMITS, NOW).budget_used == share


def test_without_a_limit_there_is_no_share_of_one() -> None:
    page = {"at": NOW_MS, "taken": [[NOW_MS - 1000, 500, 4]]}
    assert account_view("a", page, [], NOW).budget_used is None


@pytest.mark.parametrize(
    ("done", "total", "share", "left"),
    [
        (1, 4, 0.25, 3 * HOUR),
        (3, 4, 0.75, HOUR / 3),
        (4, 4, 1.0, 0 * HOUR),
        (5, 4, 1.0, 0 * HOUR),
        (0, 4, 0.0, None),
        (3, 0, None, None),
        (3, None, None, None),
        (None, 4, None, None),
    ],
)
def test_a_run_says_how_far_it_is_and_how_long_it_will_take(
    done: int | None, total: int | None, share: float | None, left: timedelta | None
) -> None:
    """At the pace of its first hour. Vendors find more than they announced, or announce nothing."""
    loading = run(HOUR, None, done=done, total=total)
    assert loading.share == share
    assert loading.left(NOW) == left


def test_a_run_that_ended_takes_no_more_time() -> None:
    """Also one that was given up half way."""
    ended = run(HOUR, MINUTE, outcome="failed", done=1, total=4)
    assert (ended.share, ended.left(NOW)) == (0.25, None)


def slice_of(fetch_ms: int, merge_ms: int, wait_ms: int | None, derive_ms: int | None) -> SliceView:
    return SliceView(
        seq=1, kind="crawl", committed_at=NOW, rows_read=0, inserted=0, updated=0, unchanged=0, stale=0,
        rejected=0, deleted=0, requests=1, retries=0, errors=0, fetch_ms=fetch_ms, merge_ms=merge_ms,
        wait_ms=wait_ms, derive_ms=derive_ms,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("times", "phases"),
    [
        ((100, 50, 30, 20), (70, 30, 30, 20)),
        ((100, 50, 300, 200), (0, 100, 0, 50)),
        ((100, 50, None, None), (100, 0, 50, 0)),
    ],
)
def test_phases_follow_each_other_and_add_up(
    times: tuple[int, int, int | None, int | None], phases: tuple[int, int, int, int]
) -> None:
    found = slice_of(*times).phases
    assert found == phases
    assert sum(found) == times[0] + times[1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"), (0, "0 s"), (40, "40 s"), (60, "1 min"), (61, "1 min 1 s"), (3_599, "59 min 59 s"),
        (3_605, "1 h"), (3_725, "1 h 2 min"), (86_399, "23 h 59 min"), (86_400, "1 d"),
        (3 * 86_400 + 4 * 3_600 + 59, "3 d 4 h"), (86_400 + 60, "1 d"),
    ],
)  # fmt: skip
def test_a_duration_is_its_two_largest_units(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words
