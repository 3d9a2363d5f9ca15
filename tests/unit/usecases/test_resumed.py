"""A pause in the middle of a run: its continuation is thrown away, and after the resume nothing waits for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.slices import Outcome
from sluice.core.steering.ports import MOST_AGE
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import SUBJECT, SwitchBoard
from sluice.dynamo.registry import RegistryEntry
from sluice.usecases import steer
from sluice.usecases.plan import PlanKit, Planned, plan
from tests.memory.messages import Sent
from tests.memory.registry import MemoryRegistry
from tests.memory.standings import MemoryStandings
from tests.memory.steering import MemoryAudit, MemorySteering
from tests.unit.usecases.world import KEY, World, catalogue

DAY = timedelta(days=1)
SCOPE = Scope(client_id=KEY.client_id)


class Steered:
    """A world whose one stream is read once a day, with a dispatcher and somebody who steers."""

    def __init__(self) -> None:
        self.world = World()
        self.world.vendor.things = catalogue(100)
        self.registry = MemoryRegistry()
        self.registry.apply([RegistryEntry(KEY, DAY, {}, "secret")], self.world.clock())

    def person(self) -> steer.Kit:
        world, streams = self.world, self.registry.show()
        steering = MemorySteering(self.registry)
        return steer.Kit(world.book, MemoryAudit(), steering, streams, world.clock, "a person")

    def tick(self, *, after_s: int = 60) -> Planned:
        """The next minute's, or one that comes sooner."""
        world = self.world
        world.clock.advance(seconds=after_s)
        kit = PlanKit(
            schedule=self.registry,
            standings=MemoryStandings(world.leases),
            messages=world.messages,
            book=world.book,
            board=SwitchBoard.of_page(world.book.read(SUBJECT)).at(world.clock()),
            clock=world.clock,
            new_id=world.new_id,
        )
        return plan(kit, world.clock() + timedelta(seconds=50))

    def receive(self) -> Outcome:
        """A worker receives the one message there is."""
        (sent,) = self.world.messages.sent
        self.world.messages.sent = []
        self.world.clock.advance(seconds=sent.delay.total_seconds())
        return self.world.run(sent.message).outcome

    def begin(self) -> None:
        """A crawl is begun; its continuation is on its way."""
        assert self.tick() == Planned(asked=1)
        assert self.receive() is Outcome.COMMITTED
        assert self.world.leases.items[KEY].has_more
        assert self.tick() == Planned()

    def go_on_to_the_end(self) -> None:
        """By what the next tick asks for, and by nothing else."""
        assert self.tick() == Planned(asked=1)
        reports = self.world.drain()
        assert {report.outcome for report in reports} == {Outcome.COMMITTED}
        (run,) = self.world.commits.database.runs
        assert (run.outcome, run.ended_at is not None) == ("completed", True)
        assert self.world.in_step()


def test_a_run_paused_in_its_middle_goes_on_at_the_tick_after_the_resume() -> None:
    """As the same run, at its cursor: nothing is read twice, nothing is left out."""
    stand = Steered()
    stand.begin()
    steer.pause(stand.person(), SCOPE)
    stand.world.clock.advance(seconds=MOST_AGE.total_seconds())
    assert stand.receive() is Outcome.PAUSED
    assert stand.world.messages.sent == []
    steer.resume(stand.person(), SCOPE)
    stand.go_on_to_the_end()
    assert stand.world.vendor.pages_read == 10


def test_who_is_paused_learns_by_whom() -> None:
    stand = Steered()
    steer.pause(stand.person(), SCOPE)
    report = stand.world.run()
    assert (report.outcome, report.key) == (Outcome.PAUSED, KEY)
    assert report.detail == "acme by a person"


def test_a_worker_that_knew_the_pause_does_not_throw_away_what_is_sent_after_the_resume() -> None:
    """Else the stream would wait a day for its next beat."""
    stand = Steered()
    stand.begin()
    worker = stand.world.kit()
    steer.pause(stand.person(), SCOPE)
    stand.world.clock.advance(seconds=MOST_AGE.total_seconds())
    (continuation,) = stand.world.messages.take_all()
    assert stand.world.run(continuation, worker).outcome is Outcome.PAUSED
    steer.resume(stand.person(), SCOPE)
    assert stand.tick(after_s=5) == Planned(asked=1)
    (asked,) = stand.world.messages.take_all()
    assert stand.world.run(asked, worker).outcome is Outcome.COMMITTED


@pytest.mark.parametrize("minutes", [2, 60])
def test_so_does_one_whose_pause_lapses_by_itself(minutes: int) -> None:
    stand = Steered()
    stand.begin()
    steer.pause(stand.person(), SCOPE, lasting=timedelta(minutes=minutes))
    stand.world.clock.advance(seconds=MOST_AGE.total_seconds())
    assert stand.receive() is Outcome.PAUSED
    for _ in range(minutes - 1):
        assert stand.tick() == Planned()
    stand.go_on_to_the_end()


def test_one_whose_continuation_outlived_the_pause_is_asked_for_once_more_and_stays_sound() -> None:
    """Nobody knows that it was not received: one message too many, which is dropped as a duplicate."""
    stand = Steered()
    stand.begin()
    steer.pause(stand.person(), SCOPE)
    stand.world.clock.advance(seconds=MOST_AGE.total_seconds())
    steer.resume(stand.person(), SCOPE)
    assert stand.tick() == Planned(asked=1)
    continuation, asked = stand.world.messages.sent
    stand.world.messages.sent = [asked, Sent(continuation.message)]
    outcomes = [report.outcome for report in stand.world.drain()]
    assert outcomes.count(Outcome.DUPLICATE) == 1
    assert set(outcomes) == {Outcome.COMMITTED, Outcome.DUPLICATE}
    assert stand.world.in_step()
