"""What a refused message is told, and how long turns that were given beforehand may be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.core.desk.page import Line, moment_ms
from sluice.core.desk.turns import Rush, Turns, Waiting, come_back, turns_at_once

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW_MS = moment_ms(NOW)
SECOND, MS = timedelta(seconds=1), timedelta(milliseconds=1)
QUARTER_HOUR = timedelta(minutes=15)

SPARE = Turns(first=8, count=3, at_ms=NOW_MS + 30_000, step_ms=4000, given_ms=NOW_MS)


@pytest.mark.parametrize(
    ("in_ms", "seconds"), [(-5000, 1), (0, 1), (1, 1), (1000, 1), (1001, 2), (5000, 5), (5001, 6)]
)
def test_nobody_comes_before_its_turn_nor_at_once(in_ms: int, seconds: int) -> None:
    """A queue delays by whole seconds. Without any delay the message would be received over and over."""
    told = come_back(NOW_MS + in_ms, NOW_MS, since_ms=NOW_MS, turn=7)
    assert told.delay == seconds * SECOND


def test_a_turn_that_the_queue_can_just_delay_is_told_as_it_is() -> None:
    told = come_back(NOW_MS + 900_000, NOW_MS, since_ms=NOW_MS, turn=7)
    assert told.delay == QUARTER_HOUR


@pytest.mark.parametrize(("turn", "early"), [(60, 0), (61, 1), (100, 40), (119, 59), (120, 0)])
def test_turns_further_away_come_back_spread_over_a_minute(turn: int, early: int) -> None:
    """A queue takes no delay beyond a quarter of an hour; they shall not all come at its end."""
    told = come_back(NOW_MS + 900_001, NOW_MS, since_ms=NOW_MS, turn=turn)
    assert told.delay == QUARTER_HOUR - early * SECOND


def test_turns_given_beforehand_are_told_one_by_one_and_end() -> None:
    turns: Turns | None = SPARE
    told = []
    while turns is not None:
        answered = turns.next_for(NOW + SECOND)
        assert answered is not None
        answer, turns = answered
        told.append((answer.delay, answer.waiting))
    since = NOW + SECOND
    assert told == [
        (29 * SECOND, Waiting(since, 8)),
        (33 * SECOND, Waiting(since, 9)),
        (37 * SECOND, Waiting(since, 10)),
    ]


@pytest.mark.parametrize(
    ("late", "lasts"),
    [(-MS, False), (0 * MS, True), (2 * SECOND - MS, True), (2 * SECOND, False)],
)
def test_what_was_seen_of_a_desk_counts_for_two_seconds(late: timedelta, lasts: bool) -> None:
    """And not before it was seen: a clock was set back, and nobody knows how long ago that is."""
    rush = Rush(wanted=4, asked_ms=NOW_MS)
    assert rush.lasts(NOW + late) is lasts
    assert (SPARE.next_for(NOW + late) is not None) is lasts
    assert rush.wants_next(NOW + late) == (8 if lasts else 1)


def test_a_rush_wants_twice_as_many_turns_each_time_and_ten_at_most() -> None:
    """Whoever dies with ten of them lengthens the line by no more."""
    wanted = [1]
    for _ in range(5):
        wanted.append(Rush(wanted[-1], NOW_MS).wants_next(NOW))
    assert wanted == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(
    ("waiting", "given"), [(0, 1), (39, 1), (40, 2), (79, 2), (80, 3), (240, 7), (1000, 7)]
)
def test_a_line_gives_out_one_turn_more_for_each_forty_that_wait(waiting: int, given: int) -> None:
    """And no more than are wanted. Those that are over count for nothing."""
    assert turns_at_once(Line(500 + waiting, 500), wanted=7) == given
