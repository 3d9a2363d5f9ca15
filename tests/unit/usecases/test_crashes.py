"""The worker dies before or after every single call it makes; the next one finishes the run."""

from __future__ import annotations

import contextlib
from itertools import count

import pytest

from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, Killed, Tape, World, asking, catalogue


def new_world() -> World:
    """A table in step, then a vendor that changed, added and removed something."""
    world = World(vendor=Vendor(catalogue(50)))
    world.sync()
    world.clock.advance(hours=1)
    world.vendor.things |= {"t001": 2, "t049": 2, "u000": 1}
    del world.vendor.things["t007"]
    return world


def run_with_a_kill(world: World, kill_at: int | None) -> int:
    """One full read whose worker is killed at that moment of its port calls; how many there were.

    A killed worker's message comes back after its visibility timeout, by when the lease has lapsed.
    """
    tape = Tape(kill_at)
    kit = tape.before(world)
    messages = [asking("manual", full_since=world.clock())]
    while messages:
        message = messages.pop(0)
        try:
            world.run(message, kit)
        except Killed:
            world.clock.advance(minutes=6)
            messages.append(message)
        messages += world.messages.take_all()
    return tape.moments


MOMENTS = run_with_a_kill(new_world(), None)


@pytest.mark.parametrize("kill_at", range(1, MOMENTS + 1))
def test_killed_at_any_moment_the_redelivered_message_finishes(kill_at: int) -> None:
    """Without cleanup's help: the message itself is enough."""
    world = new_world()
    run_with_a_kill(world, kill_at)
    assert world.in_step()


@pytest.mark.parametrize("kill_at", range(1, MOMENTS + 1))
def test_killed_at_any_moment_cleanup_alone_finishes(kill_at: int) -> None:
    """Its message is lost with the worker (or months away): the lease and the run are enough.

    Unless it died before it took the lease: then there is nothing to see, and a tick begins anew.
    """
    world = new_world()
    tape = Tape(kill_at)
    kit = tape.before(world)
    messages = [asking("manual", full_since=world.clock())]
    with contextlib.suppress(Killed):
        while messages:
            world.run(messages.pop(0), kit)
            messages += world.messages.take_all()
    for _ in range(4):
        world.clock.advance(minutes=21)
        world.clean_up()
        world.drain()
    assert all(run.ended_at is not None for run in world.commits.database.runs)
    assert world.leases.items[KEY].owner is None
    world.clock.advance(minutes=1)
    world.sync(full_since=world.clock())
    assert world.in_step()


@pytest.mark.parametrize("every", range(2, 14))
def test_killed_again_and_again_it_still_gets_there(every: int) -> None:
    """Each invocation that lives for ``every`` moments at most, but a little longer each time."""
    world = new_world()
    messages = [asking("manual", full_since=world.clock())]
    for life in count(every):
        if not messages:
            break
        message = messages.pop(0)
        try:
            world.run(message, Tape(life).before(world))
        except Killed:
            world.clock.advance(minutes=6)
            messages.insert(0, message)
        messages += world.messages.take_all()
    assert world.in_step()


def test_a_commit_whose_answer_was_lost_is_not_made_twice() -> None:
    """Killed right after the commit: the redelivered message finds its slice made and goes on."""
    world = new_world()
    before = world.commits.database.streams[KEY].seq
    tape = Tape()
    world.run(asking("manual", full_since=world.clock()), tape.before(world))
    after_commit = 2 * tape.calls.index("commits.commit") + 2
    world = new_world()
    run_with_a_kill(world, after_commit)
    assert world.in_step()
    seqs = [stored.link.seq for stored in world.commits.database.log[KEY]]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) > before
