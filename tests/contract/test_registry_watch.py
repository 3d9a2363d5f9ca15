"""The registry keeps when a stream is worth a look: written, changed, taken away, and known of old entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import Watch
from sluice.core.removal import USUAL_BRAKE, Brake
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.dynamo.steering import DynamoSteering

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = StreamKey("acme", "shipbob", "orders")
ENTRY = RegistryEntry(KEY, timedelta(minutes=1), {}, "sluice/acme")
WATCH = Watch(HOUR, 2 * HOUR, 3 * HOUR, 4, 5 * HOUR)


@pytest.fixture
def client(new_client: Callable[[str], Any]) -> Any:
    return new_client("dynamodb")


@pytest.fixture
def registry(client: Any, registry_table: str) -> DynamoRegistry:
    return DynamoRegistry(client, registry_table)


def shown(registry: DynamoRegistry) -> RegistryEntry:
    [entry] = registry.show()
    return entry


@pytest.mark.parametrize("watch", [Watch(), WATCH, Watch(most_rows=9), Watch(sync_within=HOUR)])
def test_what_the_file_says_is_kept(registry: DynamoRegistry, watch: Watch) -> None:
    registry.apply([replace(ENTRY, watch=watch)], NOW)
    assert shown(registry).watch == watch


def test_a_changed_watch_is_a_change_and_moves_nothing_else(registry: DynamoRegistry) -> None:
    registry.apply([ENTRY], NOW)
    due_at = shown(registry).due_at
    registry.apply([replace(ENTRY, watch=WATCH)], NOW + HOUR)
    assert (shown(registry).watch, shown(registry).due_at) == (WATCH, due_at)
    registry.apply([ENTRY], NOW + 2 * HOUR)
    assert (shown(registry).watch, shown(registry).due_at) == (Watch(), due_at)


@pytest.mark.parametrize("brake", [USUAL_BRAKE, Brake(0, 0.0), Brake(20, 0.1), Brake(300, 0.02)])
def test_a_brake_is_kept_and_taken_away(registry: DynamoRegistry, brake: Brake) -> None:
    registry.apply([replace(ENTRY, brake=brake)], NOW)
    assert shown(registry).brake == registry.get(KEY).brake == brake
    registry.apply([ENTRY], NOW + HOUR)
    assert shown(registry).brake == USUAL_BRAKE


def test_when_it_was_entered_and_resumed_is_told(
    registry: DynamoRegistry, client: Any, registry_table: str
) -> None:
    registry.apply([ENTRY], NOW)
    assert (shown(registry).updated_at, shown(registry).resumed_at) == (NOW, None)
    DynamoSteering(client, registry_table).resumed({KEY: NOW + HOUR})
    assert shown(registry).resumed_at == NOW + HOUR
