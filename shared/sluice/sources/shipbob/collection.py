"""What tells one of ShipBob's listing streams from another, and how all of them are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sluice.core.budget import Budget
from sluice.core.records import Page, Progress, Record, Table
from sluice.core.windows import Window, WindowRules
from sluice.sources.shipbob.cursor import (
    LONGEST_CHANGES,
    LONGEST_LISTING,
    Changes,
    Listing,
    ListingCursor,
    Reading,
)
from sluice.sources.shipbob.paging import SETTLE, Asking, Dated, Pages, Read

WINDOWS = WindowRules(
    lookback=timedelta(minutes=15),
    settle=SETTLE,
    first=timedelta(0),
    longest=timedelta(days=3650),
)
"""Each read of changes begins a quarter of an hour before the end of the one before: rows have been seen to
come up minutes after their own time. What is later still, the next complete listing finds."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A stream's declarations.

    ``changes`` are the windows that together show what is new since a moment; ``listing`` shows everything
    created since one. ``within`` is the column of that moment (None: a listing is always of everything).
    ``point`` is the address of one object; ``dated`` and ``values`` read a row.
    """

    name: str
    table: Table
    changes: Sequence[Asking]
    listing: Asking
    point: str
    dated: Callable[[Record], Dated]
    values: Callable[[Record], Sequence[Any]]
    changes_every: timedelta
    listing_every: timedelta
    history: timedelta
    reach: timedelta
    within: str | None = "created_at"


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """The windows of changes, one after the other. How far they read stands only once the last is stored."""

    collection: Collection

    def pages(self, cursor: ListingCursor, budget: Budget) -> Iterator[Page]:
        now = budget.clock()
        changes = cursor.changes or begun(now)
        reading = changes.reading
        if reading is None or now - reading.begun_at > LONGEST_CHANGES:
            reading = Reading(changes.through - WINDOWS.lookback, now)
        after: Reading | None = reading
        while after is not None:
            for stored, read in self._window(changes, after, budget):
                after = stored.reading
                yield Page(
                    read.records, replace(cursor, changes=stored).as_json(), rejects=read.rejects
                )

    def _window(
        self, changes: Changes, reading: Reading, budget: Budget
    ) -> Iterator[tuple[Changes, Read]]:
        """The pages of one window, each with how changes stand once it is stored."""
        asking, through = self.collection.changes[reading.part], reading.through
        # A single short page needs no proof that it is the last: the next read looks back over it.
        pages = Pages(
            asking, self.collection.dated, reading.since, budget, doubts_single_page=False
        )
        for read in pages.read(reading.place):
            through = through or self._through(changes, reading, read)
            after = self._after(replace(reading, through=through), read)
            if after is None:
                yield Changes(through, reading.begun_at), read
            else:
                yield replace(changes, reading=after), read

    def _through(self, changes: Changes, reading: Reading, read: Read) -> datetime:
        window = Window(reading.since, max(reading.begun_at, changes.through), changes.through)
        return window.reached(read.asked_at, WINDOWS)

    def _after(self, reading: Reading, read: Read) -> Reading | None:
        """Behind a page: further in this window, in the next one, or at the end of all (None)."""
        if read.place is not None:
            return replace(reading, place=read.place)
        part = reading.part + 1
        if part == len(self.collection.changes):
            return None
        return replace(reading, part=part, place=None)


@dataclass(frozen=True, slots=True)
class ListedRows:
    """A complete listing, as a generation."""

    collection: Collection

    def pages(
        self, cursor: ListingCursor, budget: Budget, full_since: datetime | None
    ) -> Iterator[Page]:
        listing = listing_to_continue(self.collection, cursor, budget.clock(), full_since)
        pages = Pages(self.collection.listing, self.collection.dated, listing.since, budget)
        for read in pages.read(listing.place):
            until = listing.until or read.asked_at - WINDOWS.settle
            rows = listing.rows + len(read.records)
            listing = replace(listing, until=until, rows=rows, place=read.place)
            yield Page(
                read.records,
                _after(cursor, listing).as_json(),
                rejects=read.rejects,
                sighting=listing.generation,
                progress=Progress(rows, None),
            )


def begun(at: datetime) -> Changes:
    """Changes that begin to be read at a moment: what is older, a complete listing reads."""
    return Changes(through=at - WINDOWS.settle, begun_at=at)


def listing_to_continue(
    collection: Collection, cursor: ListingCursor, now: datetime, full_since: datetime | None
) -> Listing:
    """The listing in progress if it still says enough about now, or the next generation's."""
    listing = cursor.listing
    if listing is not None and now - listing.started_at <= LONGEST_LISTING:
        return listing
    highest = max(cursor.generation, listing.generation if listing else 0)
    full = full_is_due(cursor, now, full_since) or bool(listing and listing.full)
    back = collection.history if full else min(collection.reach, collection.history)
    since = None if collection.within is None else now - back
    return Listing(highest + 1, now, full, since)


def full_is_due(cursor: ListingCursor, now: datetime, full_since: datetime | None) -> bool:
    """Whether the whole history is to be read: never done, or asked for since."""
    if cursor.full_at is None:
        return True
    return full_since is not None and cursor.full_at < min(full_since, now)


def _after(cursor: ListingCursor, listing: Listing) -> ListingCursor:
    """The first listing also begins the reading of changes, so that nothing between is lost."""
    changes = cursor.changes
    if changes is None and listing.until is not None:
        changes = Changes(min(listing.until, listing.started_at), listing.started_at)
    cursor = replace(cursor, changes=changes)
    if listing.place is None:
        return cursor.listing_done(listing)
    return replace(cursor, generation=listing.generation, listing=listing)
