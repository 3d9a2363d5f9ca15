"""A project's time: what an exported ``time`` means, and what to ask for.

Projects created since 2023 export UTC. Older ones write their local wall clock as if it were an epoch, and read
dates so, too. Where clocks are put back an hour of wall clock comes twice: its events are taken for those of
the first time, up to an hour early, and are told apart by the time as exported all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from sluice.core.errors import RowRejected

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND, STEP, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
LAST_EXPORTED = 250_000_000_000
"""Seconds: in the year 9892, where a calendar still has a day left."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request asks for: events whose exported ``time`` is in [``low``, ``high``), in whole seconds.

    ``on_time`` says that a filter asks for exactly these; else the days do, and ``low`` and ``high`` are their ends.
    """

    low: int
    high: int
    on_time: bool

    @property
    def from_date(self) -> date:
        return exported_day(self.low)

    @property
    def to_date(self) -> date:
        """The last day; the vendor includes it."""
        return exported_day(self.high - 1)

    @property
    def where(self) -> str | None:
        """The filter. The published grammar has no datetime(); it is in use all the same (README)."""
        if not self.on_time:
            return None
        name = 'properties["$time"]'
        return f"{name}>=datetime({self.low}) and {name}<datetime({self.high})"

    def has(self, exported: int) -> bool:
        return self.low <= exported < self.high


@dataclass(frozen=True, slots=True)
class ProjectClock:
    """Translates between instants and times as a project exports them."""

    zone: tzinfo

    @classmethod
    def of(cls, name: str) -> ProjectClock:
        return cls(UTC if name == "UTC" else ZoneInfo(name))

    def instant(self, exported: int) -> datetime:
        """When that was, in UTC; RowRejected for a time beyond the calendar."""
        if not 0 <= exported < LAST_EXPORTED:
            raise RowRejected("no time between 1970 and 9892", field="properties.time")
        wall = EPOCH + exported * SECOND
        return wall if self.zone is UTC else wall.replace(tzinfo=self.zone).astimezone(UTC)

    def ask(self, since: datetime, until: datetime, *, on_time: bool) -> Ask:
        """What covers [since, until), whole seconds of UTC. It may be more: whole days, or where the wall clock
        was put back."""
        stretches = list(self._stretches(since, until))
        low = min(_seconds(begin) + _whole(offset) for begin, _, offset in stretches)
        high = max(_seconds(end) + _whole(offset) for _, end, offset in stretches)
        if on_time:
            return Ask(low, high, on_time=True)
        day = _whole(DAY)
        return Ask(low // day * day, -(-high // day) * day, on_time=False)

    def _stretches(
        self, since: datetime, until: datetime
    ) -> Iterator[tuple[datetime, datetime, timedelta]]:
        """Parts of [since, until) within which the wall clock runs evenly, each with its offset."""
        if self.zone is UTC:
            yield since, until, timedelta(0)
            return
        at = since
        while at < until:
            offset, end = self._offset(at), min(at + STEP, until)
            if self._offset(end - SECOND) != offset:
                end = self._change(at, end, offset)
            yield at, end, offset
            at = end

    def _change(self, begin: datetime, end: datetime, offset: timedelta) -> datetime:
        """The first second in (begin, end) with another offset."""
        same, other = begin, end - SECOND
        while other - same > SECOND:
            middle = same + (other - same) // SECOND // 2 * SECOND
            if self._offset(middle) == offset:
                same = middle
            else:
                other = middle
        return other

    def _offset(self, at: datetime) -> timedelta:
        return at.astimezone(self.zone).utcoffset() or timedelta(0)


def exported_day(exported: int) -> date:
    """The project's day of an exported time."""
    return (EPOCH + exported * SECOND).date()


def shown(exported: int) -> str:
    """An exported time as people read it; whether it is UTC or a wall clock, the project decides."""
    return (EPOCH + exported * SECOND).isoformat().removesuffix("+00:00")


def _seconds(at: datetime) -> int:
    return (at - EPOCH) // SECOND


def _whole(length: timedelta) -> int:
    return length // SECOND
