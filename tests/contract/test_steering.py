"""Streams made due sooner: in memory and in DynamoDB alike, and never one that should rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import StateUnavailable
from sluice.core.keys import StreamKey
from sluice.core.steering.ports import Steering
from sluice.dynamo.items import read_moment
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry, next_due
from sluice.dynamo.steering import DynamoSteering
from sluice.dynamo.table import Table
from tests.memory.registry import MemoryRegistry
from tests.memory.steering import MemorySteering

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ACME, BOLT = StreamKey("acme", "cars", "cars"), StreamKey("bolt", "cars", "cars")

Client = Callable[[str], Any]


class Stand:
    """A registry, steering of it, and what both stand at."""

    def __init__(self, registry: DynamoRegistry | MemoryRegistry, steering: Steering) -> None:
        self.registry = registry
        self.steering = steering

    def apply(self, key: StreamKey = ACME, **changed: Any) -> None:
        said = {"cadence": HOUR, "settings": {}, "secret": "s", **changed}
        others = [e for e in self.registry.show() if e.key != key]
        self.registry.apply([*others, RegistryEntry(key=key, **said)], NOW)

    def due_at(self, key: StreamKey = ACME) -> datetime | None:
        return next(e.due_at for e in self.registry.show() if e.key == key)

    def resumed_at(self, key: StreamKey = ACME) -> datetime | None:
        if isinstance(self.steering, MemorySteering):
            return self.steering.resumed_at.get(key)
        assert isinstance(self.steering, DynamoSteering)
        table: Table = self.steering._table
        return read_moment(table.get(key) or {}, "resumed_at")

    def is_known(self, key: StreamKey) -> bool:
        return any(entry.key == key for entry in self.registry.show())


@pytest.fixture(params=["memory", "dynamodb"])
def stand(request: pytest.FixtureRequest) -> Stand:
    if request.param == "memory":
        registry = MemoryRegistry()
        return Stand(registry, MemorySteering(registry))
    client = request.getfixturevalue("new_client")("dynamodb")
    table = request.getfixturevalue("registry_table")
    return Stand(DynamoRegistry(client, table), DynamoSteering(client, table))


def test_a_stream_is_made_due_sooner_never_later(stand: Stand) -> None:
    stand.apply()
    stand.apply(BOLT)
    assert stand.steering.due_by({ACME: NOW - MINUTE, BOLT: NOW + MINUTE}) == 1
    assert (stand.due_at(ACME), stand.due_at(BOLT)) == (NOW - MINUTE, NOW)
    assert stand.steering.due_by({ACME: NOW - MINUTE}) == 0
    assert stand.resumed_at(ACME) is None


def test_a_stream_made_due_is_found_by_the_dispatcher(stand: Stand) -> None:
    stand.apply()
    assert stand.steering.due_by({ACME: NOW - HOUR}) == 1
    found = stand.registry.due(NOW - MINUTE, most=10)
    assert [due.key for chunk in found for due in chunk] == [ACME]


def test_a_stream_that_resumes_is_known_to_whether_due_sooner_or_not(stand: Stand) -> None:
    """The dispatcher must not wait for messages that were thrown away, whenever it is due."""
    stand.apply()
    stand.apply(BOLT)
    assert stand.steering.resumed({ACME: NOW - MINUTE, BOLT: NOW + MINUTE}) == 1
    assert (stand.resumed_at(ACME), stand.resumed_at(BOLT)) == (NOW - MINUTE, NOW + MINUTE)
    assert (stand.due_at(ACME), stand.due_at(BOLT)) == (NOW - MINUTE, NOW)


@pytest.mark.parametrize("state", [{"paused": True}, {"enabled": False}], ids=str)
@pytest.mark.parametrize("move", ["due_by", "resumed"])
def test_a_stream_that_the_clients_file_stops_stays_off_the_schedule(
    stand: Stand, state: dict[str, Any], move: str
) -> None:
    stand.apply(**state)
    assert getattr(stand.steering, move)({ACME: NOW}) == 0
    assert (stand.due_at(), stand.resumed_at()) == (None, None)


@pytest.mark.parametrize("move", ["due_by", "resumed"])
def test_a_stream_that_is_not_known_is_not_made_up(stand: Stand, move: str) -> None:
    """An update without its condition would make an item that no clients file names."""
    assert getattr(stand.steering, move)({ACME: NOW}) == 0
    assert not stand.is_known(ACME)


def test_an_active_stream_that_lost_its_turn_gets_one(stand: Stand) -> None:
    """However that came about: a person who resumes it wants it to run."""
    stand.apply()
    if isinstance(stand.registry, MemoryRegistry):
        entry = stand.registry.entries[ACME]
        stand.registry.entries[ACME] = RegistryEntry(entry.key, entry.cadence, {}, "s", due_at=None)
    else:
        assert isinstance(stand.steering, DynamoSteering)
        stand.steering._table.update(ACME, "REMOVE due_at SET secret = :s", {":s": {"S": "s"}})
    assert stand.steering.due_by({ACME: NOW}) == 1
    assert stand.due_at() == NOW


def test_beats_are_those_of_the_schedule(stand: Stand) -> None:
    assert stand.steering.next_due(ACME, HOUR, NOW) == next_due(ACME, HOUR, NOW)


def test_many_streams_are_moved_by_one_call_each(new_client: Client, registry_table: str) -> None:
    """And by several at once: a switch for everybody moves very many while a person waits."""
    client = new_client("dynamodb")
    registry = DynamoRegistry(client, registry_table)
    keys = [StreamKey(f"c{number}", "cars", "cars") for number in range(60)]
    registry.apply([RegistryEntry(key, HOUR, {}, "s") for key in keys], NOW)
    steering = DynamoSteering(client, registry_table)
    assert steering.due_by(dict.fromkeys(keys, NOW - MINUTE)) == 60
    assert {entry.due_at for entry in registry.show()} == {NOW - MINUTE}


def test_a_table_that_fails_is_told_of() -> None:
    """Not counted as a stream that needed no move."""

    class Down:
        def update_item(self, **_: Any) -> Any:
            raise StateUnavailable("table x: down")

    steering = DynamoSteering(Down(), "x")  # type: ignore[arg-type]
    with pytest.raises(StateUnavailable, match="down"):
        steering.due_by({ACME: NOW})
