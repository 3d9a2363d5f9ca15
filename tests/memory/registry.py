"""The registry in memory: the same port as in DynamoDB, held to the same contract suite."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.scheduling import Move
from sluice.core.underway import Asked
from sluice.dynamo.registry import Due, RegistryEntry, next_due


class MemoryRegistry:
    """``entries`` may be looked into, and so may ``asked`` and ``resumed_at``: when a tick last asked for
    each, and when its last pause ended or will end."""

    def __init__(self) -> None:
        self.entries: dict[StreamKey, RegistryEntry] = {}
        self.asked: dict[StreamKey, Asked] = {}
        self.resumed_at: dict[StreamKey, datetime] = {}
        self._lock = threading.Lock()

    def get(self, key: StreamKey) -> RegistryEntry:
        entry = self.entries.get(key)
        if entry is None or not entry.enabled:
            raise StreamUnknown(f"{key} is unknown or disabled; run `sluice clients apply`")
        return entry

    def show(self) -> Sequence[RegistryEntry]:
        return sorted(self.entries.values(), key=lambda entry: str(entry.key))

    def apply(self, wanted: Sequence[RegistryEntry], now: datetime | None = None) -> None:
        now = now or datetime.now(UTC)
        gone = set(self.entries) - {entry.key for entry in wanted}
        for entry in wanted:
            before = self.entries.get(entry.key)
            if entry.active and (before is None or not before.active or before.due_at is None):
                self._make_due(entry, now)
                if before is not None:
                    self.resumed_at[entry.key] = now
            else:
                self.entries[entry.key] = replace(entry, due_at=_due_at(entry, before, now))
        for key in gone:
            self.entries[key] = replace(self.entries[key], enabled=False, due_at=None)

    def due(self, now: datetime, *, most: int) -> Iterator[Sequence[Due]]:
        """As it stands when it is asked for; what is advanced since still comes, and is raced."""
        with self._lock:
            found = [
                self._due(entry, entry.due_at)
                for entry in self.entries.values()
                if entry.due_at is not None and entry.due_at <= now
            ]
        found.sort(key=lambda due: due.due_at)
        return (found[start : start + most] for start in range(0, len(found), most))

    def advance(self, moves: Sequence[Move], now: datetime) -> int:
        with self._lock:
            return sum(self._advance(move, now) for move in moves)

    def _advance(self, move: Move, now: datetime) -> bool:
        key = move.stream.key
        entry = self.entries[key]
        if entry.due_at != move.stream.due_at:
            return False
        self.entries[key] = replace(entry, due_at=move.to(next_due(key, move.cadence, now)))
        if move.asked is not None:
            self.asked[key] = move.asked
        return True

    def due_now(self, key: StreamKey, now: datetime) -> None:
        entry = self.get(key)
        if entry.paused:
            raise SettingInvalid(f"{key} is paused by the clients file")
        self._make_due(entry, now)

    def _due(self, entry: RegistryEntry, at: datetime) -> Due:
        key = entry.key
        return Due(key, at, entry.cadence, self.asked.get(key), self.resumed_at.get(key))

    def _make_due(self, entry: RegistryEntry, now: datetime) -> None:
        self.entries[entry.key] = replace(entry, due_at=now)
        self.asked.pop(entry.key, None)


def _due_at(entry: RegistryEntry, before: RegistryEntry | None, now: datetime) -> datetime | None:
    """Of an entry that does not become active just now."""
    if not entry.active or before is None or before.due_at is None:
        return None
    if entry.cadence < before.cadence:
        return min(before.due_at, next_due(entry.key, entry.cadence, now))
    return before.due_at
