"""Where the actors of a universe are due to die."""

from __future__ import annotations

from random import Random

from sluice.core.fault_points import FaultPoint

IN_DATABASE = FaultPoint.EVENT_WRITTEN
"""As those of the merge: in memory nothing is stored until all is worked out."""

POINTS = {
    what: [
        point for point in FaultPoint if point.startswith(f"{what}.") and point is not IN_DATABASE
    ]
    for what in ("slice", "cleanup", "plan", "event")
}

WEIGHTS = {FaultPoint.SLICE_POINT_READ: 10}
"""One slice in hundreds asks for a single row: so more of them are due to die there than elsewhere."""


class Deaths:
    """Some actors are due to die at a fault point, when they reach it for the first or second time."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._due: dict[str, tuple[FaultPoint, int]] = {}

    def draw(self, name: str, what: str) -> None:
        """One in seven is due; most of those never come to the point."""
        if self._random.random() < 0.15:
            weights = [WEIGHTS.get(point, 1) for point in POINTS[what]]
            (point,) = self._random.choices(POINTS[what], weights)
            self._due[name] = (point, self._random.randint(1, 2))

    def strikes(self, name: str, at: FaultPoint) -> bool:
        """Is this the moment? Asked once each time that an actor reaches a point."""
        point, times = self._due.get(name, (None, 0))
        if point is not at:
            return False
        self._due[name] = (at, times - 1)
        return times == 1
