"""What is due next at a cursor. Fresh changes first: they never wait for a crawl to end."""

from __future__ import annotations

from datetime import datetime, timedelta

from sluice.core.records import ReadPages, Reconcile, Step
from sluice.sources.cars.cursor import CarsCursor, Crawl, Repeated
from sluice.sources.cars.settings import CarsSettings

DELTA = "delta"
ARCHIVED = "archived"
CRAWL = "crawl"


def next_step(
    cursor: CarsCursor, now: datetime, full_since: datetime | None, settings: CarsSettings
) -> Step | None:
    """The next step, in this order: delta, archived lots, crawl in progress, removal, new crawl."""
    if _is_due(cursor.delta, settings.delta_every, now):
        return ReadPages(DELTA)
    if _is_due(cursor.archived, settings.archived_every, now):
        return ReadPages(ARCHIVED)
    if cursor.crawl is not None:
        return ReadPages(CRAWL)
    if cursor.pending is not None:
        pending = cursor.pending
        return Reconcile(pending.generation, pending.started_at, pending.after)
    if _crawl_is_due(cursor, now, full_since, settings):
        return ReadPages(CRAWL)
    return None


def crawl_to_continue(cursor: CarsCursor, now: datetime, settings: CarsSettings) -> Crawl:
    """The crawl in progress if it still stands, or the first page of the next generation."""
    crawl = cursor.crawl
    if crawl is not None and crawl.stands(now, settings.shape, settings.page_size):
        return crawl
    lost_place = crawl is not None and crawl.shape == "scroll"
    restarts = crawl.restarts + 1 if crawl and lost_place else 0
    return next_generation(cursor, now, settings, restarts=restarts)


def next_generation(
    cursor: CarsCursor, now: datetime, settings: CarsSettings, *, restarts: int = 0
) -> Crawl:
    """A crawl that begins now. What the one before it stored stays stored."""
    highest = max(cursor.generation, cursor.crawl.generation if cursor.crawl else 0)
    return Crawl(highest + 1, now, settings.shape, settings.page_size, restarts=restarts)


def _is_due(read: Repeated | None, every: timedelta | None, now: datetime) -> bool:
    """Due since its last end, by our clock: a slow read or a wrong vendor clock starves none."""
    if read is None or every is None:
        return False
    return read.window is not None or now - read.finished_at >= every


def _crawl_is_due(
    cursor: CarsCursor, now: datetime, full_since: datetime | None, settings: CarsSettings
) -> bool:
    if cursor.crawled_at is None or now - cursor.crawled_at >= settings.crawl_every:
        return True
    return full_since is not None and cursor.crawled_at < min(full_since, now)
