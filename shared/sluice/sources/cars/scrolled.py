"""A generation read by scrolling: one page after the other, each naming the next.

A scroll lives for minutes and cannot be read again from the middle. When its place is lost the
listing is begun anew as the next generation; what was stored stays stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sluice.core.budget import Budget
from sluice.core.errors import (
    PageTokenExpired,
    VendorAnswerBroken,
    VendorThrottled,
    WaitForVendor,
)
from sluice.core.records import Page, Progress
from sluice.sources.cars.client import CarsClient, ScrollPage
from sluice.sources.cars.cursor import CarsCursor, Crawl, Scroll
from sluice.sources.cars.due import crawl_to_continue, next_generation
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.http import Got
from sluice.sources.json_rows import PageRows

SCROLL_MARGIN = timedelta(seconds=30)
"""A scroll this close to its end is not continued."""

TIME_FOR_A_PAGE = timedelta(seconds=8)
"""Left at least when a page is asked for that cannot be asked for again."""

MOST_KNOWN_PAGES = 8
"""Known pages in a row that a scroll may give before we say that it goes in circles."""

NOTHING = ScrollPage(PageRows((), (), {}, ""), None, None, datetime.min.replace(tzinfo=UTC))
"""The page behind the end."""


@dataclass(frozen=True, slots=True)
class ScrolledCrawl:
    """A generation read through scroll ids."""

    client: CarsClient
    settings: CarsSettings

    def pages(self, cursor: CarsCursor, budget: Budget) -> Iterator[Page]:
        crawl, page = self._first(cursor, budget)
        while True:
            crawl = self._advanced(crawl, page)
            yield self._page(cursor, crawl, page, budget)
            if crawl.scroll is None or not self._may_go_on(crawl.scroll, budget):
                return
            try:
                page = self._next(crawl, crawl.scroll, budget)
            except PageTokenExpired as error:
                yield self._lost(cursor, crawl)
                # A vendor that forgets every scroll must not be asked for page one without end.
                error.retry_after = timedelta(minutes=min(crawl.restarts, 15))
                raise

    def _may_go_on(self, scroll: Scroll, budget: Budget) -> bool:
        """False when too little time is left to ask a question that cannot be asked again."""
        return scroll.repeatable or budget.time_left() >= TIME_FOR_A_PAGE

    def _lost(self, cursor: CarsCursor, crawl: Crawl) -> Page:
        """No rows, but a cursor that knows its place is lost: the stored scroll id may still
        answer, one page further on than it should."""
        lost = replace(cursor, generation=crawl.generation, crawl=replace(crawl, scroll=None))
        return Page(records=(), cursor=lost.as_json(), sighting=crawl.generation)

    def _page(self, cursor: CarsCursor, crawl: Crawl, page: ScrollPage, budget: Budget) -> Page:
        after = replace(cursor, generation=crawl.generation, crawl=crawl)
        if crawl.scroll is None:
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
                return crawl, self._next(crawl, crawl.scroll, budget)
            except PageTokenExpired:
                lost = replace(cursor, crawl=crawl)
                crawl = next_generation(
                    lost, budget.clock(), self.settings, restarts=crawl.restarts + 1
                )
        return crawl, _spent(self.client.first_scroll(budget), budget)

    def _next(self, crawl: Crawl, scroll: Scroll, budget: Budget) -> ScrollPage:
        """The next page not read before; one without rows at the end.

        An id that leads back is followed for a few pages, since it may only be one answer that
        named the wrong next page. PageTokenExpired when the place is lost, VendorAnswerBroken when
        the ids lead round.
        """
        for _ in range(MOST_KNOWN_PAGES):
            page = (
                self._behind_the_end(scroll, budget) if scroll.ending else self._ask(scroll, budget)
            )
            if not page.rows.rows or page.rows.digest not in crawl.digests:
                return page
            following = self._after(scroll, page)
            if following is None or scroll.ending:
                return NOTHING
            scroll = following
        raise VendorAnswerBroken("the scroll goes in circles")

    def _behind_the_end(self, scroll: Scroll, budget: Budget) -> ScrollPage:
        """Look once behind a page that said it is the last. Rows there mean that it was not; no
        rows, or a scroll that is gone, are the end."""
        try:
            got = self.client.next_scroll(scroll.id, budget, repeatable=True, expect_rows=False)
        except PageTokenExpired:
            return NOTHING
        return _spent(got, budget)

    def _ask(self, scroll: Scroll, budget: Budget) -> ScrollPage:
        """Ask for a page. "No more data" ends a listing too, and is believed when it comes twice."""
        if budget.clock() >= scroll.expires_at - SCROLL_MARGIN:
            raise PageTokenExpired("the scroll's time is over")
        page = self._ask_once(scroll, budget)
        if page.rows.rows or scroll.repeatable:
            return page
        try:
            again = self._ask_once(scroll, budget)
        except VendorThrottled:
            return page  # where one question at a time is allowed, no page can be asked for twice
        except WaitForVendor as error:
            raise PageTokenExpired("the scroll gave an empty page, and then an error") from error
        if again.rows.rows:
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
        """Where to go on after a page, and until when by our clock; None at the end."""
        id_ = page.next_id or page.scroll_id
        if not page.rows.rows or id_ is None:
            return None
        return Scroll(
            id_,
            page.asked_at + timedelta(minutes=self.settings.scroll_time),
            repeatable=scroll is not None and scroll.id != id_,
            ending=page.next_id is None,
        )


def _spent(got: Got[ScrollPage], budget: Budget) -> ScrollPage:
    budget.spend(requests=got.requests)
    return got.value
