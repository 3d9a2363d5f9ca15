"""One event: who did what when, how it is exported, and what may be odd about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from local.vendors.mixpanel.models import OddKind
from local.vendors.mixpanel.zones import ProjectClock

Document = dict[str, Any]
Identity = tuple[str, str | None, int, str | None]

_NUL_MARK = "\ue000nul\ue000"


class Event(NamedTuple):
    """``at_ms`` is the true instant; the vendor shows the event from ``processed_ms`` on.

    A ``copy`` repeats an event processed before, properties in the opposite order.
    """

    name: str
    distinct_id: str | None
    at_ms: int
    insert_id: str | None
    processed_ms: int
    properties: Mapping[str, Any] = MappingProxyType({})
    odd: OddKind | None = None
    copy: bool = False

    def identity(self, clock: ProjectClock) -> Identity:
        """By what duplicates are known: the time as exported, in whole seconds."""
        return self.name, self.distinct_id, clock.exported_ms(self.at_ms) // 1000, self.insert_id


def document(event: Event, clock: ProjectClock, *, in_ms: bool = False) -> object:
    """The event as exported, before odd bytes; a text where it is no object."""
    if event.odd == "not_object":
        return f"event {event.insert_id} is not an object"
    if event.odd == "no_properties":
        return {"event": event.name}
    return {"event": event.name, "properties": properties(event, clock, in_ms=in_ms)}


def properties(event: Event, clock: ProjectClock, *, in_ms: bool = False) -> Document:
    """All properties, the vendor's own among them."""
    said: Document = {"time": _time(event, clock, in_ms=in_ms), "distinct_id": event.distinct_id}
    said["$insert_id"] = event.insert_id
    if event.distinct_id is None:
        del said["distinct_id"]
    if event.insert_id is None:
        del said["$insert_id"]
    said.update(event.properties)
    said["mp_processing_time_ms"] = event.processed_ms
    if event.odd == "nul":
        said["note"] = f"NUL {_NUL_MARK} inside"
    return dict(reversed(said.items())) if event.copy else said


def line(event: Event, clock: ProjectClock, *, in_ms: bool = False) -> bytes:
    """The event as a line of an export, with its newline."""
    written = orjson.dumps(document(event, clock, in_ms=in_ms), option=orjson.OPT_APPEND_NEWLINE)
    return written.replace(_NUL_MARK.encode(), b"\\u0000") if event.odd == "nul" else written


def _time(event: Event, clock: ProjectClock, *, in_ms: bool) -> object:
    exported_ms = clock.exported_ms(event.at_ms)
    told = exported_ms if in_ms else exported_ms // 1000
    if event.odd == "float_time":
        return told + 0.25
    return f"{told} o'clock" if event.odd == "text_time" else told
