"""A listing that claims to be complete may lack live rows: which rows may be removed?

The vendor creates and deletes rows at any moment, and pushes some that come back; a listing reads them one
by one in order and may be cut short yet claim to be complete. Then the candidates are judged one by one,
as ``reconcile`` does, and removed by the commit that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explore import MISFORTUNE, STEP, Move

UNJUDGED, GONE, MISJUDGED, WRITTEN_SINCE = range(4)
"""What was found of the row at hand: gone; alive, had anybody asked; gone, but pushed since."""


class Rows(NamedTuple):
    """Bits by row: ``alive`` at the vendor, ``stored`` alive in the table, ``sighted`` (or written) since the
    listing began, ``removed`` by this generation. ``position`` of the listing; from ``rows`` on, of the
    judging. ``changes`` that the vendor may still make."""

    alive: int
    stored: int
    sighted: int = 0
    position: int = 0
    removed: int = 0
    changes: int = 0
    judged: int = UNJUDGED


@dataclass(frozen=True, slots=True)
class Removal:
    """Implements ``explore.Model``. ``brake`` is how many rows may go on the word of one listing."""

    rows: int = 4
    brake: int = 2
    changes: int = 3
    braked: bool = True
    point_read: bool = True
    as_judged: bool = True  # a row written since it was judged stays

    def initial(self) -> Rows:
        everything = (1 << self.rows) - 1
        return Rows(everything, everything, changes=self.changes)

    def is_good(self, state: Rows) -> bool:
        return state.position == 2 * self.rows

    def describe(self, state: Rows) -> str:
        width = self.rows
        return (
            f"| vendor={state.alive:0{width}b} table={state.stored:0{width}b}"
            f" sighted={state.sighted:0{width}b} at={state.position}"
        )

    def moves(self, state: Rows) -> Sequence[Move]:
        moves = self._changes(state)
        if state.position < self.rows:
            moves += self._listing(state)
        elif state.judged:
            moves.append(self._commit(state))
        elif state.position < 2 * self.rows:
            moves.append(self._judge(state))
        return moves

    def _changes(self, state: Rows) -> list[Move]:
        """The vendor deletes a row, or has it again and says so or not; each uses up a change."""
        if not state.changes or state.position == 2 * self.rows:
            return []
        moves = []
        for row in range(self.rows):
            bit = 1 << row
            changed = state._replace(alive=state.alive ^ bit, changes=state.changes - 1)
            if state.alive & bit:
                moves.append(Move(MISFORTUNE, f"row {row} is deleted at the vendor", changed))
            else:
                moves.append(Move(MISFORTUNE, f"row {row} comes back at the vendor", changed))
                pushed = self._pushed(changed, row)
                moves.append(Move(MISFORTUNE, f"row {row} comes back and is pushed", pushed))
        return moves

    def _pushed(self, state: Rows, row: int) -> Rows:
        bit, at_hand = 1 << row, state.judged and state.position - self.rows == row
        return state._replace(
            stored=state.stored | bit,
            sighted=state.sighted | bit,
            removed=state.removed & ~bit,
            judged=WRITTEN_SINCE if at_hand else state.judged,
        )

    def _listing(self, state: Rows) -> list[Move]:
        listed = state.alive & 1 << state.position
        whole = state._replace(
            stored=state.stored | listed,
            sighted=state.sighted | listed,
            position=state.position + 1,
        )
        cut = state._replace(position=self.rows)
        return [
            Move(STEP, f"the listing passes row {state.position}", whole),
            Move(MISFORTUNE, "the listing is cut and claims to be complete", cut),
        ]

    def _judge(self, state: Rows) -> Move:
        """The brake first; then the vendor is asked for the row itself."""
        row = state.position - self.rows
        missing = state.stored & ~state.sighted
        if self.braked and (missing | state.removed).bit_count() > self.brake:
            held = state._replace(position=2 * self.rows)
            return Move(STEP, "the brake holds everything back", held)
        alive = state.alive >> row & 1
        if not missing >> row & 1 or (alive and self.point_read):
            return Move(STEP, f"row {row} is kept", state._replace(position=state.position + 1))
        judged = state._replace(judged=MISJUDGED if alive else GONE)
        return Move(STEP, f"row {row} is judged to be gone", judged)

    def _commit(self, state: Rows) -> Move:
        row = state.position - self.rows
        after = state._replace(position=state.position + 1, judged=UNJUDGED)
        if state.judged == WRITTEN_SINCE and self.as_judged:
            return Move(STEP, f"row {row} was written since and is kept", after)
        bit, broken = 1 << row, None
        after = after._replace(stored=state.stored & ~bit, removed=state.removed | bit)
        if state.judged == MISJUDGED:
            broken = "a row that is alive at the vendor was removed"
        elif state.judged == WRITTEN_SINCE:
            broken = "a row written after it was judged was removed"
        elif after.removed.bit_count() > self.brake:
            broken = "more rows went at once than the brake allows"
        return Move(STEP, f"row {row} is removed", after, broken)
