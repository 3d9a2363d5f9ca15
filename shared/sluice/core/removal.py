"""The delete brake: how much may vanish from a table on the word of one listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

BRAKE_ROWS = 20
BRAKE_SHARE = 0.02

BRAKE_NOTE = "delete brake:"
"""How the note of a slice begins that removed nothing because the brake tripped. An index looks for it."""

HELD_BACK_NOTE = "removals held back:"
"""Of one that removed nothing of what was missing, because the vendor was not believed. It ends no brake's alarm."""


class Candidate(NamedTuple):
    """A row that a listing lacked, at the version it had then: written since, it is no candidate.

    ``raw`` is its document as JSON text, for tables whose ``point_reads_need_document``.
    """

    record_id: str
    version: int
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Brake:
    """How much one listing may remove: so many rows, or such a share (0 to 1) of the table, whichever is more.

    The clients file sets it under ``delete_brake:``. It is never off: whatever ``rows`` says, beyond the usual 20 it
    lets go no more than half of the table.
    """

    rows: int = BRAKE_ROWS
    share: float = BRAKE_SHARE

    def allows(self, table_rows: int) -> int:
        """The most rows that may go of a table of so many."""
        few = min(self.rows, max(BRAKE_ROWS, table_rows // 2))
        return max(few, int(table_rows * self.share))


USUAL_BRAKE = Brake()


@dataclass(frozen=True, slots=True)
class Missing:
    """What a complete listing lacked: rows missing now, rows it already removed, rows alive; and the stream's
    brake."""

    missing: int
    removed: int
    alive: int
    brake: Brake = USUAL_BRAKE

    @property
    def allowed(self) -> int:
        """The brake's bound for the table as it was before this listing."""
        return self.brake.allows(self.alive + self.removed)

    @property
    def brake_tripped(self) -> bool:
        return self.missing + self.removed > self.allowed
