"""The delete brake: how much may vanish from a table on the word of one listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

BRAKE_ROWS = 20
BRAKE_SHARE = 0.02

BRAKE_NOTE = "delete brake:"
"""How the note of a slice begins that removed nothing because the brake tripped. An index looks for it."""


class Candidate(NamedTuple):
    """A row that a listing lacked, at the version it had then: written since, it is no candidate.

    ``raw`` is its document as JSON text, for tables whose ``point_reads_need_document``.
    """

    record_id: str
    version: int
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What a complete listing lacked: rows missing now, rows it already removed, rows alive."""

    missing: int
    removed: int
    alive: int

    @property
    def allowed(self) -> int:
        """At most 20 rows or 2 % of the table as it was before this listing, whichever is more."""
        return max(BRAKE_ROWS, int((self.alive + self.removed) * BRAKE_SHARE))

    @property
    def brake_tripped(self) -> bool:
        return self.missing + self.removed > self.allowed
