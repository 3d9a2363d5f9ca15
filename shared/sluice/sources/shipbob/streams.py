"""How ShipBob's listing streams are read: changes first, then a listing in progress, removal, the next listing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, RowRejected, WaitForVendor
from sluice.core.records import (
    Cursor,
    Page,
    ReadPages,
    Reconcile,
    Record,
    Step,
    Table,
    Within,
)
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.sources.json_rows import record_of
from sluice.sources.shipbob.client import BARE, ShipBobClient
from sluice.sources.shipbob.collection import (
    ChangedRows,
    Collection,
    ListedRows,
    full_is_due,
)
from sluice.sources.shipbob.cursor import Changes, ListingCursor, Pending, instant
from sluice.sources.shipbob.settings import ShipBobSettings

CHANGES = "changes"
LISTING = "listing"


class ListingStream:
    """One listing of one account. Implements ``core.ports.Stream`` and ``Rereads``."""

    def __init__(
        self, client: ShipBobClient, settings: ShipBobSettings, collection: Collection
    ) -> None:
        self._client = client
        self._settings = settings
        self._collection = collection
        self._reading: Iterator[Page] | None = None

    @property
    def table(self) -> Table:
        return self._collection.table

    @property
    def slice_rows(self) -> int:
        return self._settings.slice_rows

    @property
    def slice_requests(self) -> int:
        return self._settings.slice_requests

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """The first listing is begun at once; from then on fresh changes never wait for a listing."""
        read = ListingCursor.read(cursor)
        detail = (
            {} if full_since is None else {"full_since": full_since.astimezone(UTC).isoformat()}
        )
        if read.changes is not None and self._changes_are_due(read.changes, now):
            return ReadPages(CHANGES)
        if read.listing is not None:
            return ReadPages(LISTING, detail)
        if read.pending is not None:
            return self._reconcile(read.pending)
        if self._listing_is_due(read, now, full_since):
            return ReadPages(LISTING, detail)
        return None

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Read the step's pages. Stops between pages when the budget is spent."""
        self.close()
        self._client.http.resume()
        self._reading = _until_spent(self._pages(step, cursor, budget), budget)
        return self._reading

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        """Point read: False only when the vendor says twice that there is no such object."""
        record_id = candidate.record_id
        if not (record_id.isascii() and record_id.isdigit()):
            return True  # no id of the vendor's kind: it cannot be asked for, so it stays
        try:
            got = self._client.one(self._collection.point, record_id, budget)
        except RowRejected:
            return True  # it cannot be loaded, but it is there
        budget.spend(requests=got.requests)
        return got.value is not None

    def reread(self, object_id: str, budget: Budget) -> Record | None:
        """The object as the vendor has it now; None when there is none. RowRejected when it cannot be read."""
        if not (object_id.isascii() and object_id.isdigit()):
            raise RowRejected("an id of ShipBob's is a whole number")
        got = self._client.one(self._collection.point, object_id, budget)
        budget.spend(requests=got.requests)
        return None if got.value is None else self._collection.dated(got.value).record

    def after_reconcile(self, cursor: Cursor, step: Reconcile, judged_up_to: str | None) -> Cursor:
        """The cursor once candidates up to ``judged_up_to`` are judged; None means all of them."""
        read = ListingCursor.read(cursor)
        if read.pending is None or read.pending.generation != step.generation:
            raise InvariantBroken(f"generation {step.generation} is not waiting to be reconciled")
        left = None if judged_up_to is None else replace(read.pending, after=judged_up_to)
        return replace(read, pending=left).as_json()

    def values(self, record: Record) -> Sequence[Any]:
        """The record's values for ``table.columns``; RowRejected when it cannot be loaded."""
        return self._collection.values(record)

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        return self._collection.dated(record_of(raw, BARE)).record

    def traffic(self) -> Traffic:
        """What reading cost so far in this slice, point reads included."""
        return self._client.traffic()

    def close(self) -> None:
        """End the reading and give back unused reservations; connections stay for the next slice."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()  # type: ignore[attr-defined]
        self._client.http.close()

    def _pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        read = ListingCursor.read(cursor)
        if step.kind == CHANGES:
            return ChangedRows(self._collection).pages(read, budget)
        if step.kind != LISTING:
            raise InvariantBroken(f"ShipBob's {self._collection.name} have no step {step.kind!r}")
        asked = step.detail.get("full_since")
        full_since = None if asked is None else instant(asked)
        return ListedRows(self._collection).pages(read, budget, full_since)

    def _changes_are_due(self, changes: Changes, now: datetime) -> bool:
        """Since the last read began, by our clock: a wrong vendor clock starves nobody."""
        every = self._collection.changes_every
        return changes.reading is not None or now - changes.begun_at >= every

    def _listing_is_due(
        self, cursor: ListingCursor, now: datetime, full_since: datetime | None
    ) -> bool:
        if cursor.listed_at is None or now - cursor.listed_at >= self._collection.listing_every:
            return True
        return full_is_due(cursor, now, full_since)

    def _reconcile(self, pending: Pending) -> Reconcile:
        within = None
        if self._collection.within and pending.since is not None and pending.until is not None:
            within = Within(self._collection.within, pending.since, pending.until)
        return Reconcile(pending.generation, pending.started_at, pending.after, within)


def _until_spent(pages: Iterator[Page], budget: Budget) -> Iterator[Page]:
    """End quietly when our own time is up and a page came: that is no fault of the vendor."""
    came = False
    try:
        for page in pages:
            came = True
            yield page
            if budget.spent:
                return
    except WaitForVendor:
        if came and not budget.time_left():
            return
        raise
    finally:
        pages.close()  # type: ignore[attr-defined]
