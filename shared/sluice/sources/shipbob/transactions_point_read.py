"""Is a charge still there? Billing has no address for one charge: the charges of its reference are listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import InvariantBroken, RequestRefused, VendorAnswerBroken
from sluice.core.removal import Candidate
from sluice.sources.http import Got
from sluice.sources.shipbob.answered import Listed
from sluice.sources.shipbob.billing_listing import BillingPages, Listing, end_of_day, midnight
from sluice.sources.shipbob.client import ShipBobClient
from sluice.sources.shipbob.moments import written
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.transactions_payloads import charge_of


@dataclass(frozen=True, slots=True)
class PointRead:
    """Looks for single charges of one account."""

    client: ShipBobClient
    settings: ShipBobSettings

    def still_charged(self, candidate: Candidate, budget: Budget) -> bool:
        """False only when two different listings lack this charge: that of its reference, in which the days around
        its own are listed as well (it may have been dated anew), and that of its day. Of a charge without a
        reference its day is listed from both ends.

        An answer without rows may be damage, or what a token gets that may no longer see billing: RequestRefused
        when no charge at all is to be seen.
        """
        around, day, reference = _where(candidate, self.settings, budget.clock())
        questions = [_filters(around, reference)] if reference else [_filters(day, newest=True)]
        rows = 0
        for number, filters in enumerate((*questions, _filters(day))):
            found, seen = self._look(candidate.record_id, filters, day, budget)
            if found:
                if number:
                    self.client.http.contradicted()  # the listing before lacked it
                return True
            rows += seen
        if not rows and not self._any(around, budget):
            raise RequestRefused("the vendor lists no charges at all around those that are missing")
        return False

    def _look(
        self, record_id: str, filters: Mapping[str, Any], days: Listing, budget: Budget
    ) -> tuple[bool, int]:
        """Whether it is listed, and how many rows were seen."""

        def ask(listing: Listing, budget: Budget) -> Got[Listed]:
            return self.client.transactions(filters, listing.token, budget)

        rows, last = 0, False
        for page in BillingPages(ask).read(days, budget):
            if any(record.id == record_id for record in page.rows.records):
                return True, rows
            if any(reject.record_id in (None, record_id) for reject in page.rows.rejects):
                return True, rows  # something is there that cannot be read: it may be this one
            rows, last = rows + page.rows.rows, page.last
        if not last:
            raise VendorAnswerBroken(
                f"the charges beside {record_id} are more than a slice can look through"
            )
        return False, rows

    def _any(self, days: Listing, budget: Budget) -> bool:
        """Whether there is any charge in these days."""
        got = self.client.transactions({**_filters(days), "page_size": 1}, None, budget)
        budget.spend(requests=got.requests)
        return got.value.rows.rows > 0


def _where(
    candidate: Candidate, settings: ShipBobSettings, now: datetime
) -> tuple[Listing, Listing, str | None]:
    """The days around a charge, its own day, and its reference."""
    if candidate.raw is None:
        raise InvariantBroken(f"charge {candidate.record_id} came without its document")
    charge = charge_of(candidate.raw)
    dated, reference = charge.get("charge_date"), charge.get("reference_id")
    if dated is None:
        raise InvariantBroken(f"charge {candidate.record_id} without a date lies in no window")
    since, until = midnight(dated - settings.reconcile_reach), end_of_day(max(dated, now))
    around = Listing("point read", since, until, since, now, settings.billing_page_size)
    day = replace(around, since=midnight(dated), until=end_of_day(dated))
    return around, day, str(reference) if reference else None


def _filters(
    days: Listing, reference: str | None = None, *, newest: bool = False
) -> Mapping[str, Any]:
    return {
        "from_date": written(days.since),
        "to_date": written(days.until),
        "page_size": days.size,
        "sort_order": "Descending" if newest else "Ascending",
        **({"reference_ids": [reference]} if reference else {}),
    }
