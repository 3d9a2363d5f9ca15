"""The vendor's clock: real time plus what a test added to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime


class VendorClock:
    """Seconds since the epoch as the vendor sees them: the machine's or ahead of them."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._real = now
        self._ahead_s = 0.0
        self._held_at: float | None = None

    def now(self) -> float:
        """Seconds since the epoch; stands still while the clock is held."""
        return self.running() if self._held_at is None else self._held_at

    def running(self) -> float:
        """The same without the hold, for what must go on meanwhile, as rate limits do."""
        return self._real() + self._ahead_s

    def machine(self) -> float:
        """The machine's time, for what a receiver compares with its own clock."""
        return self._real()

    def hold(self) -> float:
        """Stand still, so that a world may be compared with its copy; returns the time held."""
        self._held_at = self.now()
        return self._held_at

    def release(self) -> float:
        """Go on; what the held time kept back happens at once."""
        self._held_at = None
        return self.now()

    def advance(self, seconds: float) -> float:
        """Move ahead; returns the new time. Going back is refused: change history would break."""
        if seconds < 0:
            raise ValueError("the vendor's clock only moves ahead; pass seconds >= 0")
        self._ahead_s += seconds
        if self._held_at is not None:
            self._held_at += seconds
        return self.now()

    def reset(self) -> None:
        """Go back to the machine's time. Only sound when every account is dropped with it."""
        self._ahead_s = 0.0
        self._held_at = None


def http_date(epoch_s: float) -> str:
    """The form used in Date and Retry-After headers (RFC 9110, whole seconds, GMT)."""
    return format_datetime(datetime.fromtimestamp(int(epoch_s), UTC), usegmt=True)


def iso(epoch_s: float) -> str:
    """The form used inside vendor documents: UTC with microseconds."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
