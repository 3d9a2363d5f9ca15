"""Listings of billing: by days, oldest first, from cursor to cursor.

The vendor's cursor is kept in ours, so that the next slice goes on where this one stopped. With a cursor the
vendor ignores every filter, so it belongs to one listing and is never used for another. Cursors have been seen
to lead to pages that were read before: a page that brings no new id is asked for again, and is never taken
for the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import NotFound, RequestRefused, VendorAnswerBroken, WaitForVendor
from sluice.sources.http import Got
from sluice.sources.json_rows import PageRows
from sluice.sources.shipbob.answered import Listed
from sluice.sources.shipbob.cursor import DIGESTS_KEPT, MOST_RESTARTS, instant, restarts_of_late

DAY = timedelta(days=1)
LONGEST = 7 * DAY
"""Of one listing: a history is read as several, so that one whose cursor expired is soon read again."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing of days in progress, both ends included; everything before ``token`` is stored.

    ``size`` is the rows of its pages, which a cursor keeps. ``begins`` is where the stream had read to before;
    ``fresh`` when it had read nothing, ``full`` when a person asked. ``generation`` when it finds removals.
    ``vendor_at`` is the vendor's clock when the first page was asked for, ``digests`` are of pages stored,
    ``rows`` how many these had. ``restarts`` counts how often the cursor was lost, ``read_at`` is when
    the page before was read.
    """

    kind: str
    since: datetime
    until: datetime
    begins: datetime
    started_at: datetime
    size: int
    fresh: bool = False
    full: bool = False
    generation: int | None = None
    vendor_at: datetime | None = None
    token: str | None = None
    digests: tuple[str, ...] = ()
    rows: int = 0
    restarts: int = 0
    read_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Without what is not set."""
        values = {name: getattr(self, name) for name in Listing.__slots__}
        told = {name: value for name, value in values.items() if value not in (None, (), False)}
        return {name: part_of_cursor(value) for name, value in told.items()}

    @classmethod
    def read(cls, part: Mapping[str, Any]) -> Listing:
        """What ``as_json`` wrote; KeyError, TypeError or ValueError for anything else."""
        return cls(
            kind=str(part["kind"]),
            since=instant(part["since"]),
            until=instant(part["until"]),
            begins=instant(part["begins"]),
            started_at=instant(part["started_at"]),
            size=int(part["size"]),
            fresh=bool(part.get("fresh", False)),
            full=bool(part.get("full", False)),
            generation=None if part.get("generation") is None else int(part["generation"]),
            vendor_at=_moment(part.get("vendor_at")),
            token=part.get("token"),
            digests=tuple(map(str, part.get("digests", ()))),
            rows=int(part.get("rows", 0)),
            restarts=int(part.get("restarts", 0)),
            read_at=_moment(part.get("read_at")),
        )


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page and the listing once it is stored; ``last`` when that was all."""

    rows: PageRows
    listing: Listing
    last: bool


@dataclass(slots=True)
class BillingPages:
    """Reads a listing. ``ask`` asks for the page at the listing's token."""

    ask: Callable[[Listing, Budget], Got[Listed]]

    def read(self, listing: Listing, budget: Budget) -> Iterator[PageRead]:
        """Page by page to the end. A cursor that the vendor no longer takes, or that leads round, begins the listing
        anew; VendorAnswerBroken when that does not help. Ends quietly when our own time is up
        and a page came."""
        came, pages = False, self._pages(listing, budget)
        try:
            for page in pages:
                came = True
                yield page
                if budget.spent:
                    return
        except WaitForVendor:
            if not came or budget.time_left():
                raise

    def _pages(self, listing: Listing, budget: Budget) -> Iterator[PageRead]:
        seen: set[str] = set()
        while True:
            try:
                page = self._fresh_page(listing, seen, budget)
            except (RequestRefused, NotFound, VendorAnswerBroken) as error:
                if listing.token is None or not _lost(error):
                    raise
                listing, seen = _anew(listing, budget.clock(), error), set()
                continue
            listing = _advanced(listing, page, budget.clock())
            yield PageRead(page.rows, listing, page.last)
            if page.last:
                return

    def _fresh_page(self, listing: Listing, seen: set[str], budget: Budget) -> Listed:
        """The page at the listing's token; asked for twice when it brings no id that is new."""
        for _ in range(2):
            got = self.ask(listing, budget)
            budget.spend(requests=got.requests)
            page = got.value
            ids = _ids(page.rows)
            known = page.rows.digest in listing.digests or (bool(ids) and ids <= seen)
            if not page.rows.rows or not known:
                seen |= ids
                return page
        raise _LedRound("the vendor's cursor leads to pages that were read before")


class _LedRound(VendorAnswerBroken):
    """No new id came where more were announced."""


def _lost(error: Exception) -> bool:
    """Whether the cursor is at fault: refused, unknown, or leading round."""
    return isinstance(error, (RequestRefused, NotFound, _LedRound))


def _anew(listing: Listing, now: datetime, error: Exception) -> Listing:
    """The listing from its beginning. VendorAnswerBroken when that was done too often of late."""
    restarts = restarts_of_late(listing.restarts, listing.read_at, now)
    if restarts >= MOST_RESTARTS:
        raise VendorAnswerBroken(
            f"the listing of {listing.since.date()} to {listing.until.date()} lost its cursor "
            f"{restarts + 1} times: {error}"
        ) from error
    return replace(listing, token=None, digests=(), rows=0, restarts=restarts + 1, read_at=now)


def _advanced(listing: Listing, page: Listed, now: datetime) -> Listing:
    token = None if page.following is None else page.following["Cursor"]
    return replace(
        listing,
        token=token,
        vendor_at=listing.vendor_at or page.asked_at,
        digests=(*listing.digests, page.rows.digest)[-DIGESTS_KEPT:],
        rows=listing.rows + page.rows.rows,
        read_at=now,
    )


def _ids(rows: PageRows) -> set[str]:
    read = {record.id for record in rows.records}
    return read | {each.record_id for each in rows.rejects if each.record_id is not None}


def _moment(text: Any) -> datetime | None:
    return None if text is None else instant(text)


def midnight(at: datetime) -> datetime:
    """The beginning of that instant's day, UTC: billing dates are days."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def end_of_day(at: datetime) -> datetime:
    """The midnight that ends that instant's day."""
    return midnight(at) + DAY


def part_of_cursor(value: Any) -> Any:
    """A part of a cursor as JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    return value
