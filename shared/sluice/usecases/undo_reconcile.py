"""Undo a reconcile: what a run removed comes back, where nobody wrote it since.

For the day on which a vendor's word was wrong: a listing lacked rows, the vendor said of each that it was gone, and
it was not. The next complete listing judges them again, so the vendor's answers should be mended first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.records import Table
from sluice.core.steering.ports import Change
from sluice.core.steering.undoing import Removals, UndoesRemovals

ACTION = "undo reconcile"


@dataclass(frozen=True, slots=True)
class Kit:
    """The ports that undoing works on. ``table_of`` says where a stream's rows are; ``actor`` is for the audit."""

    undoing: UndoesRemovals
    table_of: Callable[[StreamKey], Table]
    actor: str


@dataclass(frozen=True, slots=True)
class Undone:
    """``rows`` came back, or would. ``left`` do not: they were written or brought back since."""

    removals: Removals
    rows: int

    @property
    def left(self) -> int:
        return max(self.removals.removed - self.removals.untraceable - self.rows, 0)


def would_undo(kit: Kit, run_id: str) -> Undone:
    """What undoing would come to. Refuses what ``undo_reconcile`` refuses."""
    removals = _checked(kit, run_id)
    return Undone(removals, kit.undoing.restorable(removals, kit.table_of(removals.key)))


def undo_reconcile(kit: Kit, run_id: str, *, why: str | None = None) -> Undone:
    """Bring back what the run removed; audited in the same transaction.

    SettingInvalid for a run that is not there, is still open, or removed nothing that can be traced.
    """
    removals = _checked(kit, run_id)

    def change(rows: int) -> Change:
        said = json.dumps({"rows": rows, "run_id": removals.run_id})
        return Change(kit.actor, ACTION, str(removals.key), None, said, why)

    rows = kit.undoing.restore(removals, kit.table_of(removals.key), change)
    return Undone(removals, rows)


def _checked(kit: Kit, run_id: str) -> Removals:
    removals = kit.undoing.removals_of(run_id)
    if removals is None:
        raise SettingInvalid(
            f"run {run_id!r}: there is none of this id; `sluice runs --times` shows them"
        )
    if not removals.ended:
        raise SettingInvalid(
            f"run {run_id} is still open and may remove more; `sluice pause {removals.key}`, and undo it once it ended"
        )
    if removals.removed == 0:
        raise SettingInvalid(f"run {run_id} removed nothing, so there is nothing to undo")
    if removals.removed == removals.untraceable:
        raise SettingInvalid(
            f"run {run_id} removed {removals.removed:,} row(s) before this was noted in a way that can be undone"
        )
    return removals
