"""Waiting within a slice: one thread after the other, never longer than the slice has, and stopped at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sluice.core.errors import VendorUnavailable
from sluice.core.limits.accounts import LONGEST_WAIT

LONGEST_SLEEP = LONGEST_WAIT
NAP_SECONDS = 0.25
IN_LINE_SECONDS = 0.05


class CutShort(VendorUnavailable):
    """We ended a request, or did not begin it: the slice is over. Says nothing about the vendor."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may wait before it starts. ``left`` is the slice's time, ``requests`` how many
    more it may make, ``stopped`` whether its reader has gone."""

    left: Callable[[], timedelta]
    requests: Callable[[], int]
    sleep: Callable[[float], None]
    stopped: Callable[[], bool]

    def nap(self, seconds: float) -> None:
        """Sleep in short steps, so that a stop is obeyed."""
        while seconds > 0 and not self.stopped():
            step = min(seconds, NAP_SECONDS)
            self.sleep(step)
            seconds -= step

    def check(self) -> None:
        if self.stopped():
            raise CutShort("the reader stopped")


class Line:
    """Threads that wait for the same thing: the first one waits for it, the others behind him."""

    def __init__(self) -> None:
        self._first = threading.Lock()

    @contextmanager
    def joined(self, patience: Patience) -> Iterator[None]:
        """Come first, or CutShort when the reader stops meanwhile."""
        while not self._first.acquire(timeout=IN_LINE_SECONDS):
            patience.check()
        try:
            patience.check()
            yield
        finally:
            self._first.release()
