"""When those come back who were refused: few receives, in order as far as possible, and nobody waits in vain."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.desk.admitting import Admitted, ComeBack, DeskRules, Waiting
from sluice.core.desk.page import moment_ms, page_of, read_desk
from sluice.core.desk.turns import LONGEST_DELAY, SPREAD_S
from sluice.core.priorities import Priority
from tests.unit.core.desk_door import NOW, Door, Message, Street

PUSH, MANUAL, SCHEDULE, BACKFILL = Priority
SECOND = timedelta(seconds=1)


def full(door: Door) -> list[str]:
    return door.seat(*[SCHEDULE] * door.rules.most_running)


def learnt(door: Door, seconds: float) -> None:
    """A slice of that length has left."""
    (owner,) = door.seat(SCHEDULE)
    door.leave(owner, timedelta(seconds=seconds))


def test_the_first_refused_comes_back_when_a_slot_should_be_free() -> None:
    door = Door()
    learnt(door, 8)
    full(door)
    door.wait(seconds=3)
    assert door.refused().delay == 5 * SECOND


def test_each_refused_comes_later_by_a_mean_slice_shared_by_the_slots() -> None:
    """With a second for the slot to pass from one to the next."""
    door = Door(DeskRules(most_running=3))
    learnt(door, 11)
    full(door)
    delays = [door.refused().delay for _ in range(5)]
    assert {after - before for before, after in pairwise(delays)} == {4 * SECOND}


def test_each_priority_has_a_line_of_its_own() -> None:
    """A thousand schedules that wait are no reason for a person to wait."""
    door = Door()
    learnt(door, 10)
    full(door)
    for _ in range(100):
        door.refused()
    door.seat(MANUAL)
    assert door.refused(MANUAL).delay <= 10 * SECOND


def test_backfills_share_fewer_slots() -> None:
    door = Door(DeskRules(most_running=3))
    learnt(door, 11)
    full(door)
    first, second = door.refused(BACKFILL), door.refused(BACKFILL)
    assert second.delay - first.delay == 6 * SECOND


def test_the_mean_follows_what_left() -> None:
    door = Door()
    for seconds in [10] + [20] * 30:
        learnt(door, seconds)
    assert 19_000 <= (door.desk.mean_ms or 0) <= 20_000


def test_a_delay_is_whole_seconds_rounded_up_and_at_least_one() -> None:
    door = Door()
    learnt(door, 2.2)
    full(door)
    assert door.refused().delay == 3 * SECOND
    short = Door()
    learnt(short, 0.001)
    full(short)
    assert short.refused().delay == SECOND


def test_a_turn_further_away_than_the_queue_can_delay_comes_back_before() -> None:
    """Not all of them at once."""
    door = Door()
    learnt(door, 60)
    full(door)
    delays = [door.refused().delay for _ in range(200)][100:]
    assert max(delays) <= LONGEST_DELAY
    assert min(delays) >= LONGEST_DELAY - timedelta(seconds=SPREAD_S)
    assert len(set(delays)) > SPREAD_S // 2


def test_who_comes_back_too_early_keeps_its_turn_and_costs_no_write() -> None:
    door = Door()
    learnt(door, 5)
    full(door)
    answers = [door.refused() for _ in range(20)]
    door.refused(waiting=answers[0].waiting)  # somebody is called: the front is known
    writes = door.writes
    again = door.refused(waiting=answers[-1].waiting)
    assert again.waiting == answers[-1].waiting
    assert again.delay > 10 * SECOND
    assert door.writes == writes


def test_the_turn_counts_what_was_served_not_the_time_that_passed() -> None:
    """Slices took far longer than was thought: whoever is far behind does not ask every second."""
    door = Door()
    learnt(door, 1)
    first, _ = full(door)
    answers = [door.refused() for _ in range(50)]
    door.wait(seconds=60)
    door.leave(first, timedelta(seconds=60))
    door.seat(SCHEDULE)
    door.refused(waiting=answers[0].waiting)
    assert door.refused(waiting=answers[-1].waiting).delay > 3 * 60 * SECOND


def test_who_is_called_finds_its_slot_kept() -> None:
    """A continuation that comes at the very moment at which a slot is free does not get it."""
    door = Door()
    first, second = full(door)
    waiting = door.refused().waiting
    door.wait(seconds=5)
    called = door.refused(waiting=waiting)
    assert called.waiting == waiting
    door.leave(first)
    assert not door.admits()
    door.now += called.delay
    assert door.admits(waiting=waiting)
    door.leave(second)
    assert door.admits()


def test_neighbours_in_a_line_go_as_they_come() -> None:
    """A slot that waits for the elder stays empty."""
    door = Door()
    first, _ = full(door)
    waiting = [door.refused().waiting for _ in range(2)]
    for each in waiting:
        door.refused(waiting=each)
    door.leave(first)
    assert door.admits(waiting=waiting[1])


def test_who_is_far_behind_does_not_go_before_those_called() -> None:
    door = Door()
    owners = full(door)
    waiting = [door.refused().waiting for _ in range(5)]
    for each in waiting[:2]:
        door.refused(waiting=each)
    for owner in owners:
        door.leave(owner)
    assert not door.admits(waiting=waiting[-1])
    assert all(door.admits(waiting=each) for each in waiting[:2])


def test_the_front_of_a_line_is_who_is_called_even_if_later_ones_were_served() -> None:
    """Else all that were passed over would be called at once."""
    door = Door(DeskRules(most_running=3))
    owners = full(door)
    waiting = [door.refused().waiting for _ in range(12)]
    door.refused(waiting=waiting[0])
    for owner in owners:
        door.leave(owner)
    for each in waiting[6:]:
        assert door.ask(waiting=each, owner="me") == Admitted()
        door.leave("me")
    assert door.admits(waiting=waiting[3])
    assert door.admits(waiting=waiting[4])
    door.refused(waiting=waiting[5])
    assert [one.turn for one in door.desk.called] == [1]


def test_where_nobody_is_called_whoever_comes_is() -> None:
    """All that had a turn before it may be lost."""
    door = Door()
    full(door)
    waiting = [door.refused().waiting for _ in range(30)][-1]
    door.refused(waiting=waiting)
    assert [one.turn for one in door.desk.called] == [30]


def test_a_slot_is_kept_for_who_is_five_seconds_late_and_no_longer() -> None:
    """A queue delivers a little late. Who does not come then got lost."""
    door = Door()
    full(door)
    called = door.refused(waiting=door.refused().waiting)
    door.now += called.delay + timedelta(seconds=5)
    assert not door.desk.called
    door.wait(milliseconds=-1)
    assert door.desk.called


def test_only_the_first_few_of_a_line_are_called() -> None:
    """Many that ask every second would be the storm that turns are there to prevent."""
    door = Door()
    full(door)
    waiting = [door.refused().waiting for _ in range(10)]
    for each in reversed(waiting):
        door.refused(waiting=each)
        assert len(door.desk.called) <= 2
    assert [one.turn for one in door.desk.called] == [1, 2]


def test_those_called_come_when_the_slot_should_be_free_that_is_theirs() -> None:
    door = Door()
    learnt(door, 10)
    door.seat(SCHEDULE)
    door.wait(seconds=6)
    door.seat(SCHEDULE)
    waiting = [door.refused().waiting for _ in range(2)]
    assert [door.refused(waiting=each).delay for each in waiting] == [4 * SECOND, 10 * SECOND]


def test_a_slice_past_the_mean_is_expected_to_go_on_for_a_while() -> None:
    """Asking every second would be as often as it is late."""
    door = Door()
    learnt(door, 1)
    full(door)
    door.wait(seconds=72)
    assert door.refused().delay == 9 * SECOND


def test_a_dead_workers_slot_is_expected_free_when_it_lapses() -> None:
    door = Door()
    learnt(door, 1)
    full(door)
    door.wait(seconds=88)
    assert door.refused().delay == 2 * SECOND


def test_lost_messages_do_not_keep_the_others_waiting() -> None:
    """A purged queue: whoever comes by and finds a slot that nobody waits for lets the line move on."""
    door = Door()
    owners = full(door)
    for _ in range(30):
        door.refused()
    for owner in owners:
        door.leave(owner)
    waiting = []
    for _ in range(40):
        (owner,) = door.seat(SCHEDULE)
        door.leave(owner)
        waiting.append(door.desk.line(SCHEDULE).waiting)
    assert waiting == [*range(29, -1, -1), *[0] * 10]


def test_a_turn_of_a_page_that_got_lost_is_a_new_one() -> None:
    """But the message waits since it does."""
    door = Door()
    full(door)
    since = NOW - timedelta(minutes=20)
    answer = door.refused(waiting=Waiting(since, turn=500))
    assert answer.waiting == Waiting(since, turn=1)


# --- Properties ------------------------------------------------------------------------------------------

PRIORITIES = st.sampled_from(Priority)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), PRIORITIES),
        st.tuples(st.just("return"), st.integers(0, 30)),
        st.tuples(st.just("leave"), st.integers(0, 10)),
        st.tuples(st.just("wait"), st.floats(0.01, 200)),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 4))
@settings(deadline=None)
def test_never_do_more_run_than_may_whatever_is_interleaved_and_whoever_dies(
    steps: list[tuple[str, Any]], most: int
) -> None:
    """Who never leaves has died, and its place lapses. Messages may come back early, late and twice."""
    door = Door(DeskRules(most_running=most))
    running: list[str] = []
    away: list[tuple[Priority, ComeBack]] = []

    def come(priority: Priority, waiting: Waiting | None) -> None:
        owner = f"o{next(door.names)}"
        answer = door.ask(priority, waiting, owner)
        if isinstance(answer, Admitted):
            running.append(owner)
            return
        away.append((priority, answer))
        assert answer.delay % SECOND == timedelta(0)
        assert SECOND <= answer.delay <= LONGEST_DELAY

    for step, value in steps:
        match step:
            case "ask":
                come(Priority(value), None)
            case "return" if away:
                priority, answer = away[int(value) % len(away)]
                come(priority, answer.waiting)
            case "leave" if running:
                door.leave(running.pop(int(value) % len(running)))
            case "wait":
                door.wait(seconds=value)
        desk = door.desk
        assert len(desk.running) <= most + 1
        assert len(desk.running) - desk.urgent <= most
        assert desk.backfills <= max(most - 1, 1)
        assert all(sum(c.priority is line for c in desk.called) <= most for line in Priority)
        assert all(line.waiting >= 0 for line in desk.lines.values())
        assert read_desk(json.loads(json.dumps(page_of(desk))), moment_ms(door.now)) == desk


@given(
    st.lists(PRIORITIES, min_size=1, max_size=8),
    PRIORITIES,
    st.integers(1, 3),
    st.floats(0.2, 60),
    st.integers(0, 20),
    st.integers(0, 2**16),
)
@settings(deadline=None, max_examples=60)
def test_every_message_is_let_in_in_the_end(
    greedy: list[Priority], mine: Priority, most: int, slice_s: float, lost: int, seed: int
) -> None:
    """Beside runs of any priority that never end, workers that die, and messages that got lost."""
    chance = random.Random(seed)  # noqa: S311  # chance, not a secret
    street = Street(
        Door(DeskRules(most_running=most)),
        slice_s=lambda: slice_s * chance.uniform(0.5, 1.5),
        late_s=lambda: chance.uniform(0.01, 1.0),
        dies=lambda: chance.random() < 0.05,
    )
    for number, priority in enumerate(greedy):
        street.send(Message(f"greedy {number}", priority, greedy=True))
    street.run(lambda: False, timedelta(minutes=1))
    for _ in range(lost):
        street.door.ask(mine)
    street.send(Message("mine", mine))
    assert street.run(lambda: "mine" in street.admitted, timedelta(hours=6))


@pytest.mark.parametrize(("queued", "most_receives"), [(20, 2.0), (100, 2.2), (300, 2.8)])
def test_a_flood_comes_back_about_once_and_is_no_storm(queued: int, most_receives: float) -> None:
    chance = random.Random(1)  # noqa: S311  # chance, not a secret
    street = Street(Door(), lambda: chance.uniform(4, 6), lambda: chance.uniform(0.02, 0.1))
    for number in range(queued):
        street.send(Message(f"m{number}", SCHEDULE))
    assert street.run(lambda: len(street.admitted) == queued, timedelta(hours=2))
    assert street.receives / queued <= most_receives
    assert street.door.now - NOW < queued / 2 * 5 * SECOND * 1.35


def test_runs_that_share_a_desk_get_on_alike() -> None:
    """Six streams of one client, each in a long run, over two slots."""
    chance = random.Random(1)  # noqa: S311  # chance, not a secret
    street = Street(Door(), lambda: chance.uniform(4, 6), lambda: chance.uniform(0.02, 0.1))
    for number in range(6):
        street.send(Message(f"stream {number}", SCHEDULE, greedy=True))
    street.run(lambda: False, timedelta(minutes=20))
    made = [street.admitted.count(f"stream {number}") for number in range(6)]
    assert max(made) < 1.5 * min(made)
