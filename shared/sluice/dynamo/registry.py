"""The registry: which streams there are, how they are set, and when each is due.

The dispatcher asks an index ordered by ``due_at``, so that its work grows with what is due and not
with the number of clients. A stream that is disabled or paused has no ``due_at`` and so is not in
the index at all. Entries are never deleted: a client gone from the file is disabled.

Attributes: ``stream_key``, ``client_id``, ``enabled``, ``paused``, ``cadence_s``, ``settings`` (JSON),
``secret`` (a name), ``due_shard``, ``due_at`` (epoch ms), ``updated_at`` (epoch ms, when the clients
file last changed the entry). Source and stream are read from the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.core.errors import InvariantBroken, SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.ports import DueStream
from sluice.dynamo.items import (
    Item,
    Values,
    moment,
    number,
    read_moment,
    read_number,
    read_text,
    text,
)
from sluice.dynamo.table import Refused, Table, Written

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "due-index"
SHARDS = ("0",)
"""Partitions of the due index; more of them spread a very large number of streams."""

KNOWN = "attribute_exists(stream_key)"
ENABLED = f"{KNOWN} AND enabled = :yes"
ACTIVE = f"{ENABLED} AND paused = :no"
DUE_AS_SEEN = "due_at = :seen"

YES, NO = {"BOOL": True}, {"BOOL": False}


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

    def says_the_same(self, other: RegistryEntry) -> bool:
        """Equal in all that the clients file says; when it is due is not in the file."""
        return (self.cadence, self.settings, self.secret, self.enabled, self.paused) == (
            other.cadence,
            other.settings,
            other.secret,
            other.enabled,
            other.paused,
        )


@dataclass(frozen=True, slots=True)
class Due:
    """A stream whose time has come, as ``due`` saw it."""

    key: StreamKey
    due_at: datetime
    cadence: timedelta


class DynamoRegistry:
    """Implements ``core.ports.Schedule``, and is what `sluice clients` reads and writes."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def get(self, key: StreamKey) -> RegistryEntry:
        """The entry of an enabled stream, paused or not; StreamUnknown when there is none."""
        item = self._table.get(key)
        if item is None:
            raise _unknown(key)
        entry = _entry(item)
        if not entry.enabled:
            raise _disabled(key)
        return entry

    def show(self) -> Sequence[RegistryEntry]:
        """Every entry, disabled ones too, in key order. Scans: for people, not for Lambdas."""
        return sorted(map(_entry, self._table.scan()), key=lambda entry: str(entry.key))

    def apply(self, wanted: Sequence[RegistryEntry], now: datetime | None = None) -> None:
        """Bring the registry in line with ``wanted``; entries that are not in it are disabled.

        A new or newly active entry is due at once. One that stays active keeps its ``due_at``, or is
        due sooner when its cadence became shorter. One that is as wanted is not written at all.
        """
        now = now or datetime.now(UTC)
        present = {entry.key: entry for entry in self.show()}
        for entry in wanted:
            before = present.pop(entry.key, None)
            if before is None or not before.says_the_same(entry):
                self._write(entry, before, now)
        for gone in present.values():
            if gone.enabled:
                self._disable(gone.key, now)

    def due(self, now: datetime, *, limit: int) -> Sequence[Due]:
        """Active streams whose time has come, longest waiting first.

        From an index, which is eventually consistent: a stream just advanced may show once more.
        """
        items = [
            item
            for shard in SHARDS
            for item in self._table.query(
                INDEX,
                "due_shard = :shard AND due_at <= :now",
                {":shard": text(shard), ":now": moment(now)},
                limit=limit,
            )
        ]
        return sorted(map(_due, items), key=lambda due: due.due_at)[:limit]

    def advance(self, due: DueStream, now: datetime) -> bool:
        """Move ``due_at`` on, only if it is the one seen: of two ticks at once, one advances it.

        Ticks missed while nothing ran are not made up for: the next one is after ``now``.
        """
        if not isinstance(due, Due):
            raise InvariantBroken(f"{due.key}: advance takes what due() gave")
        values = {":next": moment(next_due(due.key, due.cadence, now)), ":seen": moment(due.due_at)}
        answer = self._table.update(due.key, "SET due_at = :next", values, condition=DUE_AS_SEEN)
        return isinstance(answer, Written)

    def due_now(self, key: StreamKey, now: datetime) -> None:
        """Make an active stream due at once; StreamUnknown or SettingInvalid when it is not active."""
        answer = self._table.update(
            key,
            "SET due_at = :now",
            {":now": moment(now), ":yes": YES, ":no": NO},
            condition=ACTIVE,
        )
        if isinstance(answer, Refused):
            raise _not_active(key, answer.item)

    def pause(self, key: StreamKey) -> None:
        """Take a stream off the schedule until ``resume``, or until the clients file is applied."""
        answer = self._table.update(
            key, "SET paused = :yes REMOVE due_at", {":yes": YES}, condition=KNOWN
        )
        if isinstance(answer, Refused):
            raise _unknown(key)

    def resume(self, key: StreamKey, now: datetime) -> None:
        """Put a paused stream back on the schedule, due at once."""
        answer = self._table.update(
            key,
            "SET paused = :no, due_at = :now",
            {":yes": YES, ":no": NO, ":now": moment(now)},
            condition=ENABLED,
        )
        if isinstance(answer, Refused):
            raise _not_active(key, answer.item)

    def _write(self, entry: RegistryEntry, before: RegistryEntry | None, now: datetime) -> None:
        change, values = _change(entry, now)
        if not entry.active:
            change = f"{change} REMOVE due_at"
        elif before is None or not before.active or before.due_at is None:
            change = f"{change}, due_at = :now"
        elif entry.cadence < before.cadence:
            sooner = min(before.due_at, next_due(entry.key, entry.cadence, now))
            change, values[":due"] = f"{change}, due_at = :due", moment(sooner)
        self._table.update(entry.key, change, values)

    def _disable(self, key: StreamKey, now: datetime) -> None:
        self._table.update(
            key,
            "SET enabled = :no, updated_at = :now REMOVE due_at",
            {":no": NO, ":now": moment(now)},
        )


def next_due(key: StreamKey, cadence: timedelta, now: datetime) -> datetime:
    """The next tick of this stream's own beat: a multiple of the cadence, shifted by a stable hash.

    Clients of one cadence thus spread over it instead of all starting on the minute.
    """
    beat = max(int(cadence.total_seconds()), 1)
    shift = int.from_bytes(_digest(key)[:4], "big") % beat
    at = int(now.timestamp())
    return datetime.fromtimestamp((at - shift) // beat * beat + beat + shift, UTC)


def _digest(key: StreamKey) -> bytes:
    return hashlib.sha256(str(key).encode()).digest()


def _shard(key: StreamKey) -> str:
    return SHARDS[_digest(key)[4] % len(SHARDS)]


def _change(entry: RegistryEntry, now: datetime) -> tuple[str, Values]:
    """All that the clients file says about a stream, as one update."""
    values: Values = {
        ":client_id": text(entry.key.client_id),
        ":enabled": {"BOOL": entry.enabled},
        ":paused": {"BOOL": entry.paused},
        ":cadence": number(int(entry.cadence.total_seconds())),
        ":settings": text(json.dumps(entry.settings, sort_keys=True)),
        ":secret": text(entry.secret),
        ":shard": text(_shard(entry.key)),
        ":now": moment(now),
    }
    change = (
        "SET client_id = :client_id, enabled = :enabled, paused = :paused, cadence_s = :cadence,"
        " settings = :settings, secret = :secret, due_shard = :shard, updated_at = :now"
    )
    return change, values


def _entry(item: Item) -> RegistryEntry:
    return RegistryEntry(
        key=StreamKey.parse(read_text(item, "stream_key")),
        cadence=timedelta(seconds=read_number(item, "cadence_s")),
        settings=json.loads(read_text(item, "settings")),
        secret=read_text(item, "secret"),
        enabled=bool(item["enabled"]["BOOL"]),
        paused=bool(item["paused"]["BOOL"]),
        due_at=read_moment(item, "due_at"),
    )


def _due(item: Item) -> Due:
    entry = _entry(item)
    if entry.due_at is None:
        raise InvariantBroken(f"{entry.key} is in the index of due streams without due_at")
    return Due(entry.key, entry.due_at, entry.cadence)


def _unknown(key: StreamKey) -> StreamUnknown:
    return StreamUnknown(
        f"{key} is not in the registry; name it in the clients file and run `sluice clients apply`"
    )


def _disabled(key: StreamKey) -> StreamUnknown:
    return StreamUnknown(
        f"{key} is disabled because it left the clients file;"
        " put it back and run `sluice clients apply`"
    )


def _not_active(key: StreamKey, item: Item) -> StreamUnknown | SettingInvalid:
    if not item:
        return _unknown(key)
    if not _entry(item).enabled:
        return _disabled(key)
    return SettingInvalid(f"{key} is paused; resume it first")
