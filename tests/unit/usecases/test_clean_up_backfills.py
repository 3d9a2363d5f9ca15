"""A backfill stays a backfill, whoever died with it; and it may wait for longer than fresh work."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from sluice.core.errors import SecretMissing, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.slices import Outcome
from sluice.usecases.clean_up import ABANDONED, BATCH, SILENCE, SILENCE_OF_BACKFILLS, CleanUp
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, START, Killed, World, asking, catalogue

SECOND = timedelta(seconds=1)


@pytest.fixture
def world() -> World:
    return World(vendor=Vendor(catalogue(75)))


def begin_run(world: World, client_id: str, reason: str) -> None:
    claim = world.commits.claim(StreamKey(client_id, "shop", "things"), 1)
    assert claim is not None
    world.commits.open_run(claim, run_id=str(uuid.uuid4()), reason=reason, now=world.clock())


def asked(world: World) -> list[tuple[str, Priority]]:
    return [(sent.message.client_id, sent.message.priority) for sent in world.messages.sent]


def _die() -> None:
    raise Killed


@pytest.mark.parametrize("priority", Priority)
def test_what_died_with_its_lease_is_asked_for_again_with_its_priority(
    world: World, priority: Priority
) -> None:
    world.vendor.page_takes = _die
    with pytest.raises(Killed):
        world.run(asking("manual", priority=priority))
    world.clock.advance(minutes=5)
    assert world.clean_up().freed == 1
    (sent,) = world.messages.sent
    assert (sent.message, sent.delay) == (asking("cleanup", priority=priority), SECOND)


@pytest.mark.parametrize(
    ("priority", "reason"),
    [(p, "backfill" if p is Priority.BACKFILL else "manual") for p in Priority],
)
def test_a_run_says_when_it_is_a_backfill(world: World, priority: Priority, reason: str) -> None:
    """Else it says why its first message was sent."""
    world.run(asking("manual", priority=priority, full_since=START))
    assert [run.reason for run in world.commits.database.runs] == [reason]


def test_a_backfill_that_fails_before_it_begins_is_recorded_as_one(world: World) -> None:
    world.vendor.script = [SecretMissing("no key")]
    message = asking("manual", priority=Priority.BACKFILL)
    assert world.run(message).outcome is Outcome.RUN_FAILED
    world.streams.refuses = StreamUnknown("not in the registry")
    assert world.run(message).outcome is Outcome.RUN_FAILED
    assert [run.reason for run in world.commits.database.runs] == ["backfill", "backfill"]


def test_a_backfill_is_not_taken_for_silent_while_it_may_be_waiting(world: World) -> None:
    """Asked for again it stays one, with all its slices, until all is read."""
    world.run(asking("manual", priority=Priority.BACKFILL, full_since=START))
    world.messages.take_all()
    world.clock.at += SILENCE_OF_BACKFILLS
    assert world.clean_up() == CleanUp()
    world.clock.at += SECOND
    assert world.clean_up() == CleanUp(resent=1)
    (sent,) = world.messages.sent
    assert sent.message == asking("schedule", priority=Priority.BACKFILL)
    world.run(sent.message)
    assert asked(world)[1:] == [(KEY.client_id, Priority.BACKFILL)]
    world.drain()
    assert world.in_step()


@pytest.mark.parametrize("reason", ["schedule", "manual", "redrive", "cleanup"])
def test_any_other_run_is_asked_to_go_on_as_fresh_work(world: World, reason: str) -> None:
    begin_run(world, "acme", reason)
    world.clock.at += SILENCE + SECOND
    assert world.clean_up() == CleanUp(resent=1)
    assert asked(world) == [("acme", Priority.SCHEDULE)]


def test_backfills_that_wait_keep_no_other_run_from_being_revived(world: World) -> None:
    """Neither while they may wait, nor when they waited for longer than that: they take turns."""
    for number in range(BATCH + 20):
        begin_run(world, f"c{number:03}", "backfill")
    world.clock.advance(hours=1)
    begin_run(world, "acme", "schedule")
    world.clock.at += SILENCE + SECOND
    assert world.clean_up() == CleanUp(resent=1)
    assert asked(world) == [("acme", Priority.SCHEDULE)]
    world.clock.at += SILENCE_OF_BACKFILLS
    world.messages.take_all()
    assert world.clean_up() == CleanUp(resent=BATCH)
    assert asked(world)[:2] == [("acme", Priority.SCHEDULE), ("c000", Priority.BACKFILL)]


def test_runs_that_wait_keep_no_backfill_from_being_revived(world: World) -> None:
    """However many they are: by then the first are silent once more."""
    for number in range(5 * BATCH):
        begin_run(world, f"c{number:03}", "schedule")
    begin_run(world, "acme", "backfill")
    world.clock.at += SILENCE_OF_BACKFILLS + SECOND
    assert world.clean_up() == CleanUp(resent=BATCH)
    assert ("acme", Priority.BACKFILL) in asked(world)


def test_a_backfill_silent_for_a_day_is_closed_like_any_other_run(world: World) -> None:
    begin_run(world, "acme", "backfill")
    world.clock.at += ABANDONED
    assert world.clean_up() == CleanUp(resent=1)
    world.clock.at += SILENCE_OF_BACKFILLS
    assert world.clean_up() == CleanUp()
    world.clock.at += SECOND
    assert world.clean_up() == CleanUp(abandoned=1)
