"""Our own pace at a vendor account: how many requests a second, kept across slices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from sluice.core.errors import VendorThrottled

LONGEST_SLEEP = timedelta(seconds=2)
"""A longer wait is never slept in a Lambda: the slice's continuation carries it as a delay."""


class Pace:
    """Hands out moments at which a request may start, evenly spaced. Shared by threads.

    ``per_second`` None means no pace of our own; ``hold`` still obeys what the vendor asks.
    """

    def __init__(
        self, per_second: float | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._monotonic = monotonic
        self._free_at = 0.0
        self._lock = threading.Lock()

    def reserve(self, within: timedelta) -> float:
        """Seconds to wait before the moment now reserved.

        Raises VendorThrottled, and reserves nothing, when the wait is longer than may be slept or
        does not fit ``within``.
        """
        with self._lock:
            now = self._monotonic()
            start = max(now, self._free_at)
            wait = timedelta(seconds=start - now)
            if wait > LONGEST_SLEEP or (wait and wait >= within):
                raise VendorThrottled("our own pace says: not yet", retry_after=wait)
            self._free_at = start + self._gap
            return start - now

    def hold(self, wait: timedelta) -> None:
        """Nobody asks this account again before ``wait`` is over."""
        with self._lock:
            self._free_at = max(self._free_at, self._monotonic() + wait.total_seconds())

    def side_by_side(self, most: int) -> int:
        """How many requests may be under way without one waiting longer than may be slept."""
        if not self._gap:
            return most
        return max(1, min(most, int(LONGEST_SLEEP.total_seconds() * 0.75 / self._gap)))
