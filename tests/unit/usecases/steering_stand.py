"""Two clients' streams and somebody who steers them, with a book and an audit that may fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sluice.core.errors import DatabaseUnavailable, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.ports import Revised
from sluice.core.steering.ports import Change
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import SUBJECT, Recorded, SwitchBoard
from sluice.dynamo.registry import RegistryEntry
from sluice.usecases.steer import Kit
from tests.memory.book import MemoryBook
from tests.memory.registry import MemoryRegistry
from tests.memory.steering import MemoryAudit, MemorySteering

T = TypeVar("T")

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CARS, ORDERS = StreamKey("acme", "cars", "cars"), StreamKey("acme", "shop", "orders")
BOLT = StreamKey("bolt", "cars", "cars")
ACME, EVERYTHING, SHOPIFY = Scope("acme"), Scope(), Scope(platform="shopify")


class Book(MemoryBook):
    """One that may be away, and before whose write somebody else may come."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: SluiceError | None = None
        self.before_write: Callable[[], None] = lambda: None

    def revise(self, subject: str, revision: Callable[[Mapping[str, Any]], Revised[T]]) -> T:
        came_before, self.before_write = self.before_write, lambda: None
        came_before()
        if self.fails:
            raise self.fails
        return super().revise(subject, revision)


class Audit(MemoryAudit):
    """One that notes what was in the book when it was written, and may be away."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._book = book
        self.is_away = False
        self.writes_before: list[int] = []

    def record(self, change: Change) -> Recorded:
        if self.is_away:
            raise DatabaseUnavailable("database: down")
        self.writes_before.append(self._book.writes)
        return super().record(change)


class Stand:
    """Two clients' streams, all due in a day, and somebody who steers them."""

    def __init__(self) -> None:
        self.now = NOW
        self.book = Book()
        self.audit = Audit(self.book)
        self.registry = MemoryRegistry()
        self.steering = MemorySteering(self.registry)
        for key in (CARS, ORDERS, BOLT):
            self.set(key)

    def set(self, key: StreamKey, **changed: Any) -> None:
        entry = RegistryEntry(key, DAY, {}, "s", due_at=NOW + DAY)
        self.registry.entries[key] = replace(entry, **changed)

    def kit(self, actor: str = "me") -> Kit:
        streams = self.registry.show()
        return Kit(self.book, self.audit, self.steering, streams, lambda: self.now, actor)

    def board(self) -> SwitchBoard:
        return SwitchBoard.of_page(self.book.read(SUBJECT)).at(self.now)

    def is_paused(self, key: StreamKey) -> bool:
        return self.board().pause_of(key) is not None

    def due(self) -> list[StreamKey]:
        """What a tick now would find."""
        entries = self.registry.show()
        return [each.key for each in entries if each.due_at and each.due_at <= self.now]

    def audited(self) -> list[tuple[str, str, str]]:
        return [(each.actor, each.action, each.scope) for each in self.audit.changes]
