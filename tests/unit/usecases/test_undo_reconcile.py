"""Undoing a reconcile: refused where nothing can be undone, and audited with what came back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.records import Table
from sluice.core.steering.ports import Change
from sluice.core.steering.undoing import Removals
from sluice.usecases.undo_reconcile import Kit, undo_reconcile, would_undo
from tests.memory.streams import THINGS

KEY = StreamKey("acme", "shop", "things")
REMOVED = Removals("run-7", KEY, True, 9, 2)


@dataclass
class Undoing:
    """A database in which ``rows`` of what the run removed may come back."""

    removals: Removals | None
    rows: int = 5
    audited: list[Change] = field(default_factory=list)

    def removals_of(self, run_id: str) -> Removals | None:
        return self.removals if self.removals and run_id == self.removals.run_id else None

    def restorable(self, removals: Removals, table: Table) -> int:
        assert (removals, table) == (self.removals, THINGS)
        return self.rows

    def restore(self, removals: Removals, table: Table, change: Callable[[int], Change]) -> int:
        self.audited.append(change(self.restorable(removals, table)))
        return self.rows


def kit(undoing: Undoing) -> Kit:
    return Kit(undoing, {KEY: THINGS}.__getitem__, "ana")


def test_what_comes_back_is_audited_with_the_run_and_why() -> None:
    undoing = Undoing(REMOVED)
    done = undo_reconcile(kit(undoing), "run-7", why="the vendor was wrong")
    (change,) = undoing.audited
    assert change == Change(
        "ana", "undo reconcile", str(KEY), None, change.after, "the vendor was wrong"
    )
    assert json.loads(change.after or "") == {"rows": 5, "run_id": "run-7"}
    assert (done.removals, done.rows, done.left) == (REMOVED, 5, 2)


def test_looking_at_what_it_would_come_to_changes_nothing() -> None:
    undoing = Undoing(REMOVED)
    would = would_undo(kit(undoing), "run-7")
    assert (would.removals, would.rows, would.left) == (REMOVED, 5, 2)
    assert undoing.audited == []


def test_never_fewer_than_none_are_left() -> None:
    assert would_undo(kit(Undoing(REMOVED, rows=8)), "run-7").left == 0


@pytest.mark.parametrize("undo", [undo_reconcile, would_undo])
@pytest.mark.parametrize(
    ("removals", "why"),
    [
        (None, "run 'run-7': there is none of this id; `sluice runs --times` shows them"),
        (
            replace(REMOVED, ended=False),
            "run run-7 is still open and may remove more; `sluice pause acme#shop#things`,"
            " and undo it once it ended",
        ),
        (
            replace(REMOVED, removed=0, untraceable=0),
            "run run-7 removed nothing, so there is nothing to undo",
        ),
        (
            replace(REMOVED, removed=1200, untraceable=1200),
            "run run-7 removed 1,200 row(s) before this was noted in a way that can be undone",
        ),
    ],
)
def test_where_nothing_can_be_undone_it_says_why(
    undo: Callable[[Kit, str], object], removals: Removals | None, why: str
) -> None:
    undoing = Undoing(removals)
    with pytest.raises(SettingInvalid) as refused:
        undo(kit(undoing), "run-7")
    assert str(refused.value) == why
    assert undoing.audited == []
