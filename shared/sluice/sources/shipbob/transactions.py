"""The ``transactions`` stream: a parent account's charges, and whose each of them is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken
from sluice.core.records import Cursor, Page, ReadPages, Reconcile, Record, Step, Table
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.sources.http import Got
from sluice.sources.json_rows import record_of
from sluice.sources.shipbob.answered import Listed
from sluice.sources.shipbob.attribution import Merchants
from sluice.sources.shipbob.billing_listing import BillingPages, Listing
from sluice.sources.shipbob.client import TRANSACTIONS as SHAPE
from sluice.sources.shipbob.client import ShipBobClient
from sluice.sources.shipbob.moments import written
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.transactions_cursor import Pending, TransactionsCursor
from sluice.sources.shipbob.transactions_due import Due
from sluice.sources.shipbob.transactions_payloads import values_of
from sluice.sources.shipbob.transactions_point_read import PointRead
from sluice.sources.shipbob.transactions_table import TRANSACTIONS

NAME = "transactions"


class TransactionsStream:
    """All charges of a parent account. Implements ``core.ports.Stream``.

    A charge has no version of the vendor's: it changes when it is invoiced and may change otherwise. What was
    read last stands, and the slices' own order is an order, since nothing else writes charges: a push of billing only
    asks for a slice. A version made of ``invoiced_status`` would keep a charge that was removed and comes
    back from ever coming back, because a removal takes the slice's number.
    """

    def __init__(self, client: ShipBobClient, settings: ShipBobSettings) -> None:
        self._client = client
        self._due = Due(settings, Merchants.of(settings.billing))
        self._settings = settings

    @property
    def table(self) -> Table:
        return TRANSACTIONS

    @property
    def slice_rows(self) -> int:
        return self._settings.slice_rows

    @property
    def slice_requests(self) -> int:
        return self._settings.slice_requests

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """What is due; see ``transactions_due.py`` for the order."""
        return self._due.step(TransactionsCursor.read(cursor), now, full_since)

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Read the step's listing from its cursor on, until the budget is spent or it is whole."""
        self._client.http.resume()
        read = TransactionsCursor.read(cursor)
        for each in BillingPages(self._ask).read(Listing.read(step.detail), budget):
            listing, rows = each.listing, each.rows
            read = replace(read, listing=listing, news=read.news or rows.rows > 0)
            if each.last:
                read = self._due.after(read, listing, budget.clock())
            yield Page(
                records=rows.records,
                rejects=rows.rejects,
                cursor=read.as_json(),
                sighting=listing.generation,
            )

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        """Whether the vendor still lists this charge; see ``transactions_point_read.py``."""
        return PointRead(self._client, self._settings).still_charged(candidate, budget)

    def after_reconcile(self, cursor: Cursor, step: Reconcile, judged_up_to: str | None) -> Cursor:
        """The cursor once candidates up to ``judged_up_to`` are judged; None means all of them."""
        read = TransactionsCursor.read(cursor)
        if read.pending is None or read.pending.generation != step.generation:
            raise InvariantBroken(f"generation {step.generation} is not waiting to be reconciled")
        pending: Pending | None = replace(read.pending, after=judged_up_to)
        return replace(read, pending=pending if judged_up_to is not None else None).as_json()

    def values(self, record: Record) -> Sequence[Any]:
        """The record's values for ``table.columns``; RowRejected when it cannot be loaded."""
        return values_of(record)

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        return record_of(raw, SHAPE)

    def traffic(self) -> Traffic:
        """What reading cost so far, point reads included."""
        return self._client.traffic()

    def close(self) -> None:
        """Give back what was reserved at the account and not used."""
        self._client.http.close()

    def _ask(self, listing: Listing, budget: Budget) -> Got[Listed]:
        return self._client.transactions(_filters(listing), listing.token, budget)


def _filters(listing: Listing) -> Mapping[str, Any]:
    return {
        "from_date": written(listing.since),
        "to_date": written(listing.until),
        "page_size": listing.size,
        "sort_order": "Ascending",
    }
