"""What comes from outside the chain of slices: the schedule's tick and the two halves of cleanup."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import states as at
from tests.model.explore import FREE, REVIVE, TICK
from tests.model.states import FREED, NOTHING_SEEN, Guards, State, World


def tick(state: State, *, cleanup: bool) -> Iterator[tuple[int, str, World]]:
    """A message without expect_seq, from the schedule or because an open run went silent."""
    if state[3] & 1:
        return
    world = World(state)
    world.send(0)
    yield TICK, "a schedule tick", world
    if cleanup and world.postgres.run_open:
        yield REVIVE, "cleanup asks for the silent run", world


def clean_up(state: State, guards: Guards) -> Iterator[tuple[int, str, World]]:
    """It sees a lease and asks for a slice; later it frees the lease if it is as it was seen."""
    world = World(state)
    if world.cleanup == FREED:
        world.send(0)
        world.cleanup = NOTHING_SEEN
        yield FREE, "cleanup asks for a slice", world
    elif world.cleanup >= 0:
        same = is_as_seen(world)
        if same or not guards.conditional_free:
            world.give_back()
        world.cleanup = FREED if same and not guards.ask_before_freeing else NOTHING_SEEN
        world.forget_what_cleanup_saw()
        yield FREE, "cleanup frees the lease" if same else "cleanup finds it changed", world
    elif world.item.held:
        world.cleanup = world.item.token
        for worker in world.workers:
            seen = worker.marks & at.HOLDS
            worker.marks = worker.marks & ~at.SEEN_BY_CLEANUP | (at.SEEN_BY_CLEANUP * seen)
        if guards.ask_before_freeing:
            world.send(0)
        asks = " and asks for a slice" if guards.ask_before_freeing else ""
        yield FREE, f"cleanup sees the lease{asks}", world


def is_as_seen(world: World) -> bool:
    """Owner and token are those that cleanup saw (the dead all count as one owner)."""
    return world.item.token == world.cleanup and all(
        bool(w.marks & at.HOLDS) == bool(w.marks & at.SEEN_BY_CLEANUP) for w in world.workers
    )
