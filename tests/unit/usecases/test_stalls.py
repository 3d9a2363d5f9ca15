"""The worker stalls at every single moment, another one does all of its work, and then it wakes up.

Harder than dying: it still believes that the stream is its own, and goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from sluice.core.slices import Outcome
from sluice.messages import SliceMessage
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, Tape, World, asking, catalogue


@dataclass
class Stall(Tape):
    """At ``kill_at`` the worker is not killed but frozen until everything is done without it."""

    world: World = field(default_factory=World)
    at_work_on: SliceMessage = field(default_factory=asking)
    stalled: bool = False
    lag: int = 0
    """By how much the watermark was behind Postgres when the stalled worker had ended."""

    def _moment(self) -> None:
        self.moments += 1
        if self.moments == self.kill_at:
            self.stalled = True
            self.world.clock.advance(minutes=6)
            self._meanwhile([*self.world.messages.take_all(), self.at_work_on])

    def _meanwhile(self, messages: list[SliceMessage]) -> None:
        """Its message is delivered again, and its lease has lapsed."""
        while messages:
            self.world.run(messages.pop(0))
            messages += self.world.messages.take_all()


def new_world() -> World:
    """A table in step, then a vendor that changed, added and removed something."""
    world = World(vendor=Vendor(catalogue(50)))
    world.sync()
    world.clock.advance(hours=1)
    world.vendor.things |= {"t001": 2, "t049": 2, "u000": 1}
    del world.vendor.things["t007"]
    return world


def run_with_a_stall(world: World, stall_at: int | None) -> tuple[Stall, Outcome | None]:
    """One full read, and how the slice that stalled ended."""
    tape = Stall(stall_at, world=world)
    kit = tape.before(world)
    messages = [asking("manual", full_since=world.clock())]
    ended: Outcome | None = None
    while messages:
        tape.at_work_on = messages.pop(0)
        before = tape.stalled
        report = world.run(tape.at_work_on, kit)
        if tape.stalled and not before:
            ended = report.outcome
            tape.lag = world.commits.database.streams[KEY].seq - world.leases.items[KEY].seq
        messages += world.messages.take_all()
    return tape, ended


CALLS = run_with_a_stall(new_world(), None)[0].calls
MOMENTS = range(1, 2 * len(CALLS) + 1)


def between_claim_and_commit() -> list[int]:
    """Moments at which a slice has claimed and not yet committed."""
    moments, claimed = [], False
    for number, call in enumerate(CALLS):
        before, after = 2 * number + 1, 2 * number + 2
        if claimed:
            moments.append(before)
        claimed = (claimed or call == "commits.claim") and call != "commits.commit"
        if claimed:
            moments.append(after)
    return moments


@pytest.mark.parametrize("stall_at", MOMENTS)
def test_stalled_at_any_moment_it_wakes_up_and_harms_nothing(stall_at: int) -> None:
    world = new_world()
    tape, _ = run_with_a_stall(world, stall_at)
    assert tape.stalled
    assert tape.lag == 0, "it wrote its own, older watermark"
    assert world.in_step()


@pytest.mark.parametrize("stall_at", MOMENTS)
def test_a_run_that_a_stalled_worker_opened_too_late_is_closed_by_cleanup(stall_at: int) -> None:
    """Opening a run is not fenced: it may begin one when all is done, and its commit is then refused."""
    world = new_world()
    run_with_a_stall(world, stall_at)
    world.clock.advance(minutes=21)
    world.clean_up()
    world.drain()
    assert [run.outcome for run in world.commits.database.runs if run.outcome != "completed"] == []
    assert world.in_step()


@pytest.mark.parametrize("stall_at", between_claim_and_commit())
def test_who_wakes_up_before_its_commit_commits_nothing(stall_at: int) -> None:
    """Superseded, or (when judging finds no time left) deferred and later dropped."""
    _, ended = run_with_a_stall(new_world(), stall_at)
    assert ended in (Outcome.SUPERSEDED, Outcome.DEFERRED)
