"""Our own stores fail at every single call, before it is done or after; and leases are given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from sluice.core.errors import (
    CredentialsRefused,
    DatabaseUnavailable,
    QueueUnavailable,
    RetryLater,
    SluiceError,
    StateUnavailable,
    VendorUnavailable,
)
from sluice.core.slices import Outcome
from tests.memory.streams import Vendor
from tests.unit.usecases.world import KEY, Tape, World, asking, catalogue

FAULTS = {
    "leases": StateUnavailable,
    "commits": DatabaseUnavailable,
    "messages": QueueUnavailable,
}


@dataclass
class FailingTape(Tape):
    """Fails at moment ``fail_at`` and the ``more`` that follow it, instead of killing.

    Even moments lie after a call: the store did as it was told, and its answer was lost.
    """

    fail_at: int = 0
    more: int = 0

    @contextmanager
    def around(self, call: str) -> Iterator[None]:
        self._maybe_fail(call)
        yield
        self._maybe_fail(call)

    def _maybe_fail(self, call: str) -> None:
        self.moments += 1
        if self.fail_at <= self.moments <= self.fail_at + self.more:
            raise FAULTS[call.split(".")[0]](f"{call} at moment {self.moments}")


def new_world() -> World:
    """A table in step, then a vendor that changed, added and removed something."""
    world = World(vendor=Vendor(catalogue(50)))
    world.sync()
    world.clock.advance(hours=1)
    world.vendor.things |= {"t001": 2, "u000": 1}
    del world.vendor.things["t007"]
    return world


def full_read(world: World, tape: Tape) -> int:
    """To the end, with the tape before each port; how many moments there were.

    What raises comes back through the queue once it is visible again. Delays are waited for.
    """
    kit = tape.before(world)
    messages = [(asking("manual", full_since=world.clock()), timedelta(0))]
    while messages:
        message, delay = messages.pop(0)
        world.clock.at += delay
        try:
            world.run(message, kit)
        except RetryLater:
            messages.append((message, timedelta(minutes=6)))
        messages += [(sent.message, sent.delay) for sent in world.messages.sent]
        world.messages.sent.clear()
    return tape.moments


MOMENTS = full_read(new_world(), FailingTape())


@pytest.mark.parametrize("more", [0, 1, 4])
@pytest.mark.parametrize("fail_at", range(1, MOMENTS + 1))
def test_whatever_call_fails_the_run_gets_to_its_end(fail_at: int, more: int) -> None:
    """By the same message or the one that it was sent as: no kill, no cleanup, nothing lost or doubled.

    With several failures in a row the deferral and the giving back of the lease fail too.
    """
    world = new_world()
    full_read(world, FailingTape(fail_at=fail_at, more=more))
    if world.leases.items[KEY].owner is not None:  # its release failed: it lapses, cleanup frees it
        world.clock.advance(minutes=6)
        world.clean_up()
        world.drain()
    assert world.in_step()
    assert all(run.outcome == "completed" for run in world.commits.database.runs)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (VendorUnavailable("503"), Outcome.DEFERRED),
        (DatabaseUnavailable("gone"), Outcome.DEFERRED),
        (CredentialsRefused("401"), Outcome.RUN_FAILED),
    ],
)
def test_a_lease_whose_token_was_lifted_is_given_back_too(
    error: SluiceError, outcome: Outcome
) -> None:
    """After the state table's restore the lease that counts is the lifted one, also when work fails."""
    world = new_world()
    world.leases.items.clear()
    world.vendor.script = [error]
    assert world.run(asking("manual", full_since=world.clock())).outcome is outcome
    assert world.leases.items[KEY].owner is None


def test_a_fault_that_nobody_foresaw_leaves_the_lease_to_lapse() -> None:
    """A bug of ours or of a library: what became of the slice is not known, so nobody is let in early.

    The message comes back by itself once the lease has run out, and cleanup would not lose it either.
    """
    world = new_world()
    world.vendor.script = [TypeError("a bug")]
    message = asking("manual", full_since=world.clock())
    with pytest.raises(TypeError):
        world.run(message)
    assert world.leases.items[KEY].owner is not None
    world.clock.advance(minutes=6)
    assert world.run(message).outcome is Outcome.COMMITTED
    world.drain()
    assert world.in_step()
