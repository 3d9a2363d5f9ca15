"""Fetch: read a stream's pages within the budget into one draft, and never more than was read whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sluice.core.budget import Budget
from sluice.core.errors import NotFound, PersonMustAct, WaitForVendor
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.ports import Stream
from sluice.core.records import Cursor, Fact, Page, Progress, ReadPages, Record, Reject


@dataclass(slots=True)
class Reading:
    """What a step's reading brought: complete pages only, and why it stopped if a vendor error did.

    ``cursor`` is that of the last complete page. ``stopped_by`` is kept rather than raised when
    pages came before it: what was read whole is stored, then the error's delay is obeyed.
    """

    cursor: Cursor
    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    sighting: int | None = None
    progress: Progress | None = None
    pages: int = 0
    stopped_by: WaitForVendor | PersonMustAct | NotFound | None = None

    def add(self, page: Page) -> None:
        self.cursor = page.cursor
        self.records.extend(page.records)
        self.rejects.extend(page.rejects)
        self.archived.extend(page.archived)
        self.facts.extend(page.facts)
        self.sighting = page.sighting
        self.progress = page.progress or self.progress
        self.pages += 1


def read_pages(stream: Stream, step: ReadPages, cursor: Cursor, budget: Budget) -> Reading:
    """Read until the step is done, the budget is spent or the vendor stops us.

    Raises the vendor's error only when not one page came before it.
    """
    reading = Reading(cursor)
    pages = stream.pages(step, cursor, budget)
    try:
        _collect(pages, reading, budget)
    except (WaitForVendor, PersonMustAct, NotFound) as error:
        if not reading.pages:
            raise
        reading.stopped_by = error
    finally:
        stream.close()
    return reading


def _collect(pages: Iterator[Page], reading: Reading, budget: Budget) -> None:
    for page in pages:
        if reading.pages and page.sighting != reading.sighting:
            # One slice belongs to one generation. The page is read again by the next slice.
            return
        reach(FaultPoint.SLICE_PAGE_READ)
        reading.add(page)
        budget.spend(rows=page.rows)
        if budget.spent:
            return
