"""What a person asks for is not lost, and leaves a run to look at: `sluice sync --follow` waits for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.slices import Outcome
from tests.unit.usecases.world import KEY, START, World, asking, catalogue


@pytest.fixture
def world() -> World:
    """A vendor of five things, already in step."""
    world = World()
    world.vendor.things = catalogue(5)
    world.sync()
    return world


def runs_of(world: World) -> list[tuple[str, str]]:
    """Reason and outcome of every run."""
    return [(run.reason, run.outcome) for run in world.commits.database.runs]


def test_a_sync_of_nothing_due_is_a_run_that_read_nothing(world: World) -> None:
    """The one who asked sees it end; a tick that finds nothing due leaves no run."""
    before = len(runs_of(world))
    assert world.run(asking("schedule")).outcome is Outcome.CAUGHT_UP
    assert len(runs_of(world)) == before
    report = world.run(asking("manual"))
    assert (report.outcome, report.counts.read) == (Outcome.COMMITTED, 0)
    assert runs_of(world)[before:] == [("manual", "completed")]
    assert world.messages.sent == []
    assert world.in_step()


@pytest.mark.parametrize("reason", ["manual", "redrive"])
def test_what_was_asked_while_somebody_works_comes_back(world: World, reason: str) -> None:
    """The holder knows nothing of it: dropped, a full read or a redrive would never happen."""
    item = world.leases.items[KEY]
    item.owner, item.until = "busy", START + timedelta(days=1)
    full_since = world.clock() if reason == "manual" else None
    assert world.run(asking(reason, full_since=full_since)).outcome is Outcome.DEFERRED
    (sent,) = world.messages.sent
    assert (sent.message.reason, sent.message.full_since) == (reason, full_since)
    assert (sent.message.held, sent.delay) == (1, timedelta(seconds=1))


@pytest.mark.parametrize("reason", ["manual", "redrive"])
@pytest.mark.parametrize("held", [0, 3])
def test_what_was_asked_comes_back_when_its_worker_is_overtaken(
    world: World, reason: str, held: int
) -> None:
    """By whose clock was ahead: the newer holder goes on with the stream, and knows of no redrive and no days."""
    world.clock.advance(hours=1)

    def overtaken() -> None:
        item = world.leases.items[KEY]
        item.fencing_token, item.owner = item.fencing_token + 1, "newer"
        item.until = world.clock() + timedelta(seconds=90)
        world.commits.claim(KEY, item.fencing_token)

    world.vendor.page_takes = overtaken
    message = asking(reason, held=held, attempt=2, full_since=world.clock())
    world.commits.open_rejects = lambda *_, **__: overtaken() or ()  # type: ignore[method-assign]
    report = world.run(message)
    assert report.outcome is Outcome.SUPERSEDED
    assert report.detail.endswith(f"; comes back in {timedelta(seconds=2**held)}")
    (sent,) = world.messages.sent
    assert sent.message == message.model_copy(update={"held": held + 1})
    assert sent.delay == timedelta(seconds=2**held)


@pytest.mark.parametrize("reason", ["schedule", "cleanup", "deferred", "push"])
def test_what_a_tick_says_again_does_not(world: World, reason: str) -> None:
    world.clock.advance(hours=1)

    def overtaken() -> None:
        world.leases.items[KEY].fencing_token += 1
        world.commits.claim(KEY, world.leases.items[KEY].fencing_token)

    world.vendor.page_takes = overtaken
    assert world.run(asking(reason, full_since=world.clock())).outcome is Outcome.SUPERSEDED
    assert world.messages.sent == []


def test_a_full_read_asked_for_while_somebody_works_is_made_once_they_let_go(world: World) -> None:
    """The lease lapses, the message that came back finds it free, and everything is read anew."""
    world.clock.advance(hours=1)
    world.vendor.things["t001"] = 2
    item = world.leases.items[KEY]
    item.owner, item.until = "busy", world.clock() + timedelta(seconds=90)
    reports = world.sync(full_since=world.clock())
    assert [report.outcome for report in reports[:2]] == [Outcome.DEFERRED, Outcome.DEFERRED]
    assert sum(report.counts.updated for report in reports) == 1
    assert world.in_step()
