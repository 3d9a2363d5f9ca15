"""When a shipment is asked for its timeline, said a second time and another way than in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

AGES = (
    (timedelta(days=3), timedelta(minutes=15)),
    (timedelta(days=14), timedelta(hours=2)),
    (timedelta(days=45), timedelta(hours=24)),
)
"""Up to which age, and without it, how much time lies between two checks."""

REACH = AGES[-1][0]
WEIGHTS = (60, 25, 15)
SHARE_OF_TIER = (0, 1, 1, 2)


def tier_at(labelled: datetime | None, created: datetime, at: datetime) -> int | None:
    """The tier at an instant; None beyond the reach."""
    age = at - (labelled or created)
    if age >= REACH:
        return None
    if labelled is None:
        return 3
    return next(tier for tier, (below, _) in enumerate(AGES) if age < below)


def due_after(checked: datetime, labelled: datetime | None, created: datetime) -> datetime | None:
    """The first instant at which as much time has passed since the check as the age of that instant asks for.

    By the definition: whatever the instant is, it lies one interval after the check or at the end of an age.
    """
    began = labelled or created
    instants = [checked + every for _, every in AGES] + [began + below for below, _ in AGES]
    return min(
        (at for at in instants if at > checked and _enough(checked, began, at)), default=None
    )


def _enough(checked: datetime, began: datetime, at: datetime) -> bool:
    every = next((every for below, every in AGES if at - began < below), None)
    return every is not None and at - checked >= every


@dataclass(frozen=True)
class Tracked:
    """A row of the tracking table. ``due`` is None for a shipment that is never asked (again), and
    ``checked`` for one that never was; ``tier`` is the one it has, or had when it fell due."""

    shipment_id: str
    created: datetime
    labelled: datetime | None
    checked: datetime | None
    is_open: bool
    tracked_at: datetime

    @property
    def due(self) -> datetime | None:
        """An instant that lies before all others where the shipment was never checked."""
        if not self.is_open:
            return None
        if self.checked is None:
            return datetime.min.replace(tzinfo=self.created.tzinfo)
        return due_after(self.checked, self.labelled, self.created)

    @property
    def tier(self) -> int | None:
        if self.due is None:
            return None
        at = self.tracked_at if self.checked is None else self.due
        return tier_at(self.labelled, self.created, at)


def chosen(
    rows: Iterable[Tracked], now: datetime, batch: int, since: datetime | None = None
) -> list[str]:
    """Who is asked, in order: one after the other from the share that had the least so far for its weight."""
    lines = _lines(rows, now, since)
    taken = [0] * len(lines)
    picked: list[str] = []
    while len(picked) < batch and any(lines):
        share = min(
            (share for share, line in enumerate(lines) if line),
            key=lambda share: (Fraction(taken[share], WEIGHTS[share]), share),
        )
        picked.append(lines[share].pop(0).shipment_id)
        taken[share] += 1
    return picked


def _lines(
    rows: Iterable[Tracked], now: datetime, since: datetime | None
) -> Sequence[list[Tracked]]:
    lines: list[list[Tracked]] = [[], [], []]
    for row in rows:
        if row.due is not None and row.tier is not None and _wanted(row, now, since):
            lines[SHARE_OF_TIER[row.tier]].append(row)
    for line in lines:
        line.sort(key=lambda row: (row.due, row.shipment_id))
    return lines


def _wanted(row: Tracked, now: datetime, since: datetime | None) -> bool:
    assert row.due is not None
    return row.due <= now or (since is not None and row.checked is not None and row.checked < since)
