"""Listings by page number: the page shape's crawl, and cars changed since a moment.

Pages are read several at once and stored in order. The end is where an answer says that the page it
was asked for is the last one; every answer says so anew, since a listing grows and shrinks while it
is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.budget import Budget
from sluice.core.errors import VendorAnswerBroken
from sluice.core.records import Page, Progress
from sluice.sources.cars.client import CarsClient, ListPage
from sluice.sources.cars.cursor import CarsCursor, Crawl, Repeated, Window
from sluice.sources.cars.due import crawl_to_continue
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.http import Got
from sluice.sources.read_ahead import ReadAhead

LOOKBACK = timedelta(minutes=60)
"""How far before the last delta the next one begins: the existing deployment reads 60 minutes."""

SETTLE = timedelta(minutes=1)
"""How far behind the vendor's clock a delta ends: the newest changes may still be on their way."""


def minutes_since(since: datetime, now: datetime) -> int:
    """The vendor's ``minutes`` that reach back to ``since`` and the lookback before it."""
    return math.ceil((now - since + LOOKBACK) / timedelta(minutes=1))


@dataclass(slots=True)
class Listing:
    """Numbered pages in order from ``first``, until the vendor's last one."""

    read: Callable[[int], Got[ListPage]]
    client: CarsClient
    budget: Budget
    first: int
    last_page: int | None
    seen: set[str]

    def pages(self, most: int) -> Iterator[ListPage]:
        """Each page once and in order; VendorAnswerBroken at an earlier page over again."""
        most = self.client.http.side_by_side(most)
        asked = iter(range(self.first, 10**9))
        upcoming = [next(asked)]

        def next_number() -> int | None:
            number = upcoming[0]
            known = self.first if self.last_page is None else self.last_page
            if number > max(known, self.first):
                return None
            upcoming[0] = next(asked)
            return number

        ahead = ReadAhead(
            self.read,
            next_number=next_number,
            window=lambda: self.budget.pages_ahead(self.client.settings.page_size, most),
            most=most,
            stop=self.client.http.stop,
        )
        try:
            for got in ahead:
                self.budget.spend(requests=got.requests)
                page = self._sure_of_end(self._not_repeated(got.value))
                self.last_page = page.last_page
                yield page
                if page.is_last:
                    return
        finally:
            ahead.close()
            self.client.http.resume()

    def _sure_of_end(self, page: ListPage) -> ListPage:
        """An end that may be none is looked behind: the next page is asked for as well.

        That is one before the last page known, or on a full page. A page without rows, behind the
        last one that its own answer knows, is the end.
        """
        known = self.last_page or 0
        doubtful = page.last_page < known or page.rows.rows >= self.client.settings.page_size
        if page.is_last and page.rows.rows and doubtful:
            return replace(page, last_page=max(page.number + 1, known))
        return page

    def _not_repeated(self, page: ListPage) -> ListPage:
        """A page whose rows were all on an earlier page is read again before it is refused."""
        digest = page.rows.digest
        if page.rows.rows and digest in self.seen:
            again = self.read(page.number)
            self.budget.spend(requests=again.requests)
            page, digest = again.value, again.value.rows.digest
            if page.rows.rows and digest in self.seen and not self._moved_on(page.number, digest):
                raise VendorAnswerBroken(f"page {page.number} is an earlier page over again")
        self.seen.add(digest)
        return page

    def _moved_on(self, number: int, digest: str) -> bool:
        """True when the rows truly moved here because the page before now has others."""
        if number == 1:
            return True
        before = self.read(number - 1)
        self.budget.spend(requests=before.requests)
        return before.value.rows.digest != digest


@dataclass(frozen=True, slots=True)
class NumberedCrawl:
    """A generation read by page numbers."""

    client: CarsClient
    settings: CarsSettings

    def pages(self, cursor: CarsCursor, budget: Budget) -> Iterator[Page]:
        crawl = crawl_to_continue(cursor, budget.clock(), self.settings)
        listing = Listing(
            lambda number: self.client.page(number, budget),
            self.client,
            budget,
            crawl.next_page,
            crawl.last_page,
            set(crawl.digests),
        )
        for page in listing.pages(self.settings.concurrency):
            crawl = _advanced(crawl, page)
            yield Page(
                records=page.rows.records,
                rejects=page.rows.rejects,
                cursor=_stored(cursor, crawl, page, budget).as_json(),
                sighting=crawl.generation,
                progress=Progress(
                    crawl.rows_done, max(page.last_page * self.settings.page_size, crawl.rows_done)
                ),
            )


def _advanced(crawl: Crawl, page: ListPage) -> Crawl:
    return replace(
        crawl,
        next_page=page.number + 1,
        last_page=page.last_page,
        rows_done=crawl.rows_done + page.rows.rows,
        digests=(page.rows.digest,),
    )


def _stored(cursor: CarsCursor, crawl: Crawl, page: ListPage, budget: Budget) -> CarsCursor:
    if page.is_last:
        return cursor.crawl_done(crawl, budget.clock())
    return replace(cursor, generation=crawl.generation, crawl=crawl)


@dataclass(frozen=True, slots=True)
class ChangedCars:
    """Cars changed since the last delta, with a lookback. Carries no sighting: it is no listing."""

    client: CarsClient
    settings: CarsSettings

    def pages(self, cursor: CarsCursor, budget: Budget) -> Iterator[Page]:
        read = cursor.delta or Repeated(budget.clock(), budget.clock())
        window, since = read.window, read.window.since if read.window else read.through

        def read_page(number: int) -> Got[ListPage]:
            # Counted anew for each page, so that the window's far end stands still meanwhile.
            minutes = minutes_since(since, budget.clock())
            return self.client.page(number, budget, minutes=minutes)

        first = window.next_page if window else 1
        listing = Listing(read_page, self.client, budget, first, None, set())
        for page in listing.pages(self.settings.concurrency):
            window = Window(
                since,
                window.through if window else max(since, page.asked_at - SETTLE),
                page.number + 1,
            )
            yield Page(
                records=page.rows.records,
                rejects=page.rows.rejects,
                cursor=replace(
                    cursor, delta=after_window(read, window, budget.clock(), last=page.is_last)
                ).as_json(),
            )


def after_window(read: Repeated, window: Window, now: datetime, *, last: bool) -> Repeated:
    """Where a repeated read stands after a page: ``through`` moves only once the last is stored."""
    if last:
        return Repeated(through=window.through, finished_at=now)
    return replace(read, window=window)
