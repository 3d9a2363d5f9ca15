"""Derivations, work lists and derive steps in memory: functions by the name of their statement.

Like the statements they stand for, they see the rows of their batch as they will stand; what they change is
stored with the rest of the slice or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sluice.core.errors import RowRejected
from sluice.core.records import Derive, Table
from tests.memory.database import Derived, MemoryDatabase, Row
from tests.memory.merging import Merged, reject_of

Changes = Mapping[str, Mapping[str, Any]]
"""Derived rows by table and key, as they shall stand."""


@dataclass(frozen=True)
class Batch:
    """What a derivation is given: the rows of its table as they stand now, the ids that were read and those
    that were written of them, derived rows by table."""

    rows: Mapping[str, Row]
    incoming: Sequence[str]
    written: Sequence[str]
    derived: Derived
    now: datetime


@dataclass(frozen=True)
class Asking:
    """What a work list or a derive step is given: everything of its client, and its parameters."""

    database: MemoryDatabase
    client_id: str
    derived: Derived
    parameters: Mapping[str, Any]

    def rows(self, table: str) -> Mapping[str, Row]:
        return self.database.rows(table, self.client_id)


@dataclass
class Programs:
    """What each statement's name stands for. ``derivations`` raise RowRejected for a row they cannot take."""

    derivations: dict[str, Callable[[Batch], Changes]] = field(default_factory=dict)
    work: dict[str, Callable[[Asking], Sequence[Mapping[str, Any]]]] = field(default_factory=dict)
    steps: dict[str, Callable[[Asking], tuple[Changes, Mapping[str, int]]]] = field(
        default_factory=dict
    )


@dataclass
class Deriving:
    """What one transaction derives: ``derived`` as it will stand, over the client's rows as they will."""

    programs: Programs
    table: Table
    rows: dict[str, Row]
    derived: dict[str, dict[str, Any]]
    now: datetime

    def follow_merge(self, merged: Merged) -> None:
        """Take the batch's rows in, and what follows from them; a row that fails in it is rejected."""
        kept_up = {i: row for i, row in merged.rows.items() if i not in merged.written}
        self.rows.update(kept_up)  # at the newer version, whatever follows from them
        if not self.table.derivations:
            self.rows.update(merged.rows)
        elif merged.winners:
            self._ship(merged, list(merged.winners))

    def _ship(self, merged: Merged, ids: list[str]) -> None:
        taken = {i: merged.rows[i] for i in ids if i in merged.rows}
        written = [i for i in ids if i in merged.written]
        try:
            self._follow({**self.rows, **taken}, ids, written)
        except RowRejected as error:
            self._divide(merged, ids, error)
        else:
            self.rows.update(taken)

    def _divide(self, merged: Merged, ids: list[str], error: RowRejected) -> None:
        if len(ids) > 1:
            middle = len(ids) // 2
            self._ship(merged, ids[:middle])
            self._ship(merged, ids[middle:])
            return
        (record_id,) = ids
        if record_id in merged.refused:
            return
        was_written = merged.refuse(record_id, reject_of(merged.winners[record_id], error))
        if was_written:
            self._ship(merged, ids)

    def put_away(
        self, ids: Sequence[str], change: Callable[[Row], Row]
    ) -> tuple[list[str], dict[str, str]]:
        """Rows that are archived, removed or buried: which of them went, and why the others did not."""
        if not ids:
            return [], {}
        changed = {i: change(self.rows[i]) for i in ids}
        try:
            self._follow({**self.rows, **changed}, [], ids)
        except RowRejected as error:
            if len(ids) == 1:
                return [], {ids[0]: error.reason}
            middle = len(ids) // 2
            gone, kept = self.put_away(ids[:middle], change)
            more_gone, more_kept = self.put_away(ids[middle:], change)
            return gone + more_gone, kept | more_kept
        self.rows.update(changed)
        return list(ids), {}

    def _follow(
        self, rows: Mapping[str, Row], incoming: Sequence[str], written: Sequence[str]
    ) -> None:
        """All of the table's derivations, or none."""
        derived = {name: dict(held) for name, held in self.derived.items()}
        for derivation in self.table.derivations:
            program = self.programs.derivations[derivation.name]
            _take(derived, program(Batch(rows, incoming, written, derived, self.now)))
        self.derived = derived

    def step(self, asking: Asking, step: Derive) -> Mapping[str, int]:
        changes, numbers = self.programs.steps[step.derivation.name](asking)
        _take(self.derived, changes)
        return numbers


def _take(derived: dict[str, dict[str, Any]], changes: Changes) -> None:
    for table, rows in changes.items():
        derived.setdefault(table, {}).update(rows)
