"""Instants in whole milliseconds since the epoch, and an index of them."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

SECOND_MS = 1000
HOUR_MS = 3600 * SECOND_MS
DAY_MS = 24 * HOUR_MS


def moment(at_ms: int | None) -> str | None:
    """As documents write it: UTC with milliseconds."""
    if at_ms is None:
        return None
    whole, ms = divmod(at_ms, 1000)
    read = datetime.fromtimestamp(whole, UTC).isoformat()  # strftime would take six times as long
    return f"{read[:19]}.{ms:03d}Z"


def day(at_ms: int | None) -> str | None:
    """The date alone, as billing writes it."""
    return None if at_ms is None else datetime.fromtimestamp(at_ms // 1000, UTC).isoformat()[:10]


def day_began_ms(at_ms: int) -> int:
    """Midnight UTC of that instant's date."""
    return at_ms - at_ms % DAY_MS


def read_moment(text: str) -> int:
    """An ISO 8601 instant; one without a zone is UTC. Raises ValueError."""
    read = datetime.fromisoformat(text.strip().replace(" ", "+"))
    aware = read if read.tzinfo else read.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def chance(*question: object) -> Random:
    """Repeatable chance that depends on the question alone; it guards nothing."""
    return Random("\x1f".join(map(str, question)))  # noqa: S311


class Moments:
    """Which ids something happened to, and when; 16 bytes each. Past and future ones."""

    def __init__(self) -> None:
        self._at = array("q")
        self._ids = array("q")
        self._sorted = True

    def add(self, at_ms: int, an_id: int) -> None:
        """Note one."""
        self._sorted = self._sorted and (not self._at or self._at[-1] <= at_ms)
        self._at.append(at_ms)
        self._ids.append(an_id)

    def between(self, start_ms: int, end_ms: int) -> Sequence[int]:
        """The ids within the two instants, both included; oldest first, with repetitions."""
        if not self._sorted:
            self._sort()
        start, end = bisect_left(self._at, start_ms), bisect_right(self._at, end_ms)
        return self._ids[start:end]

    def latest_between(self, start_ms: int, end_ms: int, *, now_ms: int) -> set[int]:
        """The ids whose latest instant until now lies within the two instants."""
        found = set(self.between(start_ms, min(end_ms, now_ms)))
        return found - set(self.between(end_ms + 1, now_ms)) if end_ms < now_ms else found

    def discard(self, at_ms: int, an_id: int) -> None:
        """Forget one that will not happen after all."""
        if not self._sorted:
            self._sort()
        at = bisect_left(self._at, at_ms)
        while at < len(self._at) and self._at[at] == at_ms:
            if self._ids[at] == an_id:
                del self._at[at], self._ids[at]
                return
            at += 1

    def _sort(self) -> None:
        pairs = sorted(zip(self._at, self._ids, strict=True))
        self._at = array("q", (at_ms for at_ms, _ in pairs))
        self._ids = array("q", (an_id for _, an_id in pairs))
        self._sorted = True
