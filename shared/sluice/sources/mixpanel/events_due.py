"""What of a project's events is due: new ones first, then counting anew, then days that were read before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sluice.core.records import Derive, ReadPages, Step
from sluice.core.windows import Window, next_window
from sluice.sources.mixpanel.counting_sql import ALL, REPLACE
from sluice.sources.mixpanel.events_asked import asked_read, next_asked
from sluice.sources.mixpanel.events_cursor import EventsCursor, Pass, Span
from sluice.sources.mixpanel.settings import DAY, MOST_DAYS, MixpanelSettings

NEW, REREAD, FULL, ASKED, RECOUNT = "new", "reread", "full", "asked", "recount"
TOLERANCE = timedelta(minutes=1)
"""How much later than wished a first load may begin: our clock against the vendor's, which counts seconds."""


@dataclass(frozen=True, slots=True)
class EventsDue:
    """Decides by cursor, time and settings alone. ``now`` is our clock."""

    settings: MixpanelSettings

    def step(self, cursor: EventsCursor, now: datetime, full_since: datetime | None) -> Step | None:
        if self._counts_all_anew(cursor):
            return self._recount(cursor)
        if cursor.new is not None or self._window(cursor, now) is not None:
            return ReadPages(NEW)
        if cursor.recount is not None:
            return self._recount(cursor)
        if self._full_is_due(cursor, full_since):
            return ReadPages(FULL)
        if next_asked(cursor) is not None:
            return ReadPages(ASKED)
        if cursor.again is not None or self._reread_is_due(cursor, now):
            return ReadPages(REREAD)
        return None

    def begun(self, cursor: EventsCursor, kind: str, now: datetime) -> EventsCursor | None:
        """The cursor with the pass of that kind under way; None when none is due (any more)."""
        if kind == NEW:
            return cursor if cursor.new is not None else self._new(cursor, now)
        if kind == ASKED:
            return cursor
        full = kind == FULL
        under_way = cursor.again is not None and (cursor.again.full or not full)
        return cursor if under_way else self._again(cursor, now, full=full)

    def under_way(self, cursor: EventsCursor, kind: str) -> Pass | None:
        """The pass of that kind, if one is under way."""
        if kind == ASKED:
            return next_asked(cursor)
        return cursor.new if kind == NEW else cursor.again

    def read(
        self,
        cursor: EventsCursor,
        kind: str,
        since: datetime,
        through: datetime,
        asked_at: datetime,
    ) -> EventsCursor:
        """The cursor once its pass of that kind was read whole from ``since`` up to ``through``.

        ``asked_at`` is the vendor's clock, and ours may be ahead of it: then a pass over new time ends where the
        vendor's does, and a first load begins as far back as it should have. What was read stays read.
        """
        new = cursor.new
        if kind != NEW or new is None:
            return self._moved(cursor, kind, through)
        settled = (asked_at - self.settings.settle).replace(microsecond=0)
        wished = max(settled - self._reach, asked_at - MOST_DAYS * DAY)
        if cursor.read_until is None and wished + TOLERANCE < since == new.since:
            return replace(cursor, new=Pass.over(wished, new.until, new.began_at, full=new.full))
        if settled < new.until:
            cursor = replace(cursor, new=replace(new, until=max(settled, since)))
            through = min(through, max(settled, since))
        return self._moved(cursor, kind, through)

    @property
    def _reach(self) -> timedelta:
        return self.settings.windows.first + self.settings.windows.lookback

    def _moved(self, cursor: EventsCursor, kind: str, through: datetime) -> EventsCursor:
        if kind == ASKED:
            return asked_read(cursor, through)
        moving = cursor.new if kind == NEW else cursor.again
        if moving is None:
            return cursor
        moving = moving.reached(max(through, moving.through))
        left = None if moving.done else moving
        if kind == NEW:
            read_until = max(cursor.read_until or moving.through, moving.through)
            cursor = replace(cursor, new=left, read_until=read_until)
        else:
            cursor = replace(cursor, again=left)
        return self._finished(cursor, moving) if moving.done else cursor

    def _new(self, cursor: EventsCursor, now: datetime) -> EventsCursor | None:
        window = self._window(cursor, now)
        if window is None:
            return None
        since = max(window.since, now - MOST_DAYS * DAY)
        begun = Pass.over(since, window.until, now, full=window.fresh)
        return replace(cursor, new=begun, read_at=now)

    def _window(self, cursor: EventsCursor, now: datetime) -> Window | None:
        """By the vendor's time and by ours: one that is wrong must not make every tick ask."""
        rules = self.settings.windows
        if cursor.read_at is not None and now - cursor.read_at < rules.shortest:
            return None
        return next_window(cursor.read_until, now.replace(microsecond=0), rules)

    def _again(self, cursor: EventsCursor, now: datetime, *, full: bool) -> EventsCursor | None:
        if cursor.read_until is None:
            return None
        if full:
            since = now - self.settings.settle - self.settings.first_days * DAY
        else:
            since = self._days(cursor.read_until).since
            # What came since the last re-read began may be as late as that: a day's pause reaches a day further.
            if cursor.reread_at is not None:
                since = min(since, cursor.reread_at - self.settings.reread_days * DAY)
        since = max(since, now - MOST_DAYS * DAY)
        if since >= cursor.read_until:
            return None
        again = Pass.over(since, cursor.read_until, now, full=full)
        return replace(cursor, again=again)

    def _finished(self, cursor: EventsCursor, done: Pass) -> EventsCursor:
        """A pass came to its end. A first load counts as a full read, and either as one of recent days, if it has
        the first of these whole: where ``first_days`` are no more than ``reread_days``, it begins within it."""
        if done.full:
            cursor = replace(cursor, full_at=done.began_at)
        days = self._days(done.until)
        if not done.covers(days):
            return cursor
        cursor = replace(cursor, reread_at=done.began_at)
        if self.settings.mode == "replace":
            cursor = replace(cursor, recount=days)
        return cursor

    def _days(self, until: datetime) -> Span:
        """The last ``reread_days`` whole days before that moment."""
        midnight = datetime.combine(until.astimezone(UTC).date(), time(), UTC)
        return Span(midnight - self.settings.reread_days * DAY, midnight)

    def _full_is_due(self, cursor: EventsCursor, full_since: datetime | None) -> bool:
        if cursor.again is not None and cursor.again.full:
            return True
        if cursor.read_until is None:
            return False
        return full_since is not None and (cursor.full_at is None or cursor.full_at < full_since)

    def _reread_is_due(self, cursor: EventsCursor, now: datetime) -> bool:
        if not self.settings.incremental or cursor.read_until is None:
            return False
        return cursor.reread_at is None or now - cursor.reread_at >= self.settings.reread_every

    def _counts_all_anew(self, cursor: EventsCursor) -> bool:
        """Counters are of a window, or events came that were not added; and no longer wanted so."""
        return self.settings.mode == "add" and (cursor.counted is not None or cursor.uncounted)

    def _recount(self, cursor: EventsCursor) -> Derive:
        window = cursor.recount if self.settings.mode == "replace" else None
        uncounted = window is not None
        after = replace(cursor, recount=None, counted=window, uncounted=uncounted)
        return Derive(RECOUNT, REPLACE, after.as_json(), keys_of(window))


def keys_of(window: Span | None) -> Mapping[str, Any]:
    """Parameters of the recounting statements: keys from the window's first day up to its end's, or all."""
    if window is None:
        return {"since": ALL[0], "until": ALL[1]}
    days = (f"{each.astimezone(UTC):%Y-%m-%d}" for each in (window.since, window.until))
    return dict(zip(("since", "until"), days, strict=True))
