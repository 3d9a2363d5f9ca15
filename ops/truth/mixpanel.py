"""Compare what is stored of a Mixpanel project with what the simulated one knows to be true. For the demo and tests.

Of projects that export UTC, read with the default mapping and without properties of their own to leave out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from local.vendors.mixpanel.control import MixpanelControl
from ops.truth.cars import Compared, Difference, difference, streamed

Connection = psycopg.Connection[dict[str, Any]]
Line = Mapping[str, Any]

COUNTERS: Mapping[str, Sequence[str]] = {
    "Tapped Portfolio Card": ("card_taps",),
    "Tapped Creator Card": ("card_taps",),
    "Viewed Stripe Modal": ("stripe_modal_views",),
    "$ae_session": ("app_sessions",),
    "SubscriptionCreated": ("subscriptions",),
    "Viewed Creator Profile": ("creator_profile_views",),
    "Viewed Creator Paywall": ("paywall_views",),
    "Viewed Portfolio Details": ("pdp_views",),
    "DubAutoCopyInitiated": ("copies_total",),
    "AchTransferInitiated": ("ach_transfers",),
}
FLAGS = {"BankAccountLinked": "linked_bank_account"}
TRACKED = frozenset({*COUNTERS, *FLAGS})
"""What the default mapping counts, written here anew; events of other names are not asked for."""

MEMBERS = "cohort members"
"""What people read; the kind that is pushed."""

_DATES = ("$created", "$last_seen")
_NOTHING: Sequence[Any] = (None, "", [], {})


@dataclass(slots=True)
class Totals:
    """What a subscriber's events add up to. Times are the vendor's whole seconds."""

    counters: dict[str, int] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    events: int = 0
    times: list[datetime] = field(default_factory=list)

    def count(self, line: Line) -> None:
        """Take in one event."""
        for name in _counted(line):
            self.counters[name] = self.counters.get(name, 0) + 1
        if line["event"] in FLAGS:
            self.flags.add(FLAGS[line["event"]])
        self.events += 1
        self.times.append(_at(line))

    @property
    def row(self) -> tuple[Any, ...]:
        """As the table should have it."""
        return self.counters, self.flags, self.events, min(self.times), max(self.times)


@dataclass(frozen=True, slots=True)
class Truth:
    """The vendor's truth of one project beside one client's tables."""

    vendor: MixpanelControl
    connection: Connection
    client_id: str
    project: int

    def compare(self) -> Iterator[Compared]:
        """Everything that is kept: each event once and as it was first told, what subscribers' events add up to,
        profiles, and who is in which cohort."""
        lines = self.event_lines()
        yield self._compared("events", self.events(lines))
        yield self._compared("subscribers", self.subscribers(lines))
        yield self._compared("profiles", self.profiles())
        yield self._compared(MEMBERS, self.cohorts())

    def event_lines(self) -> Sequence[Line]:
        """Every sound event that is asked for, once. All are held: not for millions."""
        lines = self.vendor.truth("events", self.project)
        return [line for line in lines if line["odd"] is None and line["event"] in TRACKED]

    def events(self, lines: Iterable[Line]) -> Difference:
        """Each event with its document whole."""
        expected = {_identity(line): (line["record"], _at(line)) for line in lines}
        rows = streamed(self.connection, _EVENTS, (self.client_id,))
        return difference(expected, (_stored_event(row) for row in rows))

    def subscribers(self, lines: Iterable[Line]) -> Difference:
        """Counters, flags, number of events, first and last time."""
        totals: dict[str, Totals] = {}
        for line in lines:
            totals.setdefault(line["distinct_id"], Totals()).count(line)
        expected = {distinct_id: each.row for distinct_id, each in totals.items()}
        rows = streamed(self.connection, _SUBSCRIBERS, (self.client_id,))
        return difference(expected, (_stored_subscriber(row) for row in rows))

    def profiles(self) -> Difference:
        """Each live profile, its properties normalised, and its columns."""
        expected = {
            line["distinct_id"]: _profile(line["properties"])
            for line in self.vendor.truth("profiles", self.project)
        }
        rows = streamed(self.connection, _PROFILES, (self.client_id,))
        return difference(
            expected, ((row.pop("distinct_id"), (json.loads(row.pop("properties")), row)) for row in rows)
        )  # fmt: skip

    def cohorts(self) -> Difference:
        """Who is in each cohort now, and the names and addresses that came along. Of a member whose profile is gone
        the vendor tells none any more; those that it told before stay, and are not compared."""
        expected = {
            f"{line['cohort']}/{line['distinct_id']}": _member(line["member"])
            for line in self.vendor.truth("cohorts", self.project)
        }
        nameless = {member for member, told in expected.items() if not any(told.values())}
        rows = streamed(self.connection, _MEMBERS, (self.client_id, str(self.project)))
        found = ((row.pop("id"), row) for row in rows)
        return difference(
            expected, ((each, expected[each] if each in nameless else row) for each, row in found)
        )

    def _compared(self, kind: str, found: Difference) -> Compared:
        return Compared(self.client_id, kind, found)


_EVENTS = """
SELECT event, distinct_id, insert_id, occurred_at, document::text AS document
  FROM public.mixpanel_events WHERE client_id = %s
"""
_SUBSCRIBERS = """
SELECT distinct_id, counters, flags, events_processed, first_event_time, last_event_time
  FROM public.mixpanel_subscribers WHERE client_id = %s
"""
_PROFILES = """
SELECT distinct_id, email, name, country, created_at, last_seen_at,
       (document -> '$properties')::text AS properties
  FROM public.mixpanel_profiles WHERE client_id = %s AND deleted_at IS NULL
"""
_MEMBERS = """
SELECT cohort_id || '/' || distinct_id AS id, email, first_name, last_name
  FROM public.mixpanel_cohort_members WHERE client_id = %s AND project_id = %s AND removed_at IS NULL
"""


def _identity(line: Line) -> str:
    return json.dumps([line["event"], line["distinct_id"], line["time"], line["insert_id"]])


def _stored_event(row: Line) -> tuple[str, tuple[Any, ...]]:
    document = json.loads(row["document"])
    time = document["properties"]["time"]
    identity = json.dumps([row["event"], row["distinct_id"], time, row["insert_id"]])
    return identity, (document, row["occurred_at"])


def _stored_subscriber(row: Line) -> tuple[str, tuple[Any, ...]]:
    flags = {name for name, is_set in row["flags"].items() if is_set}
    times = (row["first_event_time"], row["last_event_time"])
    return row["distinct_id"], (row["counters"], flags, row["events_processed"], *times)


def _counted(line: Line) -> Sequence[str]:
    names = COUNTERS.get(line["event"], ())
    if line["event"] != "DubAutoCopyInitiated":
        return names
    premium = "premium" in (line["record"]["properties"].get("creatorType") or "")
    return (*names, "copies_premium" if premium else "copies_regular")


def _at(line: Line) -> datetime:
    return datetime.fromtimestamp(int(line["at_s"]), UTC)


def _profile(properties: Line) -> tuple[dict[str, Any], dict[str, Any]]:
    """As the document and the typed columns should say it, worked out here anew and not by the code under test."""
    kept = {
        name: value.strip() if isinstance(value, str) else value
        for name, value in properties.items()
    }
    kept = {name: value for name, value in kept.items() if value not in _NOTHING}
    moments = {
        name: datetime.fromisoformat(kept[name]).replace(tzinfo=UTC)
        for name in _DATES
        if name in kept
    }
    kept |= {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in moments.items()}
    typed = {
        "email": kept.get("$email"),
        "name": kept.get("$name"),
        "country": kept.get("$country_code"),
        "created_at": moments.get("$created"),
        "last_seen_at": moments.get("$last_seen"),
    }
    return kept, typed


def _member(told: Line) -> dict[str, Any]:
    return {name: told[name] or None for name in ("email", "first_name", "last_name")}
