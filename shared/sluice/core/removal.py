"""The delete brake: how much may vanish from a table on the word of one listing."""

from __future__ import annotations

from dataclasses import dataclass

BRAKE_ROWS = 20
BRAKE_SHARE = 0.02


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
