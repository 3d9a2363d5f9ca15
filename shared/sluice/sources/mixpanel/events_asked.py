"""Days of events that a person asks for: which may be read, and what a cursor keeps of them until they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sluice.core.asked_days import AskedDays, DaySpan
from sluice.core.errors import SettingInvalid
from sluice.sources.mixpanel.events_cursor import EventsCursor, Pass
from sluice.sources.mixpanel.settings import DAY, MixpanelSettings, read_settings

ASKED_DAYS = 400
"""So far back a person may ask: as long as cleanup keeps events."""

MOST_WAITING = 20
MOST_REMEMBERED = 50
"""Requests, those that wait to be read and those that were: a message of one of them is known for a repetition."""


def span_of(settings: Mapping[str, Any], asked: AskedDays) -> DaySpan:
    """The days as instants, for a project with these settings; SettingInvalid names the day that cannot be read."""
    return days_of(read_settings(settings, allow_loopback=True), asked)


def days_of(settings: MixpanelSettings, asked: AskedDays) -> DaySpan:
    """Of the project's own days: those that Mixpanel's reports show. SettingInvalid names ``from`` or ``to``."""
    zone = ZoneInfo(settings.time_zone)
    today = asked.asked_at.astimezone(zone).date()
    if asked.first > asked.last:
        raise SettingInvalid(f"from: {asked.first} is after {asked.last}, the last day")
    if asked.last > today:
        raise SettingInvalid(
            f"to: {asked.last} lies ahead; of the project it is {today} ({settings.time_zone})"
        )
    oldest = today - ASKED_DAYS * DAY
    if asked.first < oldest:
        raise SettingInvalid(
            f"from: {asked.first} is more than {ASKED_DAYS} days ago: events are not kept for longer;"
            f" {oldest} is the first that can be read"
        )
    return DaySpan(
        _midnight(asked.first, zone), _midnight(asked.last + DAY, zone), settings.time_zone
    )


def with_days(
    cursor: EventsCursor, settings: MixpanelSettings, asked: AskedDays
) -> EventsCursor | None:
    """The cursor once it has noted them; None when it did before. SettingInvalid when they cannot be read."""
    waiting = [each.began_at for each in cursor.asked]
    if asked.asked_at in (*waiting, *cursor.asked_before):
        return None
    if len(waiting) >= MOST_WAITING:
        raise SettingInvalid(
            f"from: {MOST_WAITING} requests for days of this stream wait already; let them end first"
        )
    days = days_of(settings, asked)
    begun = Pass.over(days.since, days.until, asked.asked_at, full=False)
    return replace(cursor, asked=(*cursor.asked, begun))


def next_asked(cursor: EventsCursor) -> Pass | None:
    """The first stretch that was asked for and of which something is to be read *again*: what lies behind
    ``read_until`` the reading of new events brings. The stretch ends there."""
    for each in cursor.asked:
        until = each.until if cursor.read_until is None else min(each.until, cursor.read_until)
        if cursor.read_until is not None and each.through < until:
            return replace(each, until=until)
    return None


def asked_read(cursor: EventsCursor, through: datetime) -> EventsCursor:
    """The cursor once the first stretch was read up to there; without it when that was its end."""
    reading = next_asked(cursor)
    if reading is None:
        return cursor
    read = reading.reached(max(through, reading.through))
    stands = [each for each in cursor.asked if each.began_at != read.began_at]
    if read.done:
        before = (*cursor.asked_before, read.began_at)[-MOST_REMEMBERED:]
        return replace(cursor, asked=tuple(stands), asked_before=before)
    kept = (
        replace(e, through=read.through) if e.began_at == read.began_at else e for e in cursor.asked
    )
    return replace(cursor, asked=tuple(kept))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
