"""Tables full of streams, written as fast as DynamoDB takes them: adapters write one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sluice.core.keys import StreamKey
from sluice.dynamo.batches import in_batches
from sluice.dynamo.items import moment, number, text
from sluice.dynamo.registry import shard_of

MOST_WRITES = 25
SETTINGS = json.dumps(
    {"base_url": "https://vendor.example/v1", "page_size": 100, "concurrency": 16}
)
WATERMARK = json.dumps({"mode": "delta", "since": "2026-03-01T11:55:00Z", "generation": 7})


def make_due(
    client: Any,
    table: str,
    keys: Sequence[StreamKey],
    due_at: datetime,
    *,
    cadence: timedelta = timedelta(minutes=5),
) -> None:
    """Entries as ``DynamoRegistry.apply`` writes them, all due at once."""
    _put(client, table, (_entry(key, due_at, cadence) for key in keys))


def make_caught_up(client: Any, table: str, keys: Sequence[StreamKey], at: datetime) -> None:
    """State items as a run of three slices leaves them."""
    _put(client, table, (_state(key, at) for key in keys))


def _put(client: Any, table: str, items: Iterable[dict[str, Any]]) -> None:
    for batch in in_batches(items, MOST_WRITES):
        client.batch_write_item(
            RequestItems={table: [{"PutRequest": {"Item": item}} for item in batch]}
        )


def _entry(key: StreamKey, due_at: datetime, cadence: timedelta) -> dict[str, Any]:
    return {
        "stream_key": text(str(key)),
        "client_id": text(key.client_id),
        "enabled": {"BOOL": True},
        "paused": {"BOOL": False},
        "cadence_s": number(int(cadence.total_seconds())),
        "settings": text(SETTINGS),
        "secret": text(f"sluice/{key.client_id}/{key.source}"),
        "due_shard": text(shard_of(key)),
        "due_at": moment(due_at),
        "updated_at": moment(due_at),
    }


def _state(key: StreamKey, at: datetime) -> dict[str, Any]:
    return {
        "stream_key": text(str(key)),
        "fencing_token": number(3),
        "base_seq": number(2),
        "seq": number(3),
        "continued_seq": number(2),
        "has_more": {"BOOL": False},
        "run_id": {"NULL": True},
        "taken_from": text("nobody"),
        "delivery": text("00000000-0000-0000-0000-000000000000"),
        "watermark": text(WATERMARK),
        "updated_at": moment(at),
    }
