"""What a timeline looks like at ShipBob, and what of it goes into typed columns.

The vendor's document calls each event ``{log_type_id, log_type_name, log_type_text, metadata, timestamp}``.
It publishes no list of ids: those below were seen in live data, any other is an ordinary event. Events may
come in any order and twice. Each column is when its event happened first; a label alone is the latest one,
because the one before it was voided.

Every shipment that was asked for becomes a record, so that it counts as checked: one whose timeline cannot
be read is a record that ``values_of`` rejects with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import xxhash
from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from sluice.core.errors import RowRejected
from sluice.core.records import Record, Reject
from sluice.sources import json_rows
from sluice.sources.json_rows import RowShape

SHAPE = RowShape("events", id_field="shipment_id")
NO_NEWS = 0
"""The version of an answer without any event: it is older than every timeline, because slices number
theirs from 1. So a vendor that knows nothing today takes away nothing that it told before."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Beyond these an instant is none: an empty .NET date is of the year 1."""

LABELLED = 604
_FIRST = (601, 118, 602, 603, LABELLED, 605, 607, 608, 611, 609)
"""The events that have a column, in the order of the columns."""


@with_config(ConfigDict(strict=True, extra="ignore"))
class Event(TypedDict):
    log_type_id: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
    timestamp: AwareDatetime


@with_config(ConfigDict(strict=True, extra="ignore"))
class Timeline(TypedDict):
    shipment_id: str
    events: list[Event]


_TIMELINE: TypeAdapter[Timeline] = TypeAdapter(Timeline)


def timeline_record(row: Record) -> Record:
    """The row ``{shipment_id, events}`` with each event once and in the order of time, so that the same
    events are the same content however they come."""
    found = orjson.loads(row.raw)
    events = sorted({orjson.dumps(event, option=orjson.OPT_SORT_KEYS) for event in found["events"]})
    events.sort(key=_timestamp)
    raw = b'{"events":[%b],"shipment_id":%b}' % (b",".join(events), orjson.dumps(row.id))
    return Record(row.id, xxhash.xxh3_128_digest(raw), raw, None if events else NO_NEWS)


def no_timeline(shipment_id: str) -> Record:
    """What is stored where the vendor has no timeline: nothing happened yet, as far as is known."""
    raw = orjson.dumps({"events": [], "shipment_id": shipment_id})
    return Record(shipment_id, xxhash.xxh3_128_digest(raw), raw, NO_NEWS)


def odd_timeline(shipment_id: str, reason: str, odd: Reject | None = None) -> Record:
    """A record that ``values_of`` rejects for ``reason``; with the answer itself, where there was one."""
    told: dict[str, Any] = {"reason": reason, "shipment_id": shipment_id}
    if odd is not None:
        told |= {"answer": odd.raw, "field": odd.field}
    raw = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return Record(shipment_id, xxhash.xxh3_128_digest(raw), raw)


def record_of(text: str) -> Record:
    """A record from a reject's text, read anew; RowRejected when it still cannot be one."""
    found = _object(text)
    if "answer" in found:
        row = json_rows.record_of(str(found["answer"]), SHAPE)
    elif "reason" in found:
        raise RowRejected(str(found["reason"]))
    else:
        row = json_rows.record_of(text, SHAPE)
    if not isinstance(orjson.loads(row.raw).get("events"), list):
        raise RowRejected("a timeline is a list of events", field="events")
    return timeline_record(row)


def values_of(record: Record) -> Sequence[Any]:
    """A timeline's values in the order of the table's columns; RowRejected names the field at fault."""
    found = _object(record.raw.decode())
    if "reason" in found:
        raise RowRejected(str(found["reason"]), field=found.get("field"))
    try:
        events = _TIMELINE.validate_json(record.raw)["events"]
    except ValidationError as error:
        fault = error.errors()[0]
        raise RowRejected(fault["msg"], field=_path(fault["loc"])) from error
    return _columns(events)


def _columns(events: Sequence[Event]) -> Sequence[Any]:
    moments = [_plausible(event["timestamp"], at) for at, event in enumerate(events)]
    when: dict[int, list[datetime]] = {}
    for event, moment in zip(events, moments, strict=True):
        when.setdefault(event["log_type_id"], []).append(moment)
    first = [
        (max if log_id == LABELLED else min)(when[log_id]) if log_id in when else None
        for log_id in _FIRST
    ]
    return (*first, min(moments, default=None), max(moments, default=None), len(events))


def _plausible(moment: datetime, at: int) -> datetime:
    if EARLIEST <= moment < LATEST:
        return moment
    raise RowRejected("no instant between 2000 and 2100", field=f"events[{at}].timestamp")


def _timestamp(event: bytes) -> str:
    found = orjson.loads(event)
    return str(found.get("timestamp")) if isinstance(found, dict) else ""


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RowRejected(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RowRejected("a row must be an object")
    return found


def _path(place: Sequence[int | str]) -> str:
    """As JSON paths are written: ``events[3].timestamp``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in place]
    return "".join(parts).removeprefix(".")
