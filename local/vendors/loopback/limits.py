"""A vendor's rate limit: a sliding window of request times."""

from __future__ import annotations

from collections import deque


class SlidingWindow:
    """At most ``requests`` in the last ``per_s`` seconds. Refused ones count where asked for."""

    def __init__(self, requests: int, per_s: float, *, count_refused: bool = False) -> None:
        self._requests = requests
        self._per_s = per_s
        self._count_refused = count_refused
        self._asked: deque[float] = deque()

    def wait_s(self, now: float) -> float | None:
        """None: allowed and counted. Otherwise seconds until the window has room again."""
        self._forget(now)
        full = len(self._asked) >= self._requests
        if not full or self._count_refused:
            self._asked.append(now)
        if not full:
            return None
        return self._asked[-self._requests] + self._per_s - now

    def remaining(self, now: float) -> int:
        """How many requests the window would still allow."""
        self._forget(now)
        return max(0, self._requests - len(self._asked))

    def _forget(self, now: float) -> None:
        while self._asked and self._asked[0] <= now - self._per_s:
            self._asked.popleft()
