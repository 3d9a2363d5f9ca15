"""What work is for, and who goes first."""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    """In the order in which work is let in; a run keeps its priority through all its messages."""

    PUSH = "push"
    MANUAL = "manual"
    SCHEDULE = "schedule"
    BACKFILL = "backfill"

    @property
    def rank(self) -> int:
        """0 is let in first."""
        return _ORDER.index(self)

    @property
    def is_urgent(self) -> bool:
        """Somebody waits for it, a person or whoever reads what was just pushed."""
        return self in (Priority.PUSH, Priority.MANUAL)


_ORDER = tuple(Priority)
