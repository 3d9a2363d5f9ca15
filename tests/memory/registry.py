"""The registry in memory: the same port as in DynamoDB, held to the same contract suite."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sluice.core.errors import InvariantBroken, SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.ports import DueStream
from sluice.dynamo.registry import Due, RegistryEntry, next_due


class MemoryRegistry:
    """``entries`` may be looked into."""

    def __init__(self) -> None:
        self.entries: dict[StreamKey, RegistryEntry] = {}
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
            self.entries[entry.key] = replace(entry, due_at=_due_at(entry, before, now))
        for key in gone:
            self.entries[key] = replace(self.entries[key], enabled=False, due_at=None)

    def due(self, now: datetime, *, limit: int) -> Sequence[Due]:
        found = [
            Due(entry.key, entry.due_at, entry.cadence)
            for entry in self.entries.values()
            if entry.due_at is not None and entry.due_at <= now
        ]
        return sorted(found, key=lambda due: due.due_at)[:limit]

    def advance(self, due: DueStream, now: datetime) -> bool:
        if not isinstance(due, Due):
            raise InvariantBroken(f"{due.key}: advance takes what due() gave")
        with self._lock:
            entry = self.entries[due.key]
            if entry.due_at != due.due_at:
                return False
            at = next_due(due.key, due.cadence, now)
            self.entries[due.key] = replace(entry, due_at=at)
            return True

    def due_now(self, key: StreamKey, now: datetime) -> None:
        entry = self.get(key)
        if entry.paused:
            raise SettingInvalid(f"{key} is paused; resume it first")
        self.entries[key] = replace(entry, due_at=now)

    def pause(self, key: StreamKey) -> None:
        if key not in self.entries:
            raise StreamUnknown(f"{key} is unknown")
        self.entries[key] = replace(self.entries[key], paused=True, due_at=None)

    def resume(self, key: StreamKey, now: datetime) -> None:
        self.entries[key] = replace(self.get(key), paused=False, due_at=now)


def _due_at(entry: RegistryEntry, before: RegistryEntry | None, now: datetime) -> datetime | None:
    if not entry.active:
        return None
    if before is None or not before.active or before.due_at is None:
        return now
    if entry.cadence < before.cadence:
        return min(before.due_at, next_due(entry.key, entry.cadence, now))
    return before.due_at
