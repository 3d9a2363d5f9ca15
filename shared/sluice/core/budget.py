"""What one slice may use: time, rows and requests. Nothing in a slice may outlive its deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime. Always an argument, so that tests own time."""


@dataclass(slots=True)
class Budget:
    """A slice's allowance, spent as it reads.

    ``fetch_until`` is when reading must stop so that merge, commit and release still fit before the
    invocation's deadline. ``rows`` is a soft limit: a page that was read whole is kept even when it
    passes it.
    """

    clock: Clock
    fetch_until: datetime
    rows: int
    requests: int
    rows_used: int = 0
    requests_used: int = field(default=0)

    def time_left(self) -> timedelta:
        """Time until reading must stop; never negative."""
        return max(self.fetch_until - self.clock(), timedelta(0))

    def spend(self, *, rows: int = 0, requests: int = 0) -> None:
        self.rows_used += rows
        self.requests_used += requests

    @property
    def spent(self) -> bool:
        """True when no further page should be asked for."""
        return (
            self.rows_used >= self.rows
            or self.requests_used >= self.requests
            or self.time_left() <= timedelta(0)
        )

    def pages_ahead(self, page_rows: int, most: int) -> int:
        """How many pages of ``page_rows`` may be read ahead: at least 1, at most ``most``."""
        rows_left = max(self.rows - self.rows_used, 0)
        by_rows = -(-rows_left // max(page_rows, 1))
        by_requests = self.requests - self.requests_used
        return max(1, min(most, by_rows, by_requests))
