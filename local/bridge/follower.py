"""Following log groups that have no positions: each event is given out once, and none is lost.

FilterLogEvents of the embedded AWS takes a start time and gives no event id and no token. Events come with the time at
which their invocation ended, all of one invocation at once, and may be seen a little later than that time says. So each
look begins a while before the newest event seen, and what was seen there already is left out by counting: a line that
stands twice in a stream at the same millisecond is two events.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

OVERLAP_MS = 5_000
"""How much later than its time an event may show. The embedded AWS takes milliseconds, also when it is busy."""

PAGE = 10_000
"""The most events of one answer; there is no next page, so the look goes on where the answer ended."""


class LogEvent(NamedTuple):
    """A line of a log group; ``at_ms`` is Unix time."""

    group: str
    at_ms: int
    line: str


class Logs(Protocol):
    """The part of CloudWatch Logs that is used."""

    def filter_log_events(self, **words: Any) -> Mapping[str, Any]: ...


class PageTooSmall(Exception):
    """More events at one millisecond than one answer holds: going on would lose some."""


_Key = tuple[int, str, bytes]


@dataclass(slots=True)
class Follower:
    """One log group, from its first event on."""

    logs: Logs
    group: str
    page: int = PAGE
    _newest_ms: int = 0
    _seen: Counter[_Key] = field(default_factory=Counter)

    def news(self) -> list[LogEvent]:
        """Events not given out before, oldest first. What it raises leaves the position where it was."""
        start = max(self._newest_ms - OVERLAP_MS, 0)
        now: Counter[_Key] = Counter()
        found = []
        for event in self._events_from(start):
            key = _key(event)
            now[key] += 1
            if now[key] > self._seen[key]:
                found.append(LogEvent(self.group, int(event["timestamp"]), event["message"]))
        if now:
            self._newest_ms = max(self._newest_ms, max(at for at, _, _ in now))
        # Only what the next look will read again need be remembered.
        keep = self._newest_ms - OVERLAP_MS
        self._seen = Counter({key: count for key, count in now.items() if key[0] >= keep})
        return found

    def _events_from(self, start: int) -> Iterator[Mapping[str, Any]]:
        while True:
            answer = self.logs.filter_log_events(
                logGroupName=self.group, startTime=start, limit=self.page
            )
            events = answer["events"]
            if len(events) < self.page:
                yield from events
                return
            last = int(events[-1]["timestamp"])
            if last == start:
                raise PageTooSmall(f"{self.group} has more than {self.page} events at {start} ms")
            yield from (event for event in events if event["timestamp"] < last)
            start = last  # the last millisecond may go on: it is read whole with the next page


def _key(event: Mapping[str, Any]) -> _Key:
    digest = hashlib.blake2b(event["message"].encode(), digest_size=12).digest()
    return int(event["timestamp"]), event["logStreamName"], digest
