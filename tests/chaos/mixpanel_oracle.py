"""What must hold of Mixpanel's rows: at any moment, before anything is read again, and once all is calm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg

from local.vendors.mixpanel.control import MixpanelControl
from sluice.core.keys import StreamKey
from sluice.sources.mixpanel.events_cursor import EventsCursor
from sluice.sources.mixpanel.profiles_cursor import ProfilesCursor
from tests.chaos.mixpanel_cohorts import COHORT
from tests.chaos.mixpanel_truth import (
    ALWAYS,
    Event,
    Identity,
    Totals,
    events_of,
    members_of,
    profiles_of,
    totals_of,
)
from tests.chaos.mixpanel_world import FIRST_DAYS, LATEST, LOOKBACK, SETTLE, Project

Rows = psycopg.Connection[dict[str, Any]]

TIMELY = timedelta(seconds=10)
"""How far the newest read may end before the vendor's time, settle apart: Date's second, and what asking took."""

WIDE = timedelta(days=FIRST_DAYS) - timedelta(hours=2)
"""Later events than that may be beyond the reach of a full read that began after they came."""

_CURSOR = "SELECT cursor FROM sluice.sync_commit WHERE stream_key = %s"
_EVENTS = """
SELECT event, distinct_id, extract(epoch FROM occurred_at)::bigint AS second, insert_id
  FROM public.mixpanel_events WHERE client_id = %(client)s AND occurred_at >= %(since)s
"""
_SUBSCRIBERS = """
SELECT distinct_id, counters, flags, events_processed, first_event_time, last_event_time
  FROM public.mixpanel_subscribers WHERE client_id = %s
"""
_PROFILES = """
SELECT distinct_id, document -> '$properties' AS properties FROM public.mixpanel_profiles
 WHERE client_id = %s AND deleted_at IS NULL
"""
_MEMBERS = """
SELECT distinct_id FROM public.mixpanel_cohort_members
 WHERE client_id = %s AND project_id = %s AND cohort_id = %s AND removed_at IS NULL
"""


class World(Protocol):
    """What is asked of the world that is judged. Events since ``due_since`` were within a first load's reach;
    ``skewed``: what workers' clocks say of when they read is wrong."""

    control: MixpanelControl
    skewed: bool

    @property
    def projects(self) -> Sequence[Project]: ...

    @property
    def due_since(self) -> datetime: ...

    def by_vendor(self, moment: datetime) -> datetime:
        """What the vendor's clock showed at that moment of ours."""
        ...


def missed(world: World, rows: Rows) -> Iterator[str]:
    """Events that are not stored though they were due, while nothing was read again that need not be."""
    for project in world.projects:
        cursor = cursor_of(rows, project)
        stored = stored_events(rows, project)
        truth = events_of(world.control, project.spec.id).values()
        due = [
            each for each in truth if each.at >= world.due_since and was_due(each, cursor, world)
        ]
        yield from _missing(project, "came in time and", due, stored)


def faults(world: World, rows: Rows) -> Iterator[str]:
    """Everything that is wrong, one line each, once all was read and the vendor's time stands still."""
    for project in world.projects:
        yield from _event_faults(world, rows, project)
        name, spec = project.client_id, project.spec
        found = {row["distinct_id"]: row["properties"] for row in rows.execute(_PROFILES, (name,))}
        yield from _differing(f"{name} profiles", profiles_of(world.control, spec.id), found)
        members = rows.execute(_MEMBERS, (name, str(spec.id), str(COHORT))).fetchall()
        wanted = dict.fromkeys(members_of(world.control, spec.id, COHORT), True)
        told = dict.fromkeys((row["distinct_id"] for row in members), True)
        yield from _differing(f"{name} members of the cohort", wanted, told)


def unread(key: StreamKey, cursor: Mapping[str, Any], since: datetime) -> str | None:
    """Why a full read that was asked for at ``since`` was not made; None when it was."""
    events, profiles = EventsCursor.read, ProfilesCursor.read
    at = events(cursor).full_at if key.stream == "events" else profiles(cursor).listed_at
    if at is None or at < since:
        return f"{key}: a full read was asked for at {since} and the last began {at}"
    return None


def cursor_of(rows: Rows, project: Project) -> EventsCursor:
    row = rows.execute(_CURSOR, (str(project.events),)).fetchone()
    return EventsCursor.read(row["cursor"] if row else {})


def stored_events(rows: Rows, project: Project, since: datetime = ALWAYS) -> list[Identity]:
    """Each as often as it is stored."""
    parameters = {"client": project.client_id, "since": since}
    return [
        (row["event"], row["distinct_id"], row["second"], row["insert_id"])
        for row in rows.execute(_EVENTS, parameters)
    ]


def is_looked_back_upon(event: Event, cursor: EventsCursor) -> bool:
    """It came within the lookback, and reading went on since: so it is stored, at any moment."""
    read_until = cursor.read_until
    return read_until is not None and event.processed < read_until and event.lateness <= LOOKBACK


def was_due(event: Event, cursor: EventsCursor, world: World) -> bool:
    """Or it came later than that, and the days were read again since. When that was, our clocks say, and the
    vendor's may have stood then."""
    if is_looked_back_upon(event, cursor):
        return True
    if world.skewed or cursor.reread_at is None or event.lateness <= LOOKBACK + SETTLE:
        return False
    again = world.by_vendor(cursor.reread_at)
    return event.processed <= again - SETTLE and event.lateness <= LATEST


def _event_faults(world: World, rows: Rows, project: Project) -> Iterator[str]:
    name, cursor = project.client_id, cursor_of(rows, project)
    vendor_now = datetime.fromtimestamp(world.control.now_s(), UTC)
    read_until = cursor.read_until or ALWAYS
    if read_until < vendor_now - SETTLE - TIMELY:
        yield f"{name}: events were read up to {read_until}, and the vendor's time is {vendor_now}"
    truth, stored = events_of(world.control, project.spec.id), stored_events(rows, project)
    due = [
        each
        for each in truth.values()
        if world.due_since <= each.at < read_until and each.lateness <= WIDE
    ]
    yield from _missing(project, "were exported and", due, stored)
    yield from _counting_faults(rows, name, truth, stored)


def counting_faults(world: World, rows: Rows, project: Project) -> Iterator[str]:
    """Events that are stored twice or that nobody told, and counters that are not those of the stored events.
    None of these may be at any moment."""
    truth, stored = events_of(world.control, project.spec.id), stored_events(rows, project)
    yield from _counting_faults(rows, project.client_id, truth, stored)


def _counting_faults(
    rows: Rows, name: str, truth: Mapping[Identity, Event], stored: Sequence[Identity]
) -> Iterator[str]:
    known = set(stored)
    if len(known) < len(stored):
        yield f"{name}: {len(stored) - len(known)} events are stored twice"
    if surplus := known - truth.keys():
        yield f"{name}: {len(surplus)} events that the vendor never told: {sorted(surplus)[:3]}"
    counted = totals_of(truth[each] for each in known & truth.keys())
    found = {row["distinct_id"]: _totals(row) for row in rows.execute(_SUBSCRIBERS, (name,))}
    yield from _differing(f"{name} subscribers' counters", counted, found)


def _missing(
    project: Project, what: str, due: Iterable[Event], stored: Iterable[Identity]
) -> Iterator[str]:
    wanted = {each.identity: each for each in due}
    absent = [wanted[each] for each in sorted(wanted.keys() - set(stored))]
    if absent:
        first = absent[0]
        yield (
            f"{project.client_id}: {len(absent)} events of {len(wanted)} {what} are missing, one of them"
            f" {first.identity}, exported from {first.processed} on"
        )


def _totals(row: Mapping[str, Any]) -> Totals:
    return Totals(
        dict(row["counters"]),
        {name for name, is_set in row["flags"].items() if is_set},
        row["events_processed"],
        row["first_event_time"],
        row["last_event_time"],
    )


def _differing(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    missing, surplus = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    other = sorted(each for each in wanted.keys() & found.keys() if wanted[each] != found[each])
    if not (missing or surplus or other):
        return
    shown = f"; {other[0]} is {found[other[0]]}, should be {wanted[other[0]]}" if other else ""
    yield (
        f"{what}: missing ({len(missing)}) {missing[:3]}, surplus ({len(surplus)}) {surplus[:3]},"
        f" different ({len(other)}){shown}"
    )
