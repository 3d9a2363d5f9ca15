"""Lots that the vendor archived since the last look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sluice.core.budget import Budget
from sluice.core.records import Page
from sluice.sources.cars.client import CarsClient
from sluice.sources.cars.cursor import CarsCursor, Repeated, Window
from sluice.sources.cars.numbered import SETTLE, after_window, minutes_since
from sluice.sources.cars.settings import CarsSettings


@dataclass(frozen=True, slots=True)
class ArchivedLots:
    """Ids of archived cars, with the same lookback as a delta. One page if no meta says more."""

    client: CarsClient
    settings: CarsSettings

    def pages(self, cursor: CarsCursor, budget: Budget) -> Iterator[Page]:
        read = cursor.archived or Repeated(budget.clock(), budget.clock())
        window = read.window or Window(read.through, read.through)
        last = False
        while not last:
            minutes = minutes_since(window.since, budget.clock())
            got = self.client.archived(window.next_page, minutes, budget)
            budget.spend(requests=got.requests)
            self.client.http.page()
            page, first = got.value, window.next_page == 1
            last = page.number >= page.last_page
            through = max(window.since, page.asked_at - SETTLE) if first else window.through
            window = Window(window.since, through, page.number + 1)
            yield Page(
                records=(),
                rejects=page.rejects,
                archived=page.ids,
                cursor=replace(
                    cursor, archived=after_window(read, window, budget.clock(), last=last)
                ).as_json(),
            )
