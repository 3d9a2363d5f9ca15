"""Whether a client's derived counters are what its stored events add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg

from ops.sheets import Sheet, column
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.sources.mixpanel.counting_sql import DIFFERENCES
from sluice.sources.mixpanel.events_cursor import EventsCursor, Span
from sluice.sources.mixpanel.events_due import keys_of

Asking = psycopg.Connection[dict[str, Any]] | psycopg.Cursor[dict[str, Any]]
SHOWN = 100
_CURSOR = "SELECT cursor FROM sluice.sync_commit WHERE stream_key = %(key)s"


@dataclass(frozen=True, slots=True)
class Totals:
    """A subscriber's counters, flags, number of events and times; None where there is no row."""

    counters: Mapping[str, Any] | None
    flags: Mapping[str, Any] | None
    events: int | None
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Differing:
    """A subscriber whose row is not what the events say."""

    distinct_id: str
    stored: Totals
    expected: Totals


@dataclass(frozen=True, slots=True)
class Verified:
    """How many subscribers differ, the first of them, and of which window counters are (None: of all events)."""

    client_id: str
    differences: int
    shown: Sequence[Differing]
    window: Span | None

    @property
    def equal(self) -> bool:
        return self.differences == 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        """The verdict as one line."""
        of = "all stored events"
        if self.window is not None:
            since, until = (f"{at:%Y-%m-%d}" for at in (self.window.since, self.window.until))
            of = f"stored events from {since} up to {until}"
        if self.equal:
            return f"{self.client_id}: every subscriber's counters are those of {of}"
        beyond = self.differences - len(self.shown)
        more = f"; {beyond:,} more are not shown, see --limit" if beyond else ""
        return f"{self.client_id}: {self.differences:,} subscribers differ from {of}{more}"


def verify_mixpanel(asking: Asking, client_id: str, *, limit: int = SHOWN) -> Verified:
    """Recompute every subscriber's counters from stored events. Nothing is asked of the vendor.

    SettingInvalid when the client has no such stream yet, or its counters are not replaced for the first time.
    """
    row = _one(asking, client_id)
    if row is None:
        raise SettingInvalid(f"{client_id} has no events of Mixpanel: no slice was committed yet")
    cursor = EventsCursor.read(row["cursor"])
    if cursor.uncounted and cursor.counted is None:
        raise SettingInvalid(
            f"{client_id}: counters are to be replaced and were not yet; wait until the days they are of"
            " were read again"
        )
    parameters = {**keys_of(cursor.counted), "client_id": client_id, "limit": limit}
    rows = asking.execute(DIFFERENCES, parameters).fetchall()
    return Verified(
        client_id,
        rows[0]["differences"] if rows else 0,
        [_differing(each) for each in rows],
        cursor.counted,
    )


def differences_sheet(verified: Verified) -> Sheet:
    """Stored and expected side by side, only what differs."""
    cells = [
        (each.distinct_id, name, stored, expected)
        for each in verified.shown
        for name, stored, expected in _parts(each)
    ]
    who, what, stored, expected = zip(*cells, strict=True)
    return Sheet(
        "subscribers that differ",
        [
            column("distinct_id", who, 0, left=True),
            column("what", what, left=True),
            column("stored", stored),
            column("by events", expected),
        ],
    )


def _one(asking: Asking, client_id: str) -> dict[str, Any] | None:
    key = str(StreamKey(client_id, "mixpanel", "events"))
    return asking.execute(_CURSOR, {"key": key}).fetchone()


def _differing(row: Mapping[str, Any]) -> Differing:
    stored = Totals(
        row["counters"],
        row["flags"],
        row["events_processed"],
        row["first_event_time"],
        row["last_event_time"],
    )
    expected = Totals(
        row["expected_counters"],
        row["expected_flags"],
        row["expected_events"],
        row["expected_first"],
        row["expected_last"],
    )
    return Differing(row["distinct_id"], stored, expected)


def _parts(each: Differing) -> list[tuple[str, str, str]]:
    """Every counter and flag by its name, and the rest."""
    pairs: list[tuple[str, Any, Any]] = []
    stored, expected = each.stored, each.expected
    for one, other in (
        (stored.counters or {}, expected.counters or {}),
        (stored.flags or {}, expected.flags or {}),
    ):
        pairs += [(name, one.get(name), other.get(name)) for name in sorted({*one, *other})]
    pairs.append(("events", stored.events, expected.events))
    pairs.append(("first event", stored.first, expected.first))
    pairs.append(("last event", stored.last, expected.last))
    found = [(name, _cell(one), _cell(other)) for name, one, other in pairs if one != other]
    return found or [("row", "another", "another")]


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
