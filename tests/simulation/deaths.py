"""Where the actors of a universe are due to die: at every fault point of the engine that a universe has.

It has none of those that lie within a transaction (the merge's and `event.written`), which in memory is one step, and
none of a webhook's, whose receiver no universe plays. The chaos suite's workers die there.
"""

from __future__ import annotations

from random import Random

from sluice.core.fault_points import FaultPoint

ELSEWHERE = [
    point
    for point in FaultPoint
    if point.startswith(("merge.", "webhook.")) or point is FaultPoint.EVENT_WRITTEN
]
"""Within a transaction nobody may even pause: others would come between, and memory has no locks as Postgres has."""

POINTS = {
    what: [p for p in FaultPoint if p.startswith(f"{what}.") and p not in ELSEWHERE]
    for what in ("slice", "cleanup", "plan", "event")
}

WEIGHTS = {FaultPoint.SLICE_POINT_READ: 10}
"""One slice in hundreds asks for a single row: so more of them are due to die there than elsewhere."""


class Deaths:
    """Some actors are due to die at a fault point, when they reach it for the first or second time."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._due: dict[str, tuple[FaultPoint, int]] = {}
        self.reached: set[FaultPoint] = set()

    def draw(self, name: str, what: str) -> None:
        """One in seven is due; most of those never come to the point."""
        if self._random.random() < 0.15:
            weights = [WEIGHTS.get(point, 1) for point in POINTS[what]]
            (point,) = self._random.choices(POINTS[what], weights)
            self._due[name] = (point, self._random.randint(1, 2))

    def strikes(self, name: str, at: FaultPoint) -> bool:
        """Is this the moment? Asked once each time that an actor reaches a point."""
        self.reached.add(at)
        point, times = self._due.get(name, (None, 0))
        if point is not at:
            return False
        self._due[name] = (at, times - 1)
        return times == 1
