"""The registry: which streams there are, how they are set, and when each is due.

The dispatcher asks an index ordered by ``due_at``, so that its work grows with what is due and not
with the number of clients. A stream that is disabled or paused has no ``due_at`` and so is not in
the index at all. Entries are never deleted: a client gone from the file is disabled.

Attributes: ``stream_key``, ``client_id``, ``enabled``, ``paused``, ``cadence_s``, ``settings`` (JSON),
``secret`` (a name), ``webhook_secret`` (a name, where the client's pushes are received), ``watch`` (JSON, when it is
worth a look, where the clients file says so), ``due_shard``,
``due_at`` (epoch ms), ``asked_at`` (epoch ms) and ``asked_token`` (when
a tick last asked for the stream, and the fencing token it saw then), ``resumed_at`` (epoch ms, when its last
pause ended or will end; ``steering`` writes it as well), ``updated_at`` (epoch ms, when the clients file last
changed the entry). Source and stream are read from the key.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.core.errors import InvariantBroken, SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.overview.picture import Watch
from sluice.core.removal import USUAL_BRAKE, Brake
from sluice.core.scheduling import Move
from sluice.core.spreading import Spread
from sluice.core.underway import Asked
from sluice.dynamo.batches import BatchTable, Statement, in_batches
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
from sluice.dynamo.table import Refused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "due-index"
SHARDS = ("0", "1", "2", "3", "4", "5", "6", "7")
"""Partitions of the due index. DynamoDB takes 1,000 writes a second in each, and moving ``due_at`` is two, a
deletion and an insertion: eight shards let 4,000 streams a second move, one would let 500. Never take one away,
for its entries would not be found; entries move to new ones as the clients file changes them."""

PAGE = 1000
"""Due streams read by one call, per shard: some 600 bytes each, below the 1 MB that one answer holds."""

READ_OF_DUE = ("stream_key", "due_at", "cadence_s", "asked_at", "asked_token", "resumed_at")

KNOWN = "attribute_exists(stream_key)"
ENABLED = f"{KNOWN} AND enabled = :yes"
ACTIVE = f"{ENABLED} AND paused = :no"

ASKED = ("asked_at", "asked_token")
FORGET_ASKED = f"REMOVE {', '.join(ASKED)}"

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
    webhook_secret: str | None = None
    watch: Watch = field(default_factory=Watch)
    updated_at: datetime | None = field(default=None, compare=False)
    resumed_at: datetime | None = field(default=None, compare=False)
    brake: Brake = USUAL_BRAKE

    @property
    def active(self) -> bool:
        return self.enabled and not self.paused

    def says_the_same(self, other: RegistryEntry) -> bool:
        """Equal in all that the clients file says; when it is due is not in the file."""
        return self._said == other._said

    @property
    def _said(self) -> tuple[object, ...]:
        return (
            self.cadence,
            self.settings,
            self.secret,
            self.webhook_secret,
            self.enabled,
            self.paused,
            self.watch,
            self.brake,
        )


@dataclass(frozen=True, slots=True)
class Due:
    """A stream whose time has come, as ``due`` saw it."""

    key: StreamKey
    due_at: datetime
    cadence: timedelta
    asked: Asked | None = None
    resumed_at: datetime | None = None


class DynamoRegistry:
    """Implements ``core.scheduling.Schedule``, and is what `sluice clients` reads and writes."""

    def __init__(self, client: DynamoDBClient, table: str, *, spread: Spread = map) -> None:
        self._table = BatchTable(client, table, spread=spread)
        self._move = f'UPDATE "{table}" SET due_at = ? WHERE stream_key = ? AND due_at = ?'
        self._move_asked = (
            f'UPDATE "{table}" SET due_at = ? SET asked_at = ? SET asked_token = ?'
            " WHERE stream_key = ? AND due_at = ?"
        )

    def get(self, key: StreamKey) -> RegistryEntry:
        """The entry of an enabled stream, paused or not; StreamUnknown when there is none."""
        item = self._table.get(key)
        if item is None:
            raise _unknown(key)
        entry = _entry(item)
        if not entry.enabled:
            raise _disabled(key)
        return entry

    def webhook_secret(self, keys: Sequence[StreamKey]) -> str | None:
        """The name of the secret with which pushes for these streams, all of one client and source, are
        signed; None when no enabled one of them has any."""
        items = self._table.get_many([str(key) for key in keys], ("enabled", "webhook_secret"))
        names = {
            read_text(item, "webhook_secret")
            for item in items
            if "webhook_secret" in item and item["enabled"]["BOOL"]
        }
        return min(names, default=None)

    def show(self) -> Sequence[RegistryEntry]:
        """Every entry, disabled ones too, in key order. Scans: for people, and for whoever looks at the whole."""
        return sorted(map(_entry, self._table.scan()), key=lambda entry: str(entry.key))

    def apply(self, wanted: Sequence[RegistryEntry], now: datetime | None = None) -> None:
        """Bring the registry in line with ``wanted``; entries that are not in it are disabled.

        A new or newly active entry is due at once, and what was sent to it before does not count: workers could
        do nothing with it. One that stays active keeps its ``due_at``, or is
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

    def due(self, now: datetime, *, most: int) -> Iterator[Sequence[Due]]:
        """From an index, which is eventually consistent: a stream just advanced may show once more.

        Reads on while streams behind it are advanced: those land after ``now``, where it does not look.
        """
        shards = (self._due_in(shard, now) for shard in SHARDS)
        return in_batches(heapq.merge(*shards, key=lambda due: due.due_at), most)

    def advance(self, moves: Sequence[Move], now: datetime) -> int:
        """Of two ticks at once, one advances a stream."""
        return sum(self._table.update_many([self._statement(move, now) for move in moves]))

    def due_now(self, key: StreamKey, now: datetime) -> None:
        """Make an active stream due at once; StreamUnknown or SettingInvalid when it is not active.

        Forgets that it was asked for: a message of before may have been dropped.
        """
        answer = self._table.update(
            key,
            f"SET due_at = :now {FORGET_ASKED}",
            {":now": moment(now), ":yes": YES, ":no": NO},
            condition=ACTIVE,
        )
        if isinstance(answer, Refused):
            raise _not_active(key, answer.item)

    def _due_in(self, shard: str, now: datetime) -> Iterator[Due]:
        pages = self._table.pages(
            INDEX,
            "due_shard = :shard AND due_at <= :now",
            {":shard": text(shard), ":now": moment(now)},
            READ_OF_DUE,
            most=PAGE,
        )
        return (_due(item) for page in pages for item in page)

    def _statement(self, move: Move, now: datetime) -> Statement:
        stream, asked = move.stream, move.asked
        at = moment(move.to(next_due(stream.key, move.cadence, now)))
        where = [text(str(stream.key)), moment(stream.due_at)]
        if asked is None:
            return Statement(self._move, [at, *where])
        noted = [moment(asked.at), number(asked.fencing_token)]
        return Statement(self._move_asked, [at, *noted, *where])

    def _write(self, entry: RegistryEntry, before: RegistryEntry | None, now: datetime) -> None:
        change, values = _change(entry, now)
        forgotten: list[str] = []
        if entry.webhook_secret is None:
            forgotten.append("webhook_secret")
        if entry.watch == Watch():
            forgotten.append("watch")
        if entry.brake == USUAL_BRAKE:
            forgotten.append("delete_brake")
        if not entry.active:
            forgotten.append("due_at")
        elif before is None or not before.active or before.due_at is None:
            resumed = "" if before is None else ", resumed_at = :now"
            change = f"{change}, due_at = :now{resumed}"
            forgotten += ASKED
        elif entry.cadence < before.cadence:
            sooner = min(before.due_at, next_due(entry.key, entry.cadence, now))
            change, values[":due"] = f"{change}, due_at = :due", moment(sooner)
        if forgotten:
            change = f"{change} REMOVE {', '.join(forgotten)}"
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


def shard_of(key: StreamKey) -> str:
    """The partition of the due index that the stream is in."""
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
        ":shard": text(shard_of(entry.key)),
        ":now": moment(now),
    }
    change = (
        "SET client_id = :client_id, enabled = :enabled, paused = :paused, cadence_s = :cadence,"
        " settings = :settings, secret = :secret, due_shard = :shard, updated_at = :now"
    )
    if entry.webhook_secret is not None:
        values[":webhook_secret"] = text(entry.webhook_secret)
        change = f"{change}, webhook_secret = :webhook_secret"
    if entry.watch != Watch():
        values[":watch"] = text(json.dumps(watch_json(entry.watch)))
        change = f"{change}, watch = :watch"
    if entry.brake != USUAL_BRAKE:
        values[":brake"] = text(json.dumps(asdict(entry.brake)))
        change = f"{change}, delete_brake = :brake"
    return change, values


def watch_json(watch: Watch) -> dict[str, int]:
    """What the clients file says of it: durations as whole seconds, by names that end in ``_s``."""
    spans = ("fresh_within", "advance_within", "sync_within", "pushed_within")
    said = {f"{name}_s": span for name in spans if (span := getattr(watch, name)) is not None}
    rows = {} if watch.most_rows is None else {"most_rows": watch.most_rows}
    return {name: int(span.total_seconds()) for name, span in said.items()} | rows


def _watch(item: Item) -> Watch:
    """What it does not say, or an older version of this code does not know, is as usual."""
    said = json.loads(item["watch"]["S"]) if "watch" in item else {}

    def span(name: str) -> timedelta | None:
        return timedelta(seconds=said[name]) if name in said else None

    return Watch(
        span("fresh_within_s"),
        span("advance_within_s"),
        span("sync_within_s"),
        said.get("most_rows"),
        span("pushed_within_s"),
    )


def _brake(item: Item) -> Brake:
    said = json.loads(item["delete_brake"]["S"]) if "delete_brake" in item else {}
    return Brake(said["rows"], said["share"]) if said else USUAL_BRAKE


def _entry(item: Item) -> RegistryEntry:
    return RegistryEntry(
        key=StreamKey.parse(read_text(item, "stream_key")),
        cadence=timedelta(seconds=read_number(item, "cadence_s")),
        settings=json.loads(read_text(item, "settings")),
        secret=read_text(item, "secret"),
        enabled=bool(item["enabled"]["BOOL"]),
        paused=bool(item["paused"]["BOOL"]),
        due_at=read_moment(item, "due_at"),
        webhook_secret=item["webhook_secret"]["S"] if "webhook_secret" in item else None,
        watch=_watch(item),
        updated_at=read_moment(item, "updated_at"),
        resumed_at=read_moment(item, "resumed_at"),
        brake=_brake(item),
    )


def _due(item: Item) -> Due:
    key, due_at = read_text(item, "stream_key"), read_moment(item, "due_at")
    if due_at is None:
        raise InvariantBroken(f"{key} is in the index of due streams without due_at")
    return Due(
        key=StreamKey.parse(key),
        due_at=due_at,
        cadence=timedelta(seconds=read_number(item, "cadence_s")),
        asked=_asked(item),
        resumed_at=read_moment(item, "resumed_at"),
    )


def _asked(item: Item) -> Asked | None:
    asked_at = read_moment(item, "asked_at")
    return None if asked_at is None else Asked(asked_at, read_number(item, "asked_token"))


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
    return SettingInvalid(
        f"{key} is paused by the clients file; take `paused` out and run `sluice clients apply`"
    )
