"""A generation read by scrolling: one page after the other, each naming the next.

A scroll lives for minutes and cannot be read again from the middle. When its place is lost the
listing is begun anew as the next generation; what was stored stays stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.budget import Budget
from sluice.core.errors import PageTokenExpired, VendorAnswerBroken, WaitForVendor
from sluice.core.records import Page, Progress
from sluice.sources.cars.client import CarsClient, ScrollPage
from sluice.sources.cars.cursor import SCROLL_MARGIN, CarsCursor, Crawl, Scroll
from sluice.sources.cars.due import crawl_to_continue, next_generation
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.http import Got
from sluice.sources.json_rows import joined

TIME_FOR_A_PAGE = timedelta(seconds=8)
"""Left at least when a page is asked for that cannot be asked for again."""

MOST_KNOWN_PAGES = 8
"""Known pages in a row that a scroll may give before we say that it goes in circles."""


@dataclass(frozen=True, slots=True)
class ScrolledCrawl:
    """A generation read through scroll ids."""

    client: CarsClient
    settings: CarsSettings

    def pages(self, cursor: CarsCursor, budget: Budget) -> Iterator[Page]:
        crawl, page = self._first(cursor, budget)
        while True:
            try:
                crawl, page = self._sure_of_end(crawl, page, budget)
            except WaitForVendor:
                yield self._lost(cursor, crawl)  # the page is not stored, and the scroll moved on
                raise
            crawl = self._advanced(crawl, page)
            yield self._page(cursor, crawl, page, budget)
            if page.next_id is None or not self._may_go_on(crawl, budget):
                return
            try:
                page = self._next(crawl, budget)
            except PageTokenExpired as error:
                yield self._lost(cursor, crawl)
                # A vendor that forgets every scroll must not be asked for page one without end.
                error.retry_after = timedelta(minutes=min(crawl.restarts, 15))
                raise

    def _may_go_on(self, crawl: Crawl, budget: Budget) -> bool:
        """False when too little time is left to ask a question that cannot be asked again."""
        repeatable = crawl.scroll is not None and crawl.scroll.repeatable
        return repeatable or budget.time_left() >= TIME_FOR_A_PAGE

    def _sure_of_end(
        self, crawl: Crawl, page: ScrollPage, budget: Budget
    ) -> tuple[Crawl, ScrollPage]:
        """Look behind a page that says it is the last: rows there mean that it is not.

        They are joined to the page, because a scroll that moves on by itself gives them only once.
        No rows, rows already read, or a scroll that is gone are the end.
        """
        while page.next_id is None and page.rows.rows and page.scroll_id:
            crawl = replace(crawl, digests=crawl.with_digest(page.rows.digest))
            scroll = Scroll(page.scroll_id, self._ends_at(page))
            try:
                behind = self._ask_once(scroll, budget)
            except PageTokenExpired:
                break
            if not behind.rows.rows or behind.rows.digest in crawl.digests:
                break
            page = replace(behind, rows=joined(page.rows, behind.rows))
        return crawl, page

    def _lost(self, cursor: CarsCursor, crawl: Crawl) -> Page:
        """No rows, but a cursor that knows its place is lost: the stored scroll id may still
        answer, one page further on than it should."""
        lost = replace(cursor, generation=crawl.generation, crawl=replace(crawl, scroll=None))
        return Page(records=(), cursor=lost.as_json(), sighting=crawl.generation)

    def _page(self, cursor: CarsCursor, crawl: Crawl, page: ScrollPage, budget: Budget) -> Page:
        after = replace(cursor, generation=crawl.generation, crawl=crawl)
        if page.next_id is None:
            after = cursor.crawl_done(crawl, budget.clock())
        return Page(
            records=page.rows.records,
            rejects=page.rows.rejects,
            cursor=after.as_json(),
            sighting=crawl.generation,
            progress=Progress(crawl.rows_done, None),
        )

    def _first(self, cursor: CarsCursor, budget: Budget) -> tuple[Crawl, ScrollPage]:
        """The page to begin this slice with; a lost place begins the next generation at once."""
        crawl = crawl_to_continue(cursor, budget.clock(), self.settings)
        if crawl.scroll is not None:
            try:
                return crawl, self._next(crawl, budget)
            except PageTokenExpired:
                lost = replace(cursor, crawl=crawl)
                crawl = next_generation(
                    lost, budget.clock(), self.settings, restarts=crawl.restarts + 1
                )
        page = _spent(self.client.first_scroll(budget), budget)
        if not page.rows.rows:
            page = _spent(self.client.first_scroll(budget), budget)
        return crawl, page

    def _next(self, crawl: Crawl, budget: Budget) -> ScrollPage:
        """The next page not read before; PageTokenExpired when the place is lost.

        An id that leads back is followed for a few pages, since it may only be one answer that
        named the wrong next page. VendorAnswerBroken when it leads round.
        """
        scroll = crawl.scroll
        for _ in range(MOST_KNOWN_PAGES):
            if scroll is None or budget.clock() >= scroll.expires_at - SCROLL_MARGIN:
                raise PageTokenExpired("the scroll's time is over")
            page = self._ask(scroll, budget)
            if not page.rows.rows or page.rows.digest not in crawl.digests:
                return page
            scroll = self._after(scroll, page)
        raise VendorAnswerBroken("the scroll goes in circles")

    def _ask(self, scroll: Scroll, budget: Budget) -> ScrollPage:
        page = self._ask_once(scroll, budget)
        if page.rows.rows:
            return page
        # "No more data" ends a listing, so an empty answer is believed when it is given twice.
        try:
            again = self._ask_once(scroll, budget)
        except WaitForVendor as error:
            raise PageTokenExpired("the scroll gave an empty page, and then an error") from error
        if again.rows.rows and not scroll.repeatable:
            raise PageTokenExpired("the scroll gave an empty page in the middle")
        return again

    def _ask_once(self, scroll: Scroll, budget: Budget) -> ScrollPage:
        got = self.client.next_scroll(scroll.id, budget, repeatable=scroll.repeatable)
        return _spent(got, budget)

    def _advanced(self, crawl: Crawl, page: ScrollPage) -> Crawl:
        return replace(
            crawl,
            next_page=crawl.next_page + 1,
            rows_done=crawl.rows_done + page.rows.rows,
            scroll=self._after(crawl.scroll, page),
            digests=crawl.with_digest(page.rows.digest),
        )

    def _after(self, scroll: Scroll | None, page: ScrollPage) -> Scroll | None:
        """Where to go on after a page, and until when by our clock."""
        if page.next_id is None:
            return None
        moves = scroll is not None and scroll.id != page.next_id
        return Scroll(page.next_id, self._ends_at(page), repeatable=moves)

    def _ends_at(self, page: ScrollPage) -> datetime:
        return page.asked_at + timedelta(minutes=self.settings.scroll_time)


def _spent(got: Got[ScrollPage], budget: Budget) -> ScrollPage:
    budget.spend(requests=got.requests)
    return got.value
