"""What is due next of a parent's charges, and where the stream stands once a listing is stored whole.

New charges first, then whose they are; removals and what was invoiced meanwhile come after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.records import ReadPages, Reconcile, Step, Within
from sluice.core.windows import Window, WindowRules, next_window
from sluice.sources.shipbob.attribution import Merchants, attribute, attribute_again
from sluice.sources.shipbob.billing_listing import DAY, LONGEST, Listing, end_of_day, midnight
from sluice.sources.shipbob.settings import ShipBobSettings
from sluice.sources.shipbob.transactions_cursor import Again, Pending, Span, TransactionsCursor

CHARGES = "charges"
RECENT = "recent"
AGAIN = "again"
COLUMN = "charge_date"

LOOKBACK = DAY
"""A charge lies at its day's midnight, and one of yesterday may be entered today. What is entered later is found by
the hourly listing (``billing_reach``) and by the daily reading of what was read before."""

SETTLE = timedelta(minutes=1)
AGAIN_EVERY = DAY
"""How often charges of ``reconcile_reach`` are read again: a hundred requests for a hundred thousand of them."""


@dataclass(frozen=True, slots=True)
class Due:
    """Decides for one account."""

    settings: ShipBobSettings
    merchants: Merchants

    def step(
        self, cursor: TransactionsCursor, now: datetime, full_since: datetime | None
    ) -> Step | None:
        """In this order: the listing in progress, whose the new rows are, new charges, removals, the listing for
        removals, charges read before, whose the rest is."""
        if cursor.listing is not None:
            return _read(cursor.listing)
        if cursor.correct is not None or cursor.news:
            return self._attribute(cursor, now)
        window = self._new(cursor, now)
        if window is not None:
            return _read(window)
        if cursor.pending is not None:
            return _reconcile(cursor.pending)
        listing = self._recent(cursor, now) or self._again(cursor, now, full_since)
        if listing is not None:
            return _read(listing)
        if _is_due(cursor.attributed_at, self.settings.attribute_every, now):
            return self._attribute(cursor, now)
        return None

    def _attribute(self, cursor: TransactionsCursor, now: datetime) -> Step:
        span = cursor.correct
        after = replace(cursor, attributed_at=now, news=False, correct=None).as_json()
        if span is None:
            return attribute(self.merchants, after)
        return attribute_again(self.merchants, after, span.since, span.until)

    @property
    def _rules(self) -> WindowRules:
        return WindowRules(
            lookback=LOOKBACK,
            settle=SETTLE,
            first=self.settings.history,
            longest=LONGEST,
            shortest=timedelta(0),
        )

    def _new(self, cursor: TransactionsCursor, now: datetime) -> Listing | None:
        """Charges since the last read, a day before included; of a history the next week."""
        if not _is_due(cursor.read_at, self.settings.transactions_every, now):
            return None
        window = next_window(cursor.through, now, self._rules)
        if window is None:
            return None
        return Listing(
            CHARGES,
            midnight(window.since),
            end_of_day(window.until),
            window.begins,
            now,
            self.settings.billing_page_size,
            fresh=window.fresh,
        )

    def _recent(self, cursor: TransactionsCursor, now: datetime) -> Listing | None:
        """All charges of the last days, to find what is gone."""
        if not _is_due(cursor.reconciled_at, self.settings.reconcile_every, now):
            return None
        since = midnight(now - self.settings.billing_reach)
        size, generation = self.settings.billing_page_size, cursor.generation + 1
        return Listing(RECENT, since, end_of_day(now), since, now, size, generation=generation)

    def _again(
        self, cursor: TransactionsCursor, now: datetime, full_since: datetime | None
    ) -> Listing | None:
        """A week of charges read before: they change when they are invoiced, which no filter by time tells.

        Of a full read it is a day, as all of it is attributed in one pass."""
        again = self._again_now(cursor.again, now, full_since)
        if again is None or again.through is None:
            return None
        since = midnight(again.through)
        length, size = DAY if again.full else LONGEST, self.settings.billing_page_size
        until = min(since + length, end_of_day(now))
        return Listing(AGAIN, since, until, since, again.began_at, size, full=again.full)

    def _again_now(
        self, again: Again | None, now: datetime, full_since: datetime | None
    ) -> Again | None:
        if again is not None and again.through is not None:
            return again
        if again is not None and full_since is not None and again.began_at < min(full_since, now):
            return Again(now, midnight(now - self.settings.history), full=True)
        if again is None or now - again.began_at >= AGAIN_EVERY:
            return Again(now, midnight(now - self.settings.reconcile_reach))
        return None

    def after(
        self, cursor: TransactionsCursor, listing: Listing, now: datetime
    ) -> TransactionsCursor:
        """The cursor once the listing's last page is stored."""
        done = replace(cursor, listing=None)
        if listing.kind == CHARGES:
            return self._after_new(done, listing)
        if listing.kind == RECENT:
            return _after_recent(done, listing)
        finished = listing.until >= end_of_day(now)
        through = None if finished else listing.until
        again = Again(listing.started_at, through, full=listing.full)
        correct = Span(listing.since, listing.until) if listing.full else None
        return replace(done, again=again, correct=correct)

    def _after_new(self, done: TransactionsCursor, listing: Listing) -> TransactionsCursor:
        """``through`` never passes the vendor's own clock; what is left of a history is due at once."""
        latest = listing.started_at - SETTLE
        window = Window(
            listing.since, min(listing.until, latest), listing.begins, fresh=listing.fresh
        )
        through = window.reached(listing.vendor_at or latest, self._rules)
        whole = listing.until >= latest
        return replace(
            done,
            through=through,
            read_at=listing.started_at if whole else None,
            again=done.again or Again(listing.started_at),
        )


def _after_recent(done: TransactionsCursor, listing: Listing) -> TransactionsCursor:
    """A listing without a single row removes nothing: a token that may not see billing may get just that."""
    generation = listing.generation or done.generation
    pending = Pending(generation, listing.started_at, listing.since, listing.until)
    return replace(
        done,
        generation=generation,
        pending=pending if listing.rows else None,
        reconciled_at=listing.started_at,
    )


def _read(listing: Listing) -> ReadPages:
    return ReadPages(listing.kind, listing.as_json())


def _reconcile(pending: Pending) -> Reconcile:
    within = Within(COLUMN, pending.since, pending.until)
    return Reconcile(pending.generation, pending.started_at, pending.after, within)


def _is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    return last is None or now - last >= every
