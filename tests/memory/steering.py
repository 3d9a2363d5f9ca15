"""Steering in memory: the audit, and the registry as far as steering changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sluice.core.keys import StreamKey
from sluice.core.steering.ports import Change
from sluice.core.steering.switches import Recorded
from sluice.dynamo.registry import next_due
from tests.memory.registry import MemoryRegistry


class MemoryAudit:
    """``changes`` may be looked into."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def record(self, change: Change) -> Recorded:
        self.changes.append(change)
        return Recorded(len(self.changes), f"digest {len(self.changes)}")


class MemorySteering:
    """Moves streams of a registry in memory, and notes there from when they count as resumed."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self._registry = registry

    @property
    def resumed_at(self) -> Mapping[StreamKey, datetime]:
        return self._registry.resumed_at

    def next_due(self, key: StreamKey, cadence: timedelta, now: datetime) -> datetime:
        return next_due(key, cadence, now)

    def due_by(self, moments: Mapping[StreamKey, datetime]) -> int:
        return sum(self._due_by(key, at) for key, at in moments.items())

    def resumed(self, moments: Mapping[StreamKey, datetime]) -> int:
        entries = self._registry.entries
        self._registry.resumed_at |= {
            k: at for k, at in moments.items() if k in entries and entries[k].active
        }
        return self.due_by(moments)

    def _due_by(self, key: StreamKey, at: datetime) -> bool:
        entry = self._registry.entries.get(key)
        if entry is None or not entry.active or (entry.due_at is not None and entry.due_at <= at):
            return False
        self._registry.entries[key] = replace(entry, due_at=at)
        return True
