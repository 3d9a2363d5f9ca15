"""The registry knows with what a client's pushes are signed: written, changed, taken away and looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.keys import StreamKey
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ORDERS, RETURNS = (StreamKey("acme", "shipbob", name) for name in ("orders", "returns"))
NEVER = StreamKey("acme", "shipbob", "products")
BOLT = StreamKey("bolt", "shipbob", "orders")


@pytest.fixture
def registry(new_client: Callable[[str], Any], registry_table: str) -> DynamoRegistry:
    return DynamoRegistry(new_client("dynamodb"), registry_table)


def entry(key: StreamKey, signing: str | None = "sluice/webhooks/acme") -> RegistryEntry:
    return RegistryEntry(key, timedelta(minutes=1), {}, "sluice/acme", webhook_secret=signing)


def test_the_name_is_kept_and_shown(registry: DynamoRegistry) -> None:
    registry.apply([entry(ORDERS), entry(BOLT, None)], NOW)
    shown = {each.key: each.webhook_secret for each in registry.show()}
    assert shown == {ORDERS: "sluice/webhooks/acme", BOLT: None}
    assert registry.get(ORDERS).webhook_secret == "sluice/webhooks/acme"


def test_a_changed_name_is_a_change_and_moves_nothing_else(registry: DynamoRegistry) -> None:
    registry.apply([entry(ORDERS)], NOW)
    due_at = registry.show()[0].due_at
    registry.apply([entry(ORDERS, "sluice/webhooks/new")], NOW + timedelta(seconds=5))
    [shown] = registry.show()
    assert (shown.webhook_secret, shown.due_at) == ("sluice/webhooks/new", due_at)
    registry.apply([entry(ORDERS, None)], NOW + timedelta(seconds=9))
    [shown] = registry.show()
    assert (shown.webhook_secret, shown.due_at) == (None, due_at)


def test_a_paused_stream_keeps_its_name_and_is_not_due(registry: DynamoRegistry) -> None:
    """Several things may have to be taken away by one write."""
    registry.apply([entry(ORDERS)], NOW)
    registry.apply([replace(entry(ORDERS), paused=True)], NOW)
    assert (registry.show()[0].webhook_secret, registry.show()[0].due_at) == (
        "sluice/webhooks/acme",
        None,
    )
    registry.apply([replace(entry(ORDERS, None), paused=True)], NOW)
    assert (registry.show()[0].webhook_secret, registry.show()[0].due_at) == (None, None)
    registry.apply([entry(ORDERS, None)], NOW + timedelta(minutes=1))
    assert registry.show()[0].due_at == NOW + timedelta(minutes=1)


def test_any_stream_of_the_client_tells_the_name(registry: DynamoRegistry) -> None:
    registry.apply([entry(RETURNS)], NOW)
    assert registry.webhook_secret([ORDERS, RETURNS, NEVER]) == "sluice/webhooks/acme"


def test_who_has_none_is_unknown_or_left_has_no_name(registry: DynamoRegistry) -> None:
    """A client that left the file is refused from then on."""
    assert registry.webhook_secret([ORDERS, RETURNS]) is None
    registry.apply([entry(ORDERS, None), entry(BOLT)], NOW)
    assert registry.webhook_secret([ORDERS, RETURNS]) is None
    assert registry.webhook_secret([BOLT]) == "sluice/webhooks/acme"
    registry.apply([entry(ORDERS, None)], NOW)
    assert registry.webhook_secret([BOLT]) is None
