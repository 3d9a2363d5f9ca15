"""Undoing what a run's reconcile removed: rows come back whose removal was that run's, and that nobody wrote since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sluice.core.keys import StreamKey
from sluice.core.records import Table
from sluice.core.steering.ports import Change


@dataclass(frozen=True, slots=True)
class Removals:
    """What a run removed, by its slices' word. ``untraceable`` are rows removed by slices that an older version of
    the code committed, which did not note the moment: they cannot be told from other removals."""

    run_id: str
    key: StreamKey
    ended: bool
    removed: int
    untraceable: int = 0


class UndoesRemovals(Protocol):
    """The data's tables, as far as undoing changes them (Postgres). Each raises DatabaseUnavailable."""

    def removals_of(self, run_id: str) -> Removals | None:
        """What the run removed; None when there is no such run."""
        ...

    def restorable(self, removals: Removals, table: Table) -> int:
        """How many rows would come back now."""
        ...

    def restore(self, removals: Removals, table: Table, change: Callable[[int], Change]) -> int:
        """Bring rows back, with what follows from them, and record ``change`` of their number: all in one
        transaction. How many came back. Safe to repeat: a second time there are none left.

        InvariantBroken, and nothing changed, when what follows from a row cannot be made anew.
        """
        ...
