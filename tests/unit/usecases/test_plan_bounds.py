"""A tick ends in time and goes on where it stopped; of two dispatchers at once, one works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from sluice.core.errors import StateUnavailable
from sluice.core.keys import StreamKey
from sluice.usecases.plan import MARGIN, Planned, plan
from tests.memory.book import MemoryBook
from tests.memory.messages import MemoryMessages
from tests.unit.usecases.dispatching import ACME, BOLT, TIME, Dispatch, keys
from tests.unit.usecases.world import Clock, Killed

HOUR = timedelta(hours=1)


@dataclass
class Slow(MemoryMessages):
    """A queue that takes its time."""

    clock: Clock = field(default_factory=Clock)
    takes: timedelta = timedelta(seconds=15)

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        super().ask_for_slices(keys, reason=reason)
        self.clock.at += self.takes


def test_a_tick_stops_in_time_and_the_next_goes_on_where_it_stopped() -> None:
    """Longest waiting first: what was left over comes before what became due since."""
    first = keys(50)
    dispatch = Dispatch().registered(*first, cadence=HOUR)
    slow = Slow(clock=dispatch.clock)
    assert dispatch.tick(messages=slow, chunk=10) == Planned(asked=30, more_due=True)
    dispatch.clock.at += timedelta(seconds=15)
    dispatch.registered(*first, BOLT, cadence=HOUR)
    assert dispatch.tick(messages=slow, chunk=10) == Planned(asked=21)
    sent = [sent.message.key for sent in slow.sent]
    assert sorted(map(str, sent)) == sorted(map(str, [*first, BOLT]))
    assert sent[-1] == BOLT


def test_no_chunk_is_begun_within_the_margin() -> None:
    """15 + 15 + 10 s used up all but the margin."""
    dispatch = Dispatch().registered(*keys(40))
    slow = Slow(clock=dispatch.clock, takes=(TIME - MARGIN) / 2)
    assert dispatch.tick(messages=slow, chunk=10) == Planned(asked=20, more_due=True)


def test_a_tick_without_time_does_one_chunk_all_the_same() -> None:
    """Else a function that starts slowly would never ask for anything."""
    dispatch = Dispatch().registered(*keys(30))
    assert plan(dispatch.kit(chunk=10), dispatch.clock()) == Planned(asked=10, more_due=True)


def test_a_tick_that_just_made_it_does_not_say_that_more_is_due() -> None:
    dispatch = Dispatch().registered(*keys(20))
    slow = Slow(clock=dispatch.clock, takes=TIME)
    assert dispatch.tick(messages=slow, chunk=20) == Planned(asked=20)


def test_thousands_go_in_chunks_of_which_each_is_advanced_before_the_next() -> None:
    """A dispatcher that dies leaves at most one chunk to be asked for twice."""
    dispatch = Dispatch().registered(*keys(1201))
    at_once: list[int] = []
    schedule = dispatch.registry

    class Watched(MemoryMessages):
        def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
            at_once.append(len(keys))
            due = next(iter(schedule.due(dispatch.clock(), most=2000)))
            assert len(due) == 1201 - sum(at_once[:-1])

    assert dispatch.tick(messages=Watched()) == Planned(asked=1201)
    assert at_once == [1000, 201]


# --- fired twice --------------------------------------------------------------------------------------


def test_a_tick_fired_twice_is_planned_once() -> None:
    """The second leaves everything to the first, which is in the middle of it."""
    dispatch = Dispatch().registered(ACME)
    seconds: list[Planned] = []

    class Meanwhile(MemoryMessages):
        def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
            super().ask_for_slices(keys, reason=reason)
            seconds.append(dispatch.tick())

    messages = Meanwhile()
    assert dispatch.tick(messages=messages) == Planned(asked=1)
    assert seconds == [Planned(stood_back=True)]
    assert len(messages.sent) == 1
    assert dispatch.sent() == []


def test_a_dispatcher_that_died_stands_in_nobodys_way_after_its_deadline() -> None:
    dispatch = Dispatch().registered(ACME)

    class Deadly(MemoryMessages):
        def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
            raise Killed

    with pytest.raises(Killed):
        dispatch.tick(messages=Deadly())
    dispatch.clock.at += TIME - timedelta(milliseconds=1)
    assert dispatch.tick() == Planned(stood_back=True)
    dispatch.clock.advance(seconds=0.001)
    assert dispatch.tick() == Planned(asked=1)


def test_one_that_overslept_does_not_end_its_successors_turn() -> None:
    dispatch = Dispatch().registered(ACME)

    class Oversleeping(MemoryMessages):
        def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
            dispatch.clock.at += 2 * TIME
            until = int((dispatch.clock() + TIME).timestamp() * 1000)
            dispatch.book.pages["dispatcher"] = f'{{"owner": "another", "until_ms": {until}}}'

    dispatch.tick(messages=Oversleeping())
    assert dispatch.tick() == Planned(stood_back=True)


def test_without_the_book_nothing_is_sent() -> None:
    """Nobody could say whether another dispatcher is at work."""

    class Gone(MemoryBook):
        def revise(self, *_: object) -> object:  # type: ignore[override]
            raise StateUnavailable("table limits: throttled")

    dispatch = Dispatch().registered(ACME)
    with pytest.raises(StateUnavailable):
        dispatch.tick(book=Gone())
    assert dispatch.sent() == []


def test_a_tick_costs_two_writes_in_the_book() -> None:
    dispatch = Dispatch().registered(*keys(30))
    dispatch.tick(chunk=10)
    assert dispatch.book.writes == 2


def test_of_two_that_both_think_they_work_alone_one_is_told_that_it_raced() -> None:
    """As when the book was restored or a clock is wrong: nothing is lost, a message is one too many."""
    dispatch = Dispatch().registered(ACME)

    class Racing(MemoryMessages):
        def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
            assert dispatch.tick(book=MemoryBook()) == Planned(asked=1)

    assert dispatch.tick(messages=Racing()) == Planned(asked=1, raced=1)
