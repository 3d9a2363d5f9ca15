"""The streams of a universe that follow its things, and what must hold of what is derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sluice.core.keys import StreamKey
from tests.memory.commits import MemoryCommits
from tests.memory.database import MemoryDatabase, Row
from tests.memory.following import DONE, Charges, Marks, Tracked, Truth, owner_of
from tests.simulation.vendors import THINGS_KEY

MARKS_KEY = StreamKey("acme", "shop", "marks")
CHARGES_KEY = StreamKey("acme", "shop", "charges")
CLIENT = THINGS_KEY.client_id


@dataclass(frozen=True)
class FollowersSide:
    """Marks and charges as their vendors have them. ``refuses`` may raise at each request."""

    began: datetime
    now: Callable[[], datetime]
    refuses: Callable[[], None]

    @property
    def truth(self) -> Truth:
        return Truth(self.began, self.refuses)

    def open(self, key: StreamKey) -> Marks | Charges:
        return (Marks if key == MARKS_KEY else Charges)(self.truth, self.now)


@dataclass
class FollowersOracle:
    """Derived rows say what the rows say, at every moment: nobody sees the one without the other.

    But where the database ``lost`` commits: who asked for a mark before may store it while its thing is not
    back yet. It is tracked with the thing, and true again once it was looked at anew.
    """

    commits: MemoryCommits
    side: FollowersSide
    lost: bool = False

    def faults(self) -> Iterator[str]:
        database = self.commits.database
        derived = database.derived.get(CLIENT, {})
        yield from self._tracking_faults(database, derived.get("tracking", {}))
        yield from self._owner_faults(database, derived.get("owners", {}))

    def _tracking_faults(
        self, database: MemoryDatabase, tracking: dict[str, Tracked]
    ) -> Iterator[str]:
        things, marks = database.rows("things", CLIENT), database.rows("marks", CLIENT)
        if set(tracking) != set(things):
            yield f"D1: {sorted(set(tracking) ^ set(things))[:3]} are tracked or stored, not both"
            return
        for record_id, at in tracking.items():
            if at.alive != (things[record_id].deleted_at is None):
                yield f"D1: {record_id} is tracked as {at}, its row says otherwise"
        for record_id, row in marks.items():
            tracked = tracking.get(record_id)
            if self.lost and (tracked is None or tracked.checked_at is None):
                continue
            if tracked is None:
                yield f"D1: the mark of {record_id} is stored, and nobody tracks it"
            else:
                yield from _mark_faults(record_id, row, tracked)

    def _owner_faults(self, database: MemoryDatabase, owners: dict[str, str]) -> Iterator[str]:
        """Each charge gets its owner once; the log's numbers are those of the derived rows."""
        charges = database.rows("charges", CLIENT)
        for record_id, owner in owners.items():
            if record_id not in charges or owner != owner_of(charges[record_id].values[0]):
                yield f"D2: {record_id} is said to be of {owner}"
        slices = database.log.get(CHARGES_KEY, [])
        attributed = sum(each.derived.get("attributed", 0) for each in slices)
        if attributed != len(owners):
            yield f"D2: {attributed} charges were attributed by the log, {len(owners)} have an owner"

    def end(self, asked_at: datetime) -> Iterator[str]:
        """Once all is at rest after full reads that were asked for at that moment."""
        derived = self.commits.database.derived[CLIENT]
        for record_id, at in derived["tracking"].items():
            if at.is_open and (at.checked_at is None or at.checked_at < asked_at):
                yield f"the mark of {record_id} was not looked at: {at}"
        things = self.commits.database.rows("things", CLIENT)
        charges = self.commits.database.rows("charges", CLIENT)
        if len(charges) < self.side.truth.charges(asked_at):
            yield f"only {len(charges)} charges were read"
        for record_id, row in charges.items():
            if f"t{row.values[0]:03}" in things and record_id not in derived["owners"]:
                yield f"{record_id} has no owner, though its thing is known"


def _mark_faults(record_id: str, row: Row, at: Tracked) -> Iterator[str]:
    if at.done != (row.values[0] >= DONE):
        yield f"D1: {record_id} is tracked as {at}, its mark is {row.values[0]}"
    if at.checked_at is None or at.checked_at < row.updated_at:
        yield f"D1: the mark of {record_id} was written at {row.updated_at}, and tracked as {at}"
