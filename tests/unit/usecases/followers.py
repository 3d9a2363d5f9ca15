"""A world in which marks follow things by a work list, and charges are attributed by a derive step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sluice.core.keys import StreamKey
from sluice.messages import SliceMessage
from tests.memory.database import StoredRun, StoredSlice
from tests.memory.following import TRACKED_THINGS, Charges, Marks, Tracked, Truth, programs
from tests.memory.streams import Vendor
from tests.oracle import chain_faults
from tests.unit.usecases.world import KEY, START, World, asking, catalogue

MARKS_KEY = StreamKey("acme", "shop", "marks")
CHARGES_KEY = StreamKey("acme", "shop", "charges")


@dataclass
class Followers:
    """The world, and what a test looks at of one of its streams. ``troubles`` are raised at the next
    requests, None is a request that goes well."""

    world: World
    key: StreamKey
    troubles: list[Exception | None]

    def __post_init__(self) -> None:
        truth = Truth(START - timedelta(hours=1), self._answers)
        self.marks = Marks(truth, self.world.clock)
        self.charges = Charges(truth, self.world.clock)
        self.world.streams.streams |= {MARKS_KEY: self.marks, CHARGES_KEY: self.charges}  # type: ignore[dict-item]

    def _answers(self) -> None:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble

    def asking(self, reason: str = "schedule", **more: Any) -> SliceMessage:
        return SliceMessage.asking_for(self.key, reason=reason, **more)

    @property
    def slices(self) -> list[StoredSlice]:
        return self.world.commits.database.log.get(self.key, [])

    @property
    def runs(self) -> list[StoredRun]:
        return [run for run in self.world.commits.database.runs if run.key == self.key]

    @property
    def tracking(self) -> dict[str, Tracked]:
        return self.world.commits.database.derived["acme"]["tracking"]

    @property
    def owners(self) -> dict[str, str]:
        return self.world.commits.database.derived["acme"].get("owners", {})

    def stored(self) -> dict[str, Any]:
        rows = self.world.commits.database.rows(self.key.stream, "acme")
        return {record_id: row.values[0] for record_id, row in rows.items()}

    def at_rest(self) -> bool:
        """Chain sound, watermark equal to the cursor, lease given back, no run open."""
        database = self.world.commits.database
        item, at = self.world.leases.items[self.key], database.streams[self.key]
        assert list(chain_faults(*database.chain(self.key))) == []
        assert (item.watermark or {}, item.seq, item.owner) == (at.cursor, at.seq, None)
        assert all(run.ended_at is not None for run in self.runs)
        return True


def followers(key: StreamKey, number: int = 30) -> Followers:
    """As many things, read and tracked; nobody asked for a mark or a charge yet."""
    world = World(vendor=Vendor(catalogue(number)))
    world.commits.programs = programs()
    world.stream.table = TRACKED_THINGS
    world.run(asking("manual"))
    world.drain()
    assert KEY in world.leases.items
    return Followers(world, key, [])
