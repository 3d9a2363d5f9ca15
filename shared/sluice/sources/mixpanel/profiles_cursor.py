"""The cursor of ``profiles``: the listing in progress, and what waits to be judged. All instants are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.errors import InvariantBroken

LONGEST_LISTING = timedelta(hours=24)
"""An older listing says too little about now: it is begun anew as the next generation."""

DIGESTS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Session:
    """A place in a listing: the vendor's session, the next page of it, and the page size that it counts in.

    ``digests`` are of pages stored, the last ones.
    """

    id: str
    page: int
    size: int
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing in progress: everything before its session's page is stored.

    Without a session it is at its beginning. ``restarts`` counts generations in a row whose session the vendor
    forgot. ``total`` is what the vendor said at first; ``rewrites`` that every row is to be written.
    """

    generation: int
    started_at: datetime
    rewrites: bool = False
    rows: int = 0
    total: int | None = None
    session: Session | None = None
    restarts: int = 0

    def stands(self, now: datetime, *, rewrites: bool) -> bool:
        return now - self.started_at <= LONGEST_LISTING and self.rewrites == rewrites

    def digests(self, digest: str) -> tuple[str, ...]:
        """Those of pages stored, once a page with this one is."""
        before = self.session.digests if self.session else ()
        return (*before, digest)[-DIGESTS_KEPT:]


@dataclass(frozen=True, slots=True)
class Pending:
    """A complete listing; profiles that it did not have are being asked for."""

    generation: int
    started_at: datetime
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ProfilesCursor:
    """Where the stream stands. All empty before the first page.

    ``listed_at`` is when the last listing that reached its end began. ``short_by`` is how many profiles it
    lacked of what the vendor told, where that was too many to remove anything by it.
    """

    generation: int = 0
    listing: Listing | None = None
    pending: Pending | None = None
    listed_at: datetime | None = None
    short_by: int | None = None

    def listing_done(self, listing: Listing, short_by: int | None) -> ProfilesCursor:
        """The cursor when a listing reached its end. One without a single row removes nothing, and neither does
        one that lacks too much of what it should have."""
        judged = bool(listing.rows) and short_by is None
        return replace(
            self,
            generation=listing.generation,
            listing=None,
            pending=Pending(listing.generation, listing.started_at) if judged else None,
            listed_at=listing.started_at,
            short_by=short_by,
        )

    def as_json(self) -> dict[str, Any]:
        """The cursor as the engine stores it; absent parts are left out."""
        written: dict[str, Any] = _written(self)
        return written

    @classmethod
    def read(cls, cursor: Mapping[str, Any]) -> ProfilesCursor:
        """Read a stored cursor; InvariantBroken when it is not one of ours."""
        try:
            return cls(
                generation=int(cursor.get("generation", 0)),
                listing=_part(cursor.get("listing"), _listing),
                pending=_part(cursor.get("pending"), _pending),
                listed_at=_part(cursor.get("listed_at"), _instant),
                short_by=_part(cursor.get("short_by"), int),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvariantBroken(
                f"the stored cursor is not one of Mixpanel's profiles: {error!r}"
            ) from error


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    if hasattr(value, "__slots__"):
        parts = {name: getattr(value, name) for name in value.__slots__}
        return {name: _written(part) for name, part in parts.items() if part not in (None, ())}
    return value


def _part(part: Any, read: Any) -> Any:
    return None if part is None else read(part)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return at.astimezone(UTC)


def _listing(part: Mapping[str, Any]) -> Listing:
    return Listing(
        generation=int(part["generation"]),
        started_at=_instant(part["started_at"]),
        rewrites=bool(part["rewrites"]),
        rows=int(part["rows"]),
        total=_part(part.get("total"), int),
        session=_part(part.get("session"), _session),
        restarts=int(part["restarts"]),
    )


def _session(part: Mapping[str, Any]) -> Session:
    digests = tuple(map(str, part.get("digests", ())))
    return Session(str(part["id"]), int(part["page"]), int(part["size"]), digests)


def _pending(part: Mapping[str, Any]) -> Pending:
    return Pending(int(part["generation"]), _instant(part["started_at"]), part.get("after"))
