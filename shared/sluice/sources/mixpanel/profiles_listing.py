"""A complete listing of profiles, page by page through one session of the vendor's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.budget import Budget
from sluice.core.errors import PageTokenExpired, RowRejected
from sluice.core.records import Page, Progress, Record, Reject
from sluice.sources.json_rows import PageRows, ascii_json
from sluice.sources.mixpanel.engage import EngageClient, EngagePage
from sluice.sources.mixpanel.profiles_cursor import Listing, ProfilesCursor
from sluice.sources.mixpanel.profiles_normalising import ProfileShape
from sluice.sources.mixpanel.profiles_settings import ProfilesSettings

MOST_MINUTES_APART = 15
"""Of generations in a row whose session was forgotten: each waits a minute longer."""


@dataclass(frozen=True, slots=True)
class ListedProfiles:
    """A listing as a generation. One whose session is refused is begun anew as the next, never ended there."""

    client: EngageClient
    settings: ProfilesSettings

    def pages(self, cursor: ProfilesCursor, budget: Budget) -> Iterator[Page]:
        listing = self._to_continue(cursor, budget.clock())
        while True:
            try:
                got = self.client.page(listing, budget)
            except PageTokenExpired as error:
                yield _forgotten(cursor, listing, budget.clock())
                # A vendor that forgets every session must not be asked for page one without end.
                error.retry_after = timedelta(minutes=min(listing.restarts + 1, MOST_MINUTES_APART))
                raise
            budget.spend(requests=got.requests)
            self.client.http.page()
            listing = _advanced(listing, got.value)
            yield self._page(cursor, listing, got.value)
            if listing.session is None:
                return

    def _to_continue(self, cursor: ProfilesCursor, now: datetime) -> Listing:
        rewrites = not self.settings.change_detection
        listing = cursor.listing
        if listing is not None and listing.stands(now, rewrites=rewrites):
            return listing
        return Listing(_next_generation(cursor), now, rewrites)

    def _page(self, cursor: ProfilesCursor, listing: Listing, page: EngagePage) -> Page:
        records, rejects = self._shaped(page.rows, listing)
        if listing.session is None:
            after = cursor.listing_done(listing, page.short_by)
        else:
            after = replace(cursor, generation=listing.generation, listing=listing)
        return Page(
            records,
            after.as_json(),
            rejects=rejects,
            sighting=listing.generation,
            progress=Progress(listing.rows, max(listing.total or 0, listing.rows)),
        )

    def _shaped(self, rows: PageRows, listing: Listing) -> tuple[list[Record], list[Reject]]:
        salt = f"{listing.generation} {listing.started_at}" if listing.rewrites else None
        shape = ProfileShape(self.settings, salt)
        records: list[Record] = []
        rejects = list(rows.rejects)
        for row in rows.records:
            try:
                records.append(shape.record(row))
            except RowRejected as error:
                rejects.append(Reject(row.id, error.reason, error.field, ascii_json(row.raw)))
        return records, rejects


def _advanced(listing: Listing, page: EngagePage) -> Listing:
    total = page.total if listing.total is None else listing.total
    rows = listing.rows + page.rows.rows
    return replace(listing, rows=rows, total=total, session=page.session)


def _next_generation(cursor: ProfilesCursor) -> int:
    return max(cursor.generation, cursor.listing.generation if cursor.listing else 0) + 1


def _forgotten(cursor: ProfilesCursor, listing: Listing, now: datetime) -> Page:
    """No rows, and a cursor at the beginning of the next generation. What was stored stays stored."""
    begun = replace(cursor, generation=listing.generation, listing=listing)
    anew = Listing(_next_generation(begun), now, listing.rewrites, restarts=listing.restarts + 1)
    after = replace(begun, generation=anew.generation, listing=anew)
    return Page((), after.as_json(), sighting=listing.generation)
