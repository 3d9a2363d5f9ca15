"""The transactions stream's cursor: what was read, what is being read, and when what was last done.

Typed here, JSON outside; all instants are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sluice.core.errors import InvariantBroken
from sluice.sources.shipbob.billing_listing import Listing, part_of_cursor
from sluice.sources.shipbob.cursor import instant


@dataclass(frozen=True, slots=True)
class Pending:
    """A complete listing of [since, until) whose missing charges are being asked for one by one."""

    generation: int
    started_at: datetime
    since: datetime
    until: datetime
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The last reading of charges read before. ``through`` is how far it is, None when it is done; ``full``
    when a person asked for it."""

    began_at: datetime
    through: datetime | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """Days from one midnight up to another."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class TransactionsCursor:
    """Where a parent's charges stand. All empty before the first read.

    ``through``: charges are read up to there, by the vendor's clock. ``read_at`` is when the last read up to the
    present began, by ours. ``generation`` is the highest number given to a listing that finds removals.
    ``news``: rows came that were not attributed yet. ``correct``: attribute all of these days anew.
    """

    through: datetime | None = None
    read_at: datetime | None = None
    listing: Listing | None = None
    generation: int = 0
    pending: Pending | None = None
    reconciled_at: datetime | None = None
    again: Again | None = None
    attributed_at: datetime | None = None
    news: bool = False
    correct: Span | None = None

    def as_json(self) -> dict[str, Any]:
        """The cursor as the engine stores it; what is not set is left out."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value:
                found[each.name] = value.as_json() if isinstance(value, Listing) else _part(value)
        return found

    @classmethod
    def read(cls, cursor: Mapping[str, Any]) -> TransactionsCursor:
        """Read a stored cursor; InvariantBroken when it is not one of ours."""
        try:
            listing = cursor.get("listing")
            return cls(
                through=_moment(cursor.get("through")),
                read_at=_moment(cursor.get("read_at")),
                listing=None if listing is None else Listing.read(listing),
                generation=int(cursor.get("generation", 0)),
                pending=_pending(cursor.get("pending")),
                reconciled_at=_moment(cursor.get("reconciled_at")),
                again=_again(cursor.get("again")),
                attributed_at=_moment(cursor.get("attributed_at")),
                news=bool(cursor.get("news", False)),
                correct=_span(cursor.get("correct")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvariantBroken(
                f"the stored cursor is not a cursor of transactions: {error!r}"
            ) from error


def _part(value: Any) -> Any:
    if isinstance(value, (Pending, Again, Span)):
        parts = {each.name: getattr(value, each.name) for each in fields(value)}
        return {name: part_of_cursor(part) for name, part in parts.items() if part is not None}
    return part_of_cursor(value)


def _moment(text: Any) -> datetime | None:
    return None if text is None else instant(text)


def _pending(part: Any) -> Pending | None:
    if part is None:
        return None
    return Pending(
        int(part["generation"]),
        instant(part["started_at"]),
        instant(part["since"]),
        instant(part["until"]),
        part.get("after"),
    )


def _span(part: Any) -> Span | None:
    return None if part is None else Span(instant(part["since"]), instant(part["until"]))


def _again(part: Any) -> Again | None:
    if part is None:
        return None
    return Again(
        instant(part["began_at"]), _moment(part.get("through")), full=bool(part.get("full", False))
    )
