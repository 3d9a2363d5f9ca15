"""The vendor's rate limit: a sliding window of request times."""

from __future__ import annotations

from collections import deque

from local.vendors.cars.models import RateLimit


class SlidingWindow:
    """Counts requests in the last ``per_s`` seconds of the vendor's clock."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._asked: deque[float] = deque()

    def wait_s(self, now: float) -> float | None:
        """None: allowed and counted. Otherwise seconds until the window has room again."""
        while self._asked and self._asked[0] <= now - self.limit.per_s:
            self._asked.popleft()
        full = len(self._asked) >= self.limit.requests
        if not full or self.limit.count_refused:
            self._asked.append(now)
        if not full:
            return None
        return self._asked[-self.limit.requests] + self.limit.per_s - now
