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

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._real() + self._ahead_s

    def advance(self, seconds: float) -> float:
        """Move ahead; returns the new time. Going back is refused: change history would break."""
        if seconds < 0:
            raise ValueError("the vendor's clock only moves ahead; pass seconds >= 0")
        self._ahead_s += seconds
        return self.now()

    def reset(self) -> None:
        """Go back to the machine's time. Only sound when every account is dropped with it."""
        self._ahead_s = 0.0


def http_date(epoch_s: float) -> str:
    """The form used in Date and Retry-After headers (RFC 9110, whole seconds, GMT)."""
    return format_datetime(datetime.fromtimestamp(int(epoch_s), UTC), usegmt=True)


def iso(epoch_s: float) -> str:
    """The form used inside vendor documents: UTC with microseconds."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
