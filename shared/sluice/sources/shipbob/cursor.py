"""The cursor of ShipBob's listing streams: what is being read, what was, and what waits to be judged.

Typed here, JSON outside. All instants are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.errors import InvariantBroken

LONGEST_LISTING = timedelta(hours=24)
LONGEST_CHANGES = timedelta(hours=1)
"""What takes longer says too little about now, or has lost its way: it is begun anew."""

DIGESTS_KEPT = 64

MOST_RESTARTS = 3
PAUSE = timedelta(minutes=10)
"""A listing that lost its way three times stands still this long, visibly, before it is begun anew. Else one whose
cursors end sooner than the next slice begins would be read over and over, and nobody would see; and without an end to
the waiting it would stand still long after the vendor is well."""


def restarts_of_late(restarts: int, read_at: datetime | None, now: datetime) -> int:
    """How often a listing was begun anew, or 0 when it has stood still for a pause: since its last page was read, or
    it was begun anew. An older worker's cursor does not say since when."""
    stood_still = read_at is None or now - read_at >= PAUSE
    return 0 if stood_still else restarts


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing goes on: everything before is stored.

    ``bound`` is the limit in time that follows the rows read, ``page`` the number of the next page within
    it; or ``query`` is what the vendor told to ask with. ``size`` is the page size that ``page`` counts in.
    ``digests`` are of pages stored, the last ones. ``unsorted``: rows came in another order than asked, so
    the limit follows them no further. ``restarts`` counts how often the vendor's addresses led back. ``read_at`` is
    when the page before was read.
    ``reached`` is the newest row's moment so far.
    """

    size: int
    bound: datetime | None = None
    page: int = 1
    unsorted: bool = False
    restarts: int = 0
    read_at: datetime | None = None
    reached: datetime | None = None
    query: Mapping[str, str] | None = None
    digests: tuple[str, ...] = ()

    def fits(self, size: int) -> Place:
        """The same place for another page size: page numbers then mean something else. What the vendor told
        to ask with keeps the size that it was told for."""
        if self.size == size or self.query is not None:
            return self
        return replace(self, size=size, page=1, digests=())

    def seen(self, digest: str) -> tuple[str, ...]:
        return (*self.digests, digest)[-DIGESTS_KEPT:]


@dataclass(frozen=True, slots=True)
class Reading:
    """A read of changes in progress: window ``part`` of several, each from ``since`` on. ``through`` is how far
    it will have read, as the vendor's clock said when the first page was asked for."""

    since: datetime
    begun_at: datetime
    part: int = 0
    through: datetime | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """How far changes were read, when the last read of them began, and one in progress."""

    through: datetime
    begun_at: datetime
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing in progress: of rows created from ``since`` on (None: of all there are).

    ``until`` is the vendor's clock at its first page, less the settle time: later rows may be missing from
    it. ``full`` says that it reaches back as far as the stream's history.
    """

    generation: int
    started_at: datetime
    full: bool
    since: datetime | None = None
    until: datetime | None = None
    rows: int = 0
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A complete listing; rows of its stretch that it did not have are being asked for one by one."""

    generation: int
    started_at: datetime
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ListingCursor:
    """Where a stream stands. All empty before the first page. ``listed_at`` and ``full_at`` are when the last
    complete listing, and the last one of the whole history, began."""

    generation: int = 0
    changes: Changes | None = None
    listing: Listing | None = None
    pending: Pending | None = None
    listed_at: datetime | None = None
    full_at: datetime | None = None

    def listing_done(self, listing: Listing) -> ListingCursor:
        """The cursor when a listing is complete. One without a single row removes nothing: an account whose
        token lacks a scope looks exactly like one without orders."""
        pending = Pending(listing.generation, listing.started_at, listing.since, listing.until)
        return replace(
            self,
            generation=listing.generation,
            listing=None,
            pending=pending if listing.rows else None,
            listed_at=listing.started_at,
            full_at=listing.started_at if listing.full else self.full_at,
        )

    def as_json(self) -> dict[str, Any]:
        """The cursor as the engine stores it; absent parts are left out."""
        found: dict[str, Any] = _written(self)
        return found

    @classmethod
    def read(cls, cursor: Mapping[str, Any]) -> ListingCursor:
        """Read a stored cursor; InvariantBroken when it is not one of ours."""
        try:
            return cls(
                generation=int(cursor.get("generation", 0)),
                changes=_part(cursor.get("changes"), _changes),
                listing=_part(cursor.get("listing"), _listing),
                pending=_part(cursor.get("pending"), _pending),
                listed_at=_part(cursor.get("listed_at"), instant),
                full_at=_part(cursor.get("full_at"), instant),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvariantBroken(
                f"the stored cursor is not one of a ShipBob listing: {error!r}"
            ) from error


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__slots__"):
        parts = {name: getattr(value, name) for name in value.__slots__}
        return {name: _written(part) for name, part in parts.items() if part not in (None, ())}
    return value


def _part(part: Any, read: Any) -> Any:
    return None if part is None else read(part)


def instant(text: str) -> datetime:
    """An instant of a stored cursor; ValueError for one without a time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(UTC)


def _place(part: Mapping[str, Any]) -> Place:
    return Place(
        size=int(part["size"]),
        bound=_part(part.get("bound"), instant),
        page=int(part["page"]),
        unsorted=bool(part["unsorted"]),
        restarts=int(part["restarts"]),
        read_at=_part(part.get("read_at"), instant),
        reached=_part(part.get("reached"), instant),
        query=_part(part.get("query"), dict),
        digests=tuple(map(str, part.get("digests", ()))),
    )


def _reading(part: Mapping[str, Any]) -> Reading:
    return Reading(
        since=instant(part["since"]),
        begun_at=instant(part["begun_at"]),
        part=int(part["part"]),
        through=_part(part.get("through"), instant),
        place=_part(part.get("place"), _place),
    )


def _changes(part: Mapping[str, Any]) -> Changes:
    return Changes(
        through=instant(part["through"]),
        begun_at=instant(part["begun_at"]),
        reading=_part(part.get("reading"), _reading),
    )


def _listing(part: Mapping[str, Any]) -> Listing:
    return Listing(
        generation=int(part["generation"]),
        started_at=instant(part["started_at"]),
        full=bool(part["full"]),
        since=_part(part.get("since"), instant),
        until=_part(part.get("until"), instant),
        rows=int(part["rows"]),
        place=_part(part.get("place"), _place),
    )


def _pending(part: Mapping[str, Any]) -> Pending:
    return Pending(
        generation=int(part["generation"]),
        started_at=instant(part["started_at"]),
        since=_part(part.get("since"), instant),
        until=_part(part.get("until"), instant),
        after=part.get("after"),
    )
