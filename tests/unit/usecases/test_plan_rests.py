"""What a tick believes of messages and rests that it knows of: for how long, and not from before a pause ended."""

from __future__ import annotations

from datetime import timedelta

from sluice.core.underway import Asked
from sluice.dynamo.registry import next_due
from sluice.usecases.plan import Planned
from tests.unit.usecases.dispatching import ACME, CADENCE, Dispatch
from tests.unit.usecases.world import START

DAY = timedelta(days=1)


def resting(until: timedelta) -> Dispatch:
    """A stream of a day's cadence whose vendor asked for peace, resumed at once."""
    dispatch = Dispatch().registered(ACME, cadence=DAY)
    dispatch.work(ACME, not_before=START + until)
    dispatch.registry.resumed_at[ACME] = START
    return dispatch


def test_a_rest_of_which_nobody_knows_when_it_began_is_waited_for_as_any_other() -> None:
    """As one that an older version wrote: its message may still be on its way."""
    dispatch = resting(timedelta(minutes=6))
    dispatch.leases.items[ACME].updated_at = None
    assert dispatch.tick() == Planned(queued=1)
    assert dispatch.due_at(ACME) == next_due(ACME, DAY, START)


def test_a_rest_that_is_over_keeps_nobody_looking() -> None:
    """A message is on its way already, so the stream moves on by its beat and is not asked about at every tick."""
    dispatch = resting(timedelta(minutes=6))
    dispatch.clock.advance(minutes=6)
    token = dispatch.leases.items[ACME].fencing_token
    dispatch.registry.asked[ACME] = Asked(START + timedelta(minutes=1), token)
    assert dispatch.tick() == Planned(queued=1)
    assert dispatch.due_at(ACME) == next_due(ACME, DAY, dispatch.clock())


def test_a_message_from_before_a_pause_ended_counts_for_nothing() -> None:
    """Workers threw it away while the stream was paused; one sent since is on its way."""
    dispatch = Dispatch().registered(ACME)
    assert dispatch.tick() == Planned(asked=1)
    dispatch.clock.advance(seconds=1)
    dispatch.registry.resumed_at[ACME] = dispatch.clock()
    assert dispatch.next_tick() == Planned(asked=1)
    assert dispatch.next_tick() == Planned(queued=1)


def test_a_message_counts_for_as_long_as_the_tick_is_told() -> None:
    dispatch = Dispatch().registered(ACME)
    assert dispatch.tick() == Planned(asked=1)
    dispatch.clock.at += CADENCE
    assert dispatch.tick(message_counts_for=2 * CADENCE) == Planned(queued=1)
    dispatch.clock.at += CADENCE
    assert dispatch.tick(message_counts_for=2 * CADENCE) == Planned(asked=1)


def test_a_tick_that_did_all_there_was_says_neither_that_more_is_due_nor_that_it_stood_back() -> (
    None
):
    planned = Dispatch().registered(ACME).tick()
    assert (planned.more_due, planned.stood_back) == (False, False)
