"""The events stream's cursor: what was read, what is being read, and what is to be counted anew.

Typed here, JSON outside; all instants are UTC in whole seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from sluice.core.errors import InvariantBroken


@dataclass(frozen=True, slots=True)
class Span:
    """From an instant up to, and without, another."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Pass:
    """A stretch that is read window by window, and how far it is. ``began_at`` is by our clock; ``full`` when a
    person asked for it."""

    since: datetime
    until: datetime
    through: datetime
    began_at: datetime
    full: bool = False

    @classmethod
    def over(cls, since: datetime, until: datetime, began_at: datetime, *, full: bool) -> Pass:
        """One that begins, on whole seconds."""
        begin = since.replace(microsecond=0)
        return cls(begin, until.replace(microsecond=0), begin, began_at, full=full)

    @property
    def done(self) -> bool:
        return self.through >= self.until

    def reached(self, through: datetime) -> Pass:
        return replace(self, through=through)

    def covers(self, span: Span) -> bool:
        return self.since <= span.since and span.until <= self.until


@dataclass(frozen=True, slots=True)
class EventsCursor:
    """Where a project's events stand. All empty before the first read.

    ``read_until``: read once up to there, by the vendor's clock. ``read_at`` is when the last pass over ``new`` time
    began, by ours. ``again`` is one over days read before; ``reread_at`` and ``full_at`` are when the last such
    began that came to its end. ``length_s`` is how much time one request asks for.
    ``recount`` is a window that was read whole and whose counters are to be replaced; ``counted`` the window that
    counters are of, None when they are of all events; ``uncounted`` when some came that were not added to them.
    ``asked`` are stretches that a person asked for, which began when they did; ``asked_before`` when those did
    that were read since.
    """

    read_until: datetime | None = None
    read_at: datetime | None = None
    new: Pass | None = None
    again: Pass | None = None
    reread_at: datetime | None = None
    full_at: datetime | None = None
    length_s: int | None = None
    recount: Span | None = None
    counted: Span | None = None
    uncounted: bool = False
    asked: tuple[Pass, ...] = ()
    asked_before: tuple[datetime, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The cursor as the engine stores it; what is not set is left out."""
        return _json(self)

    @classmethod
    def read(cls, cursor: Mapping[str, Any]) -> EventsCursor:
        """Read a stored cursor; InvariantBroken when it is not one of ours."""
        try:
            length = cursor.get("length_s")
            return cls(
                read_until=_moment(cursor.get("read_until")),
                read_at=_moment(cursor.get("read_at")),
                new=_pass(cursor.get("new")),
                again=_pass(cursor.get("again")),
                reread_at=_moment(cursor.get("reread_at")),
                full_at=_moment(cursor.get("full_at")),
                length_s=None if length is None else int(length),
                recount=_span(cursor.get("recount")),
                counted=_span(cursor.get("counted")),
                uncounted=bool(cursor.get("uncounted", False)),
                asked=tuple(_begun(each) for each in cursor.get("asked", ())),
                asked_before=tuple(_instant(each) for each in cursor.get("asked_before", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvariantBroken(
                f"the stored cursor is not a cursor of events: {error!r}"
            ) from error


def _json(value: Any) -> dict[str, Any]:
    parts = {each.name: getattr(value, each.name) for each in fields(value)}
    return {name: _part(part) for name, part in parts.items() if part not in (None, False, ())}


def _part(value: Any) -> Any:
    if isinstance(value, (Pass, Span)):
        return _json(value)
    if isinstance(value, tuple):
        return [_part(each) for each in value]
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _moment(text: Any) -> datetime | None:
    return None if text is None else _instant(text)


def _instant(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return read


def _span(part: Any) -> Span | None:
    return None if part is None else Span(_instant(part["since"]), _instant(part["until"]))


def _pass(part: Any) -> Pass | None:
    return None if part is None else _begun(part)


def _begun(part: Any) -> Pass:
    since, until, through, began_at = (
        _instant(part[name]) for name in ("since", "until", "through", "began_at")
    )
    return Pass(since, until, through, began_at, full=bool(part.get("full", False)))
