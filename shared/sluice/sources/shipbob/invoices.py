"""The ``invoices`` stream: sheets of a parent account's charges. None of them says whose a charge is.

Invoices are listed by date. There are some a week, so the last weeks are read again each time, and the whole
history where a person asks for it; an invoice that vanished is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, RequestRefused
from sluice.core.records import Cursor, Page, ReadPages, Reconcile, Record, Step, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.sources.http import Got
from sluice.sources.json_rows import record_of
from sluice.sources.shipbob.answered import Listed
from sluice.sources.shipbob.billing_listing import (
    BillingPages,
    Listing,
    end_of_day,
    midnight,
)
from sluice.sources.shipbob.client import INVOICES as SHAPE
from sluice.sources.shipbob.client import ShipBobClient
from sluice.sources.shipbob.cursor import instant
from sluice.sources.shipbob.invoices_payloads import values_of
from sluice.sources.shipbob.invoices_table import INVOICES
from sluice.sources.shipbob.moments import written
from sluice.sources.shipbob.settings import ShipBobSettings

NAME = "invoices"
ALL = "invoices"
LOOKBACK = timedelta(days=35)
"""Invoices are made weekly; those of the last month are read again each time."""


@dataclass(frozen=True, slots=True)
class InvoicesCursor:
    """``read_at`` is when the last whole listing began, ``full_at`` the last one of the whole history."""

    read_at: datetime | None = None
    full_at: datetime | None = None
    listing: Listing | None = None

    def as_json(self) -> dict[str, Any]:
        moments = {"read_at": self.read_at, "full_at": self.full_at}
        found: dict[str, Any] = {k: v.isoformat() for k, v in moments.items() if v is not None}
        return found if self.listing is None else {**found, "listing": self.listing.as_json()}

    @classmethod
    def read(cls, cursor: Mapping[str, Any]) -> InvoicesCursor:
        """Read a stored cursor; InvariantBroken when it is not one of ours."""
        try:
            return cls(
                read_at=instant(cursor["read_at"]) if "read_at" in cursor else None,
                full_at=instant(cursor["full_at"]) if "full_at" in cursor else None,
                listing=Listing.read(cursor["listing"]) if "listing" in cursor else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvariantBroken(f"the stored cursor is not one of invoices: {error!r}") from error


class InvoicesStream:
    """All invoices of a parent account. Implements ``core.ports.Stream``; versions are the slices' own."""

    def __init__(self, client: ShipBobClient, settings: ShipBobSettings) -> None:
        self._client = client
        self._settings = settings

    @property
    def table(self) -> Table:
        return INVOICES

    @property
    def slice_rows(self) -> int:
        return self._settings.slice_rows

    @property
    def slice_requests(self) -> int:
        return self._settings.slice_requests

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """The listing in progress, or the next one when it is due."""
        read = InvoicesCursor.read(cursor)
        listing = read.listing or self._next(read, now, full_since)
        return None if listing is None else ReadPages(ALL, listing.as_json())

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Read the listing from its cursor on, until the budget is spent or it is whole."""
        self._client.http.resume()
        read = InvoicesCursor.read(cursor)
        for each in BillingPages(self._ask).read(Listing.read(step.detail), budget):
            read = replace(read, listing=each.listing)
            if each.last:
                began, full = each.listing.started_at, each.listing.full
                read = InvoicesCursor(began, began if full else read.full_at)
            yield Page(records=each.rows.records, rejects=each.rows.rejects, cursor=read.as_json())

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:  # noqa: ARG002  # the port's
        """Never asked: no step of this stream looks for invoices that are gone."""
        raise RequestRefused(
            f"invoice {candidate.record_id}: the vendor offers no point read of one"
        )

    def after_reconcile(
        self,
        cursor: Cursor,  # noqa: ARG002  # the port's
        step: Reconcile,
        judged_up_to: str | None,  # noqa: ARG002
    ) -> Cursor:
        """Never asked, as above."""
        raise InvariantBroken(f"the invoices stream never asked for generation {step.generation}")

    def values(self, record: Record) -> Sequence[Any]:
        """The record's values for ``table.columns``; RowRejected when it cannot be loaded."""
        return values_of(record)

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        return record_of(raw, SHAPE)

    def traffic(self) -> Traffic:
        """What reading cost so far."""
        return self._client.traffic()

    def close(self) -> None:
        """Give back what was reserved at the account and not used."""
        self._client.http.close()

    def _next(
        self, read: InvoicesCursor, now: datetime, full_since: datetime | None
    ) -> Listing | None:
        full = read.full_at is None or (
            full_since is not None and read.full_at < min(full_since, now)
        )
        if not full and read.read_at and now - read.read_at < self._settings.invoices_every:
            return None
        reach = max(self._settings.history, LOOKBACK) if full else LOOKBACK
        since, size = midnight(now - reach), self._settings.billing_page_size
        return Listing(ALL, since, end_of_day(now), since, now, size, full=full)

    def _ask(self, listing: Listing, budget: Budget) -> Got[Listed]:
        params: dict[str, str | int] = {
            "FromDate": written(listing.since),
            "ToDate": written(listing.until),
            "PageSize": listing.size,
            "SortOrder": "Ascending",
        }
        if listing.token is not None:
            params = {"Cursor": listing.token}
        return self._client.invoices(params, budget, size=listing.size)
