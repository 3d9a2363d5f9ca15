"""What befalls an invocation: nothing, a death or a long sleep, at a fault point or at a random moment."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sluice.core.fault_points import FaultPoint

SLICE_POINTS = tuple(p for p in FaultPoint if p.value.startswith(("slice.", "merge.")))
POINTS = {
    "slice": SLICE_POINTS,
    "clean_up": tuple(p for p in FaultPoint if p.value.startswith("cleanup.")),
    "plan": tuple(p for p in FaultPoint if p.value.startswith("plan.")),
    "webhook": tuple(p for p in FaultPoint if p.value.startswith("webhook.")),
    "apply": tuple(p for p in FaultPoint if p.value.startswith("event.")),
}
"""By kind of task."""

SLEEPERS = frozenset({"slice", "apply"})

FEWEST_MS, MOST_MS = 5, 500


@dataclass(frozen=True, slots=True)
class Fate:
    """``after_s``: the controller acts then. ``die_at``, ``stop_at``: the worker does, the n-th time."""

    after_s: float | None = None
    kills: bool = False
    stops: bool = False
    die_at: str | None = None
    stop_at: str | None = None
    nth: int = 1

    def orders(self) -> dict[str, Any]:
        """What the worker itself is told."""
        return {"die_at": self.die_at, "stop_at": self.stop_at, "nth": self.nth}


SPARED = Fate()


@dataclass
class Fates:
    """Deals fates by shares, from a seed. Points that were met least come first."""

    random: random.Random
    kill_share: float = 0.0
    stop_share: float = 0.0
    met: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def calm(self) -> None:
        self.kill_share = self.stop_share = 0.0

    def of(self, kind: str) -> Fate:
        """A fate for a task of this kind. Only who writes rows is put to sleep."""
        return self._deal(POINTS[kind], self.kill_share, self.stop_share if kind in SLEEPERS else 0)

    def note(self, point: str) -> None:
        """A worker died or stopped there."""
        with self._lock:
            self.met[point] += 1

    def _deal(self, points: tuple[FaultPoint, ...], kill: float, stop: float) -> Fate:
        with self._lock:
            drawn = self.random.random()
            kills, stops = drawn < kill, kill <= drawn < kill + stop
            if not (kills or stops):
                return SPARED
            if self.random.random() < 0.5:
                after = self.random.uniform(FEWEST_MS, MOST_MS) / 1000
                return Fate(after_s=after, kills=kills, stops=stops)
            point = self._rare(points)
            nth = 1 if self.random.random() < 0.7 else 2
            return Fate(die_at=point, nth=nth) if kills else Fate(stop_at=point, nth=nth)

    def _rare(self, points: tuple[FaultPoint, ...]) -> str:
        """Of three drawn, the one met least."""
        drawn = self.random.sample(points, min(3, len(points)))
        return str(min(drawn, key=lambda point: self.met[point]))
