"""Freeing what the dead left behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from sluice.core.errors import VendorThrottled
from sluice.core.keys import StreamKey
from sluice.core.ports import OpenRun
from sluice.core.slices import Lease, Outcome
from sluice.usecases.clean_up import ABANDONED, LEASE_GRACE, SILENCE, CleanUp
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, Tape, World, asking, catalogue


@pytest.fixture
def world() -> World:
    return World(vendor=Vendor(catalogue(40)))


def dead_holder(world: World) -> Lease:
    lease = world.leases.acquire(
        KEY, "dead", now=world.clock(), until=world.clock() + timedelta(seconds=90)
    )
    assert isinstance(lease, Lease)
    return lease


def test_a_lapsed_lease_is_freed_after_its_grace_and_asked_for_again(world: World) -> None:
    dead_holder(world)
    world.clock.at += timedelta(seconds=90) + LEASE_GRACE
    assert world.clean_up() == CleanUp()
    world.clock.advance(seconds=1)
    assert world.clean_up() == CleanUp(freed=1, resent=1)
    assert world.leases.items[KEY].owner is None
    world.drain()
    assert world.in_step()


def test_a_lease_taken_over_meanwhile_is_not_freed(world: World) -> None:
    """It is exactly as it was seen, or it is left alone; the message sent is one too many, no harm."""
    dead_holder(world)
    world.clock.advance(minutes=5)
    ask = world.messages.ask_for_slice

    def overtaken(key: StreamKey, **more: object) -> None:
        ask(key, **more)  # type: ignore[arg-type]
        newer = world.leases.acquire(
            KEY, "newer", now=world.clock(), until=world.clock() + timedelta(seconds=90)
        )
        assert isinstance(newer, Lease)

    world.messages.ask_for_slice = overtaken  # type: ignore[method-assign]
    assert world.clean_up() == CleanUp(changed=1)
    assert world.leases.items[KEY].owner == "newer"


def test_cleanup_asks_before_it_frees(world: World) -> None:
    """Dying in between leaves a message too many, never one too few."""
    dead_holder(world)
    world.clock.advance(minutes=5)
    tape = Tape()
    kit = tape.before(world)
    world.leases, world.messages = kit.leases, kit.messages  # type: ignore[assignment]
    world.clean_up()
    assert tape.calls == ["leases.stale", "messages.ask_for_slice", "leases.free"]


def test_a_run_gone_silent_is_asked_to_go_on(world: World) -> None:
    """Its continuation is lost; nobody holds its lease."""
    world.run(asking())
    world.messages.take_all()
    world.clock.at += SILENCE
    assert world.clean_up() == CleanUp()
    world.clock.advance(seconds=1)
    assert world.clean_up() == CleanUp(resent=1)
    world.drain()
    assert world.in_step()
    assert [run.outcome for run in world.commits.database.runs] == ["completed"]


def test_a_run_silent_for_a_day_is_closed_and_the_next_goes_on_from_its_cursor(
    world: World,
) -> None:
    world.run(asking())
    world.messages.take_all()
    world.clock.at += ABANDONED + timedelta(seconds=1)
    assert world.clean_up() == CleanUp(abandoned=1)
    (run,) = world.commits.database.runs
    assert run.outcome == "abandoned"
    assert world.run(asking()).outcome is Outcome.COMMITTED
    world.drain()
    assert world.in_step()
    assert world.vendor.pages_read == 4, "no page twice"


def test_a_pass_is_bounded(world: World) -> None:
    keys = [StreamKey(f"c{number:03}", "shop", "things") for number in range(120)]
    for key in keys:
        world.leases.acquire(key, "dead", now=world.clock(), until=world.clock())
    world.clock.advance(minutes=5)
    assert world.clean_up().freed == 100
    assert world.clean_up().freed == 20


def test_what_cleanup_asks_for_is_whatever_is_due_then(world: World) -> None:
    """Without ``expect_seq``: only Postgres knows where the stream stands. Freed first, then received."""
    dead_holder(world)
    world.clock.advance(minutes=5)
    world.clean_up()
    (freed,) = world.messages.sent
    assert (freed.message, freed.delay) == (asking("cleanup"), timedelta(seconds=1))
    world.drain()
    world.clock.advance(hours=1)
    world.run(asking("manual", full_since=world.clock()))
    world.messages.take_all()
    world.clock.advance(minutes=21)
    world.clean_up()
    assert [sent.message for sent in world.messages.sent] == [asking("schedule")]


def test_a_run_silent_for_exactly_a_day_is_asked_once_more(world: World) -> None:
    world.run(asking())
    world.messages.take_all()
    world.clock.at += ABANDONED
    assert world.clean_up() == CleanUp(resent=1)


def silent_run(world: World, client_id: str) -> None:
    claim = world.commits.claim(StreamKey(client_id, "shop", "things"), 1)
    assert claim is not None
    world.commits.open_run(claim, run_id=world.new_id(), reason="manual", now=world.clock())


def test_a_run_that_waits_is_not_asked_for_at_every_pass(world: World) -> None:
    """At its client's desk a message may wait for an hour; each further one would wait there as well."""
    silent_run(world, "acme")
    world.clock.at += SILENCE + timedelta(seconds=1)
    asked = []
    for _ in range(12):
        asked.append(world.clean_up().resent)
        world.clock.advance(minutes=5)
    assert asked == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]


def test_what_went_on_and_fell_silent_again_is_asked_for_again(world: World) -> None:
    world.run(asking())
    world.messages.take_all()
    world.clock.at += SILENCE + timedelta(seconds=1)
    assert world.clean_up().resent == 1
    world.run(world.messages.take()[0])
    world.messages.take_all()
    world.clock.at += SILENCE
    assert world.clean_up().resent == 0
    world.clock.advance(seconds=1)
    assert world.clean_up().resent == 1


def test_all_silent_runs_are_asked_for_in_turn(world: World) -> None:
    """Those of a vendor that is down for hours keep no other from being revived."""
    for number in range(120):
        silent_run(world, f"c{number:03}")
    world.clock.at += SILENCE + timedelta(seconds=1)
    assert [world.clean_up().resent for _ in range(3)] == [100, 20, 0]
    assert len({sent.message.client_id for sent in world.messages.sent}) == 120


def test_who_waits_for_a_vendor_is_not_asked_for_meanwhile(world: World) -> None:
    """Its own message is on its way; what cleanup asks for is left like a tick, and holds nothing."""
    world.run(asking())
    world.vendor.script = [VendorThrottled("429", retry_after=timedelta(minutes=15))]
    [continuation] = world.messages.take_all()
    world.clock.at += SILENCE - timedelta(minutes=1)
    assert world.run(continuation).outcome is Outcome.DEFERRED
    world.messages.take_all()
    world.clock.advance(minutes=2)
    assert world.clean_up() == CleanUp(resent=1)
    [asked] = world.messages.take_all()
    assert world.run(asked).outcome is Outcome.WAITING
    assert world.messages.sent == []


def test_cleanup_asks_before_it_notes_that_it_did(world: World) -> None:
    """Dying in between leaves a message too many, never one too few."""
    silent_run(world, "acme")
    world.clock.at += SILENCE + timedelta(seconds=1)
    tape = Tape()
    kit = tape.before(world)
    world.commits, world.messages = kit.commits, kit.messages  # type: ignore[assignment]
    world.clean_up()
    asked = ["commits.silent_runs", "messages.ask_for_slice", "commits.note_asked"]
    assert tape.calls == asked


def test_a_run_that_ended_while_cleanup_looked_is_not_counted_as_abandoned(world: World) -> None:
    world.run(asking())
    world.clock.at += ABANDONED + timedelta(seconds=1)
    silent_runs = world.commits.silent_runs

    def ended_meanwhile(**limits: Any) -> Sequence[OpenRun]:
        seen = silent_runs(**limits)
        world.drain()
        return seen

    world.commits.silent_runs = ended_meanwhile  # type: ignore[method-assign]
    assert world.clean_up() == CleanUp()
    assert [run.outcome for run in world.commits.database.runs] == ["completed"]


def test_a_pass_over_silent_runs_is_bounded_too(world: World) -> None:
    """Those silent for longest come first; the rest waits for the next pass."""
    for number in range(120):
        key = StreamKey(f"c{number:03}", "shop", "things")
        claim = world.commits.claim(key, 1)
        assert claim is not None
        world.commits.open_run(claim, run_id=world.new_id(), reason="manual", now=world.clock())
    world.clock.at += ABANDONED + timedelta(seconds=1)
    assert world.clean_up().abandoned == 100
    assert world.clean_up().abandoned == 20
