"""The registry: which streams there are, how they are set, and when each is due.

The dispatcher asks an index ordered by ``due_at``, so that its work grows with what is due and not
with the number of clients. A stream that is disabled or paused has no ``due_at`` and so is not in
the index at all. Entries are never deleted: a client gone from the file is disabled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey
from sluice.dynamo.items import (
    Item,
    condition_failed,
    moment,
    number,
    read_moment,
    text,
    translated,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "due-index"
SHARDS = ("0",)
"""Partitions of the due index; more of them spread a very large number of streams."""


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One stream of one client. ``settings`` are the source's own, in their JSON form."""

    key: StreamKey
    cadence: timedelta
    settings: dict[str, Any]
    secret: str
    enabled: bool = True
    paused: bool = False
    due_at: datetime | None = None

    @property
    def active(self) -> bool:
        return self.enabled and not self.paused


@dataclass(frozen=True, slots=True)
class DynamoRegistry:
    """Implements ``core.ports.Schedule``, and is what `sluice clients` reads and writes."""

    client: DynamoDBClient
    table: str

    def get(self, key: StreamKey) -> RegistryEntry:
        """The entry of an enabled stream; StreamUnknown when there is none."""
        with translated(self.table):
            answer = self.client.get_item(TableName=self.table, Key={"stream_key": text(str(key))})
        entry = _entry(answer["Item"]) if "Item" in answer else None
        if entry is None or not entry.enabled:
            raise StreamUnknown(
                f"{key} is not in the registry; name it in the clients file and run `sluice clients apply`"
            )
        return entry

    def show(self) -> Sequence[RegistryEntry]:
        """Every entry, disabled ones too, in key order. Scans: for people, not for Lambdas."""
        with translated(self.table):
            pages = self.client.get_paginator("scan").paginate(TableName=self.table)
            items = [item for page in pages for item in page["Items"]]
        return sorted((_entry(item) for item in items), key=lambda entry: str(entry.key))

    def apply(self, wanted: Sequence[RegistryEntry], now: datetime | None = None) -> None:
        """Bring the registry in line with ``wanted``; entries that are not in it are disabled.

        A new or newly active entry is due at once; one that stays active keeps its ``due_at``.
        """
        now = now or datetime.now(UTC)
        present = {str(entry.key): entry for entry in self.show()}
        for entry in wanted:
            self._write(entry, present.pop(str(entry.key), None), now)
        for gone in present.values():
            if gone.enabled:
                self._disable(gone.key)

    def due(self, now: datetime, *, limit: int) -> Sequence[RegistryEntry]:
        """Active entries whose time has come, longest waiting first within a shard."""
        found: list[RegistryEntry] = []
        for shard in SHARDS:
            with translated(self.table):
                answer = self.client.query(
                    TableName=self.table,
                    IndexName=INDEX,
                    KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                    ExpressionAttributeValues={":shard": text(shard), ":now": moment(now)},
                    Limit=limit,
                )
            found += [_entry(item) for item in answer["Items"]]
        return found[:limit]

    def advance(self, due: RegistryEntry, now: datetime) -> bool:
        """Move ``due_at`` on, only if it is the one seen: of two ticks at once, one advances it."""
        if due.due_at is None:
            return False
        values = {":next": moment(next_due(due.key, due.cadence, now)), ":seen": moment(due.due_at)}
        return self._update_if(due.key, "SET due_at = :next", "due_at = :seen", values)

    def _write(self, entry: RegistryEntry, before: RegistryEntry | None, now: datetime) -> None:
        sets = (
            "SET client_id = :client, enabled = :enabled, paused = :paused, cadence_s = :cadence,"
            " settings = :settings, secret = :secret, updated_at = :now, due_shard = :shard"
        )
        values: dict[str, Any] = {
            ":client": text(entry.key.client_id),
            ":enabled": {"BOOL": entry.enabled},
            ":paused": {"BOOL": entry.paused},
            ":cadence": number(int(entry.cadence.total_seconds())),
            ":settings": text(json.dumps(entry.settings, sort_keys=True)),
            ":secret": text(entry.secret),
            ":now": moment(now),
            ":shard": text(_shard(entry.key)),
        }
        if not entry.active:
            self._update(entry.key, f"{sets} REMOVE due_at", values)
        elif before is None or not before.active or before.due_at is None:
            self._update(entry.key, f"{sets}, due_at = :now", values)
        elif before.cadence != entry.cadence:
            values[":due"] = moment(min(before.due_at, next_due(entry.key, entry.cadence, now)))
            self._update(entry.key, f"{sets}, due_at = :due", values)
        else:
            self._update(entry.key, sets, values)

    def _disable(self, key: StreamKey) -> None:
        self._update(key, "SET enabled = :no REMOVE due_at", {":no": {"BOOL": False}})

    def _update(self, key: StreamKey, change: str, values: dict[str, Any]) -> None:
        with translated(self.table):
            self.client.update_item(
                TableName=self.table,
                Key={"stream_key": text(str(key))},
                UpdateExpression=change,
                ExpressionAttributeValues=values,
            )

    def _update_if(
        self, key: StreamKey, change: str, condition: str, values: dict[str, Any]
    ) -> bool:
        try:
            with translated(self.table):
                self.client.update_item(
                    TableName=self.table,
                    Key={"stream_key": text(str(key))},
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                )
        except ClientError as error:
            condition_failed(error)
            return False
        return True


def next_due(key: StreamKey, cadence: timedelta, now: datetime) -> datetime:
    """The next tick of this stream's own beat: a multiple of the cadence, shifted by a stable hash.

    Clients of one cadence thus spread over it instead of all starting on the minute.
    """
    beat = max(int(cadence.total_seconds()), 1)
    shift = int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:4]) % beat
    at = int(now.timestamp())
    return datetime.fromtimestamp((at - shift) // beat * beat + beat + shift, UTC)


def _shard(key: StreamKey) -> str:
    return SHARDS[hashlib.sha256(str(key).encode()).digest()[4] % len(SHARDS)]


def _entry(item: Item) -> RegistryEntry:
    return RegistryEntry(
        key=StreamKey.parse(item["stream_key"]["S"]),
        cadence=timedelta(seconds=int(item["cadence_s"]["N"])),
        settings=json.loads(item["settings"]["S"]),
        secret=item["secret"]["S"],
        enabled=bool(item["enabled"]["BOOL"]),
        paused=bool(item["paused"]["BOOL"]),
        due_at=read_moment(item, "due_at"),
    )
