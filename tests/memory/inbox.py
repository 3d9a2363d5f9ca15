"""Deliveries that arrived, in memory: the same ports as in Postgres, held to the same contract suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sluice.core.webhooks import InboxEntry
from tests.memory.database import MemoryDatabase


@dataclass
class MemoryInbox:
    """Implements what ``PostgresInbox`` does, beside the database whose pushes say what was applied."""

    database: MemoryDatabase
    received: dict[InboxEntry, datetime] = field(default_factory=dict)
    queued: set[InboxEntry] = field(default_factory=set)

    def note(self, entry: InboxEntry, now: datetime) -> bool:
        self.received.setdefault(entry, now)
        applied = (entry.client_id, entry.source, entry.event_id) in self.database.inbox
        return applied or entry in self.queued

    def note_queued(self, entry: InboxEntry) -> None:
        self.queued.add(entry)

    def is_done(self, entry: InboxEntry, received_at: datetime) -> bool:
        self.received.setdefault(entry, received_at)
        return (entry.client_id, entry.source, entry.event_id) in self.database.inbox

    def note_done(self, entry: InboxEntry) -> None:
        self.database.inbox.add((entry.client_id, entry.source, entry.event_id))

    def prune(self, *, before: datetime, limit: int) -> int:
        old = sorted(
            (at, entry.event_id, entry) for entry, at in self.received.items() if at < before
        )
        for _, _, entry in old[:limit]:
            del self.received[entry]
            self.queued.discard(entry)
            self.database.inbox.discard((entry.client_id, entry.source, entry.event_id))
        return len(old[:limit])
