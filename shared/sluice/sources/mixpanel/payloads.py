"""One exported event: its identity, and how it becomes a record and column values.

An event is the same when event, distinct_id, time as exported and $insert_id are: the vendor's own key for
duplicates. Its record is named and hashed by these alone, so whatever else a second reading says, it is unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from sluice.core.errors import RowRejected
from sluice.core.records import Record, Reject
from sluice.sources.json_rows import ascii_json, read_object
from sluice.sources.mixpanel.counting import Mapped, effects_of
from sluice.sources.mixpanel.project_time import EPOCH, ProjectClock

MOST_TEXT = 255
"""Characters of a name or an id; the vendor keeps no longer ones."""

MILLISECOND = timedelta(milliseconds=1)
LAST_PROCESSED_MS = 250_000_000_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """By what duplicates are known. ``time`` is as exported, in seconds."""

    event: str
    distinct_id: str
    time: int
    insert_id: str

    def digest(self) -> bytes:
        """16 bytes. As a JSON array no two identities look alike."""
        text = orjson.dumps([self.event, self.distinct_id, self.time, self.insert_id])
        return hashlib.blake2b(text, digest_size=16).digest()

    def key(self, clock: ProjectClock) -> str:
        """``<UTC day>/<32 hex>``: rows of a day lie together."""
        return f"{clock.instant(self.time):%Y-%m-%d}/{self.digest().hex()}"


@dataclass(frozen=True, slots=True)
class Event:
    """A record with the time that the vendor wrote into it."""

    record: Record
    time: int


def read_event(line: bytes, clock: ProjectClock) -> Event:
    """A line of an export. ValueError when it is no JSON; RowRejected names the field at fault."""
    row, raw = read_object(line)
    identity = identity_of(row)
    return Event(Record(identity.key(clock), identity.digest(), raw), identity.time)


def record_of(raw: str, clock: ProjectClock) -> Record:
    """A record from a reject's body; RowRejected when it still cannot be one."""
    try:
        return read_event(raw.encode(), clock).record
    except ValueError as error:
        raise RowRejected(f"not JSON: {error}") from error


def reject_of(line: bytes, error: RowRejected, clock: ProjectClock) -> Reject:
    """The line as a reject; by its id, where it has a sound one, a good reading of the event settles it."""
    return Reject(_key_in(line, clock), error.reason, error.field, ascii_json(line))


def values_of(record: Record, clock: ProjectClock, mapping: Mapped) -> tuple[Any, ...]:
    """In the order of the table's columns; RowRejected names the field at fault."""
    row = orjson.loads(record.raw)
    identity, properties = identity_of(row), row["properties"]
    return (
        identity.event,
        identity.distinct_id,
        clock.instant(identity.time),
        identity.insert_id,
        _processed_at(properties),
        effects_of(mapping, identity.event, properties),
    )


def identity_of(row: Mapping[str, Any]) -> Identity:
    """RowRejected where a part is missing: without it, two events cannot be told from one that came twice."""
    properties = row.get("properties")
    if not isinstance(properties, dict):
        raise _fault("properties", properties, "not an object")
    return Identity(
        _text(row.get("event"), "event"),
        _distinct_id(properties.get("distinct_id")),
        _time(properties.get("time")),
        _text(properties.get("$insert_id"), "properties.$insert_id"),
    )


def _key_in(line: bytes, clock: ProjectClock) -> str | None:
    """Of a line at fault elsewhere. One with NUL in its identity has a key, too, and no row ever will."""
    try:
        return identity_of(orjson.loads(line)).key(clock)
    except (RowRejected, ValueError, AttributeError, TypeError):
        return None


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise _fault(name, value or None, "not a text")
    if len(value) > MOST_TEXT:
        raise RowRejected(f"a text of more than {MOST_TEXT} characters", field=name)
    return value


def _distinct_id(value: object) -> str:
    """5 and "5" are the same subscriber."""
    return str(value) if type(value) is int else _text(value, "properties.distinct_id")


def _time(value: object) -> int:
    if type(value) is not int:
        raise _fault("properties.time", value, "not a whole number of seconds")
    return value


def _processed_at(properties: Mapping[str, Any]) -> datetime | None:
    value = properties.get("mp_processing_time_ms")
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < LAST_PROCESSED_MS:
        raise RowRejected(
            "no whole number of milliseconds", field="properties.mp_processing_time_ms"
        )
    return EPOCH + value * MILLISECOND


def _fault(name: str, value: object, otherwise: str) -> RowRejected:
    return RowRejected("missing" if value is None else otherwise, field=name)
