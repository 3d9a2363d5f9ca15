"""What may befall the stores, the workers and the queue: at any moment, each as often as Config allows."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import states as at
from tests.model.states import Config, Item, Postgres, State, World

FORGOTTEN_BY_POSTGRES = at.STORED | at.STORED_IN_REPLICA | at.WARNED
FORGOTTEN_BY_DYNAMODB = at.HOLDS | at.HOLDS_IN_BACKUP | at.WARNED


def misfortunes(config: Config, state: State) -> Iterator[tuple[str, World]]:
    """Each with the world after it."""
    if config.deaths:
        yield from _deaths(state)
    if config.dead_letters:
        yield from _dead_letters(state)
    yield from _late_facts(config, state)
    yield from _failover(state)
    yield from _restore(state)


def _deaths(state: State) -> Iterator[tuple[str, World]]:
    """Its message stays in the queue, its lease in the item. A ghost that dies was rolled back."""
    for i, worker in enumerate(state[2]):
        if worker[0] and not (i and worker == state[2][i - 1]):
            world = World(state)
            world.workers[i].vanish()
            yield f"token {worker[4]} dies before: {at.PLACES[worker[0]]}", world
    if state[4] != at.NOTHING_SEEN:
        world = World(state)
        world.cleanup = at.NOTHING_SEEN
        world.forget_what_cleanup_saw()
        yield "cleanup dies", world


def _dead_letters(state: State) -> Iterator[tuple[str, World]]:
    """Received five times in vain, or older than the queue keeps: a message is gone."""
    for message in range(state[3].bit_length()):
        if state[3] >> message & 1:
            world = World(state)
            world.queue &= ~(1 << message)
            yield f"message {message} becomes a dead letter", world


def _late_facts(config: Config, state: State) -> Iterator[tuple[str, World]]:
    """The vendor shows a fact late, but never by more than the lookback behind its newest read."""
    reading = [w[7] for w in state[2] if w[0] in (at.COMMIT, at.LOOK_UP, at.GHOST)]
    newest = max([state[1][2], *reading])
    for fact in config.late:
        if not state[5] >> fact & 1 and newest - config.lookback <= fact:
            world = World(state)
            world.visible |= 1 << fact
            yield f"fact {fact} appears", world


def _failover(state: State) -> Iterator[tuple[str, World]]:
    """The replica stops following at any moment; at any later one it takes over."""
    world = World(state)
    if world.replica is not None:
        world.postgres, world.replica = world.replica, None
        world.failovers -= 1
        world.failed_over = max(world.failed_over, 1)
        for worker in world.workers:
            stored = bool(worker.marks & at.STORED_IN_REPLICA)
            worker.marks = worker.marks & ~FORGOTTEN_BY_POSTGRES | stored * at.STORED
        yield "Postgres fails over and loses commits", world
    elif world.failovers:
        world.replica = Postgres(world.postgres.lean())
        for worker in world.workers:
            worker.marks |= at.STORED_IN_REPLICA * bool(worker.marks & at.STORED)
        yield "the replica falls behind from here", world


def _restore(state: State) -> Iterator[tuple[str, World]]:
    """DynamoDB is backed up at any moment, and at any later one restored from that."""
    world = World(state)
    if world.backup is not None:
        world.item, world.backup = world.backup, None
        world.restores -= 1
        for worker in world.workers:
            held = bool(worker.marks & at.HOLDS_IN_BACKUP)
            worker.marks = worker.marks & ~FORGOTTEN_BY_DYNAMODB | held * at.HOLDS
        yield "DynamoDB is restored from its backup", world
    elif world.restores:
        world.backup = Item(world.item.lean())
        for worker in world.workers:
            worker.marks |= at.HOLDS_IN_BACKUP * bool(worker.marks & at.HOLDS)
        yield "DynamoDB is backed up", world
