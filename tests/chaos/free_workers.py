"""When a worker stood ready and had nothing to do."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

MOST_KEPT = 50_000
"""Stretches: more than there are between a death and the end of a round."""


class FreeWorkers:
    """Thread-safe. Told of every worker that begins to wait and that ceases to; times are monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        self._since = 0.0
        self._stretches: deque[tuple[float, float]] = deque(maxlen=MOST_KEPT)

    def waits(self, slot: int) -> None:
        with self._lock:
            if not self._waiting:
                self._since = self._now()
            self._waiting.add(slot)

    def works(self, slot: int) -> None:
        """Or died, or is not there yet."""
        with self._lock:
            if slot in self._waiting:
                self._waiting.discard(slot)
                if not self._waiting:
                    self._stretches.append((self._since, self._now()))

    def seconds_since(self, at: float) -> float:
        """For so long in all, at least one was free after ``at``."""
        with self._lock:
            free = self._now() - max(at, self._since) if self._waiting else 0.0
            for since, until in reversed(self._stretches):
                if until <= at:
                    break
                free += until - max(since, at)
            return max(free, 0.0)
