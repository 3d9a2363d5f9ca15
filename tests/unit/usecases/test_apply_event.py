"""One pushed row: stored by its vendor's version, or refused because it has none."""

from __future__ import annotations

import pytest

from sluice.core.errors import RowRejected
from sluice.core.ports import Applied
from sluice.core.records import PushEvent
from sluice.usecases.apply_event import apply_event
from tests.memory.pushes import MemoryPushes
from tests.memory.streams import thing
from tests.unit.usecases.world import KEY, World


@pytest.fixture
def world() -> World:
    return World()


def push(world: World, event_id: str, size: int, version: int | None) -> Applied:
    event = PushEvent(event_id, KEY, thing("a", size, version))
    return apply_event(event, world.stream, MemoryPushes(world.commits))


def test_the_newest_version_stands_whatever_arrives_last(world: World) -> None:
    """And whoever asked learns what became of each: written, older than what stands, delivered twice."""
    answers = [push(world, "1", 7, 20), push(world, "2", 5, 10), push(world, "1", 7, 20)]
    assert answers == [Applied.WRITTEN, Applied.STALE, Applied.REPEATED]
    assert world.stored() == {"a": 7}


def test_a_push_without_a_version_is_refused_by_the_name_of_what_it_lacks(world: World) -> None:
    """Nothing says whether it is newer than what stands: it is a hint to read, not a row to store."""
    with pytest.raises(RowRejected, match="needs its vendor's version") as refused:
        push(world, "1", 7, None)
    assert refused.value.field == "version"
    assert world.stored() == {}
