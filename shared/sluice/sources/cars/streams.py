"""The ``cars`` stream: crawls in generations, deltas between them, archived lots, removal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, WaitForVendor
from sluice.core.records import Cursor, Page, ReadPages, Reconcile, Record, Step, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.sources.cars.archived import ArchivedLots
from sluice.sources.cars.client import CarsClient
from sluice.sources.cars.cursor import CarsCursor, Pending
from sluice.sources.cars.due import ARCHIVED, CRAWL, DELTA, next_step
from sluice.sources.cars.numbered import ChangedCars, NumberedCrawl
from sluice.sources.cars.payloads import values_of
from sluice.sources.cars.scrolled import ScrolledCrawl
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.cars.table import CARS
from sluice.sources.json_rows import record_of

NAME = "cars"


class CarsStream:
    """All cars of one account. Implements ``core.ports.Stream``."""

    def __init__(self, client: CarsClient, settings: CarsSettings) -> None:
        self._client = client
        self._settings = settings
        self._reading: Iterator[Page] | None = None

    @property
    def table(self) -> Table:
        return CARS

    @property
    def slice_rows(self) -> int:
        return self._settings.slice_rows

    @property
    def slice_requests(self) -> int:
        return self._settings.slice_requests

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """What is due; see ``due.py`` for the order."""
        return next_step(CarsCursor.read(cursor), now, full_since, self._settings)

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Read the step's pages. Stops between pages when the budget is spent."""
        self.close()
        self._client.http.resume()
        reader = self._reader(step.kind)
        self._reading = _until_spent(reader(CarsCursor.read(cursor), budget), budget)
        return self._reading

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        """Point read; see ``CarsClient.exists``."""
        got = self._client.exists(candidate.record_id, budget)
        budget.spend(requests=got.requests)
        return got.value

    def after_reconcile(self, cursor: Cursor, step: Reconcile, judged_up_to: str | None) -> Cursor:
        """The cursor once candidates up to ``judged_up_to`` are judged; None means all of them."""
        read = CarsCursor.read(cursor)
        if read.pending is None or read.pending.generation != step.generation:
            raise InvariantBroken(f"generation {step.generation} is not waiting to be reconciled")
        pending = (
            None
            if judged_up_to is None
            else Pending(step.generation, step.started_at, judged_up_to)
        )
        return replace(read, pending=pending).as_json()

    def values(self, record: Record) -> Sequence[Any]:
        """The record's values for ``table.columns``; RowRejected when it cannot be loaded."""
        return values_of(record)

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        return record_of(raw, self._client.shape)

    def traffic(self) -> Traffic:
        """What reading cost so far, point reads included."""
        return self._client.traffic()

    def close(self) -> None:
        """Stop read-ahead and give back unused reservations; connections stay for the next slice."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()  # type: ignore[attr-defined]
        self._client.http.close()

    def _reader(self, kind: str) -> Callable[[CarsCursor, Budget], Iterator[Page]]:
        if kind == DELTA:
            return ChangedCars(self._client, self._settings).pages
        if kind == ARCHIVED:
            return ArchivedLots(self._client, self._settings).pages
        if kind != CRAWL:
            raise InvariantBroken(f"the cars stream has no step {kind!r}")
        if self._settings.shape == "page":
            return NumberedCrawl(self._client, self._settings).pages
        return ScrolledCrawl(self._client, self._settings).pages


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
