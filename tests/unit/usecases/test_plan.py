"""What a tick does with streams that are due: asks, or skips those underway already and those paused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from sluice.core.errors import QueueUnavailable
from sluice.core.fault_points import FaultPoint, listening
from sluice.core.keys import StreamKey
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Cadence, Pause, SwitchBoard
from sluice.core.underway import MESSAGE_COUNTS_FOR, Asked
from sluice.dynamo.registry import next_due
from sluice.usecases.plan import Planned
from tests.memory.messages import MemoryMessages
from tests.unit.usecases.dispatching import ACME, BOLT, CADENCE, TIME, Dispatch
from tests.unit.usecases.world import START, Killed


def test_what_is_due_is_asked_for_once() -> None:
    dispatch = Dispatch().registered(ACME, BOLT)
    assert dispatch.tick() == Planned(asked=2)
    assert {sent.message.reason for sent in dispatch.messages.sent} == {"schedule"}
    assert set(dispatch.sent()) == {ACME, BOLT}
    assert dispatch.tick() == Planned()
    for key in (ACME, BOLT):
        dispatch.work(key)
    assert dispatch.next_tick() == Planned(asked=2)


def test_a_stream_is_advanced_only_after_its_message_is_sent() -> None:
    """A queue that refuses leaves everything due: asked twice is harmless, not at all is not."""

    class Refusing(MemoryMessages):
        def ask_for_slices(self, keys: object, *, reason: str) -> None:
            raise QueueUnavailable("SQS refused 2 of 2 messages")

    dispatch = Dispatch().registered(ACME, BOLT)
    with pytest.raises(QueueUnavailable):
        dispatch.tick(messages=Refusing())
    dispatch.clock.at += TIME
    assert dispatch.tick() == Planned(asked=2)


@pytest.mark.parametrize(
    ("point", "again"),
    [(FaultPoint.PLAN_SENT, [ACME, BOLT]), (FaultPoint.PLAN_ADVANCED, [])],
)
def test_a_dispatcher_that_dies_asks_twice_never_not_at_all(
    point: FaultPoint, again: list[StreamKey]
) -> None:
    dispatch = Dispatch().registered(ACME, BOLT)

    def die(reached: FaultPoint) -> None:
        if reached is point:
            raise Killed

    with listening(die), pytest.raises(Killed):
        dispatch.tick()
    assert set(dispatch.sent()) == {ACME, BOLT}
    dispatch.clock.at += TIME
    dispatch.tick()
    assert dispatch.sent() == again


# --- underway already ---------------------------------------------------------------------------------


def test_what_is_queued_still_is_not_asked_for_again() -> None:
    """Nobody received the first message yet."""
    dispatch = Dispatch().registered(ACME, BOLT)
    dispatch.tick()
    dispatch.work(BOLT)
    dispatch.sent()
    assert dispatch.next_tick() == Planned(asked=1, queued=1)
    assert dispatch.sent() == [BOLT]


def test_a_message_that_got_lost_is_sent_anew_after_half_an_hour() -> None:
    """However often its stream was skipped meanwhile: skipping does not count as asking."""
    dispatch = Dispatch().registered(ACME)
    dispatch.tick()
    dispatch.sent()
    began = dispatch.clock()
    while not dispatch.next_tick().asked:
        assert dispatch.clock() - began < 2 * MESSAGE_COUNTS_FOR
    assert dispatch.clock() - began == MESSAGE_COUNTS_FOR
    assert dispatch.sent() == [ACME]


def test_what_is_running_is_not_asked_for() -> None:
    dispatch = Dispatch().registered(ACME)
    dispatch.hold(ACME)
    assert dispatch.tick() == Planned(running=1)
    assert dispatch.sent() == []
    assert dispatch.tick() == Planned(), "it moved on by its beat"


def test_what_continues_by_itself_is_not_asked_for() -> None:
    dispatch = Dispatch().registered(ACME)
    lease = dispatch.hold(ACME)
    dispatch.leases.save_watermark(lease, cursor={}, seq=1, has_more=True, run_id="run")
    dispatch.leases.release(lease, continued_seq=1)
    assert dispatch.tick() == Planned(queued=1)


def test_what_waits_for_its_vendor_is_not_asked_for() -> None:
    dispatch = Dispatch().registered(ACME)
    dispatch.work(ACME, not_before=dispatch.clock() + timedelta(minutes=6))
    assert dispatch.tick() == Planned(queued=1)
    assert dispatch.next_tick() == Planned(queued=1)
    assert dispatch.next_tick() == Planned(asked=1)


def test_what_rested_when_its_pause_ended_is_asked_for_once_the_rest_is_over() -> None:
    """The message deferred until then was thrown away, and a day's cadence would be long to wait. Before
    the rest is over, another would be turned away."""
    day = timedelta(days=1)
    dispatch = Dispatch().registered(ACME, BOLT, cadence=day)
    rested = START + timedelta(minutes=6)
    dispatch.work(ACME, not_before=rested)
    dispatch.registry.resumed_at[ACME] = START
    dispatch.clock.advance(seconds=1)
    dispatch.registry.resumed_at[BOLT] = START
    dispatch.work(BOLT, not_before=rested)
    assert dispatch.tick() == Planned(queued=2)
    assert dispatch.due_at(ACME) == rested
    assert dispatch.due_at(BOLT) == next_due(BOLT, day, dispatch.clock()), "its message still comes"
    dispatch.clock.at = rested
    assert dispatch.tick() == Planned(asked=1)
    assert dispatch.sent() == [ACME]


def test_a_worker_in_between_looking_and_sending_does_no_harm() -> None:
    """Its token is not the one that the dispatcher saw: the stream counts as received, and is asked for."""
    dispatch = Dispatch().registered(ACME)

    class Overtaken(MemoryMessages):
        def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
            dispatch.work(ACME)

    assert dispatch.tick(messages=Overtaken()) == Planned(asked=1)
    assert dispatch.next_tick() == Planned(asked=1)


def test_one_made_due_at_once_is_asked_for_though_a_message_is_out() -> None:
    """As when it was paused, its message was dropped, and it is resumed."""
    dispatch = Dispatch().registered(ACME)
    dispatch.tick()
    dispatch.registry.due_now(ACME, dispatch.clock())
    assert dispatch.tick() == Planned(asked=1)


# --- switches -----------------------------------------------------------------------------------------


def test_a_paused_stream_is_not_asked_for_and_moves_on() -> None:
    """Nor does it count as asked for: resumed, it is at its next beat."""
    dispatch = Dispatch().registered(ACME, BOLT)
    pause = Pause(Scope(client_id="acme"), since=START, by="a person")
    dispatch.board = SwitchBoard(pauses={pause.scope: pause})
    assert dispatch.tick() == Planned(asked=1, paused=1)
    assert dispatch.sent() == [BOLT]
    assert dispatch.tick() == Planned()
    dispatch.board = SwitchBoard()
    dispatch.work(BOLT)
    assert dispatch.next_tick() == Planned(asked=2)


@pytest.mark.parametrize("until", [timedelta(minutes=7), timedelta(days=2)], ids=str)
def test_a_paused_stream_is_looked_at_when_its_pause_lapses(until: timedelta) -> None:
    """A stream read once a day must not wait a day for a pause of minutes: it is looked at once more then.
    A pause that outlasts the next beat changes nothing."""
    dispatch = Dispatch().registered(ACME, cadence=timedelta(days=1))
    pause = Pause(Scope("acme"), since=START, by="a person", until=START + until)
    board = SwitchBoard(pauses={pause.scope: pause})
    dispatch.board = board
    assert dispatch.tick() == Planned(paused=1)
    beat = next_due(ACME, timedelta(days=1), START)
    assert dispatch.due_at(ACME) == min(beat, START + until)
    dispatch.clock.at = dispatch.due_at(ACME)
    dispatch.board = board.at(dispatch.clock())
    assert dispatch.tick().asked == (beat > START + until)


def test_a_paused_stream_counts_as_paused_also_while_it_runs_out() -> None:
    dispatch = Dispatch().registered(ACME)
    dispatch.hold(ACME)
    pause = Pause(Scope(), since=START, by="a person")
    dispatch.board = SwitchBoard(pauses={pause.scope: pause})
    assert dispatch.tick() == Planned(paused=1)


def test_a_cadence_switched_on_decides_when_it_is_due_next() -> None:
    dispatch = Dispatch().registered(ACME, BOLT)
    every = Cadence(Scope(client_id="acme"), timedelta(hours=3), since=START, by="a person")
    dispatch.board = SwitchBoard(cadences={every.scope: every})
    dispatch.tick()
    assert START < dispatch.due_at(BOLT) <= START + CADENCE
    assert START + CADENCE < dispatch.due_at(ACME) <= START + timedelta(hours=3)


def test_what_is_asked_for_is_noted_with_the_token_that_was_seen() -> None:
    """Of what was skipped, nothing is noted."""
    dispatch = Dispatch().registered(ACME, BOLT)
    dispatch.work(ACME)
    dispatch.hold(BOLT)
    dispatch.tick()
    assert dispatch.registry.asked == {ACME: Asked(START, 1)}
