"""What a pass of cleanup says that it did, when there is more than one of each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.keys import StreamKey
from sluice.core.slices import Lease
from sluice.usecases.clean_up import SILENCE, CleanUp
from tests.unit.usecases.world import World

KEYS = [StreamKey(f"c{number}", "shop", "things") for number in range(3)]


@pytest.fixture
def world() -> World:
    return World()


def test_every_lease_taken_over_meanwhile_is_counted(world: World) -> None:
    """As one more than should be: cleanup asks for each before it looks again."""
    for key in KEYS:
        world.leases.acquire(key, "dead", now=world.clock(), until=world.clock())
    world.clock.advance(minutes=5)
    ask = world.messages.ask_for_slice

    def overtaken(key: StreamKey, **more: object) -> None:
        ask(key, **more)  # type: ignore[arg-type]
        until = world.clock() + timedelta(seconds=90)
        newer = world.leases.acquire(key, "newer", now=world.clock(), until=until)
        assert isinstance(newer, Lease)

    world.messages.ask_for_slice = overtaken  # type: ignore[method-assign]
    assert world.clean_up() == CleanUp(changed=3)


def test_every_message_sent_is_counted(world: World) -> None:
    """Two leases freed and three runs revived are five messages."""
    for key in KEYS:
        claim = world.commits.claim(key, 1)
        assert claim is not None
        world.commits.open_run(claim, run_id=world.new_id(), reason="manual", now=world.clock())
    for key in KEYS[:2]:
        world.leases.acquire(key, "dead", now=world.clock(), until=world.clock())
    world.clock.at += SILENCE + timedelta(seconds=1)
    assert world.clean_up() == CleanUp(freed=2, resent=5)
    assert len(world.messages.sent) == 5
