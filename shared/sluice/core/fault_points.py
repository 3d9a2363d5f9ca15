"""Named moments of the engine at which tests ask for a death, a pause or an error.

Nothing listens in a deployed function: no setting, variable or message can make anybody, and reaching
a point then costs one comparison. Tests that break the engine at a moment need its name to be stable,
which line numbers and counts of calls are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class FaultPoint(StrEnum):
    """Each is the moment after the step it names, which is the moment before the next."""

    SLICE_BEGUN = "slice.begun"
    SLICE_ADMITTED = "slice.admitted"
    SLICE_ACQUIRED = "slice.acquired"
    SLICE_CLAIMED = "slice.claimed"
    SLICE_REPAIRED = "slice.repaired"
    SLICE_RUN_OPENED = "slice.run_opened"
    SLICE_PAGE_READ = "slice.page_read"
    SLICE_POINT_READ = "slice.point_read"
    SLICE_FETCHED = "slice.fetched"
    MERGE_LOCKED = "merge.locked"
    MERGE_COPIED = "merge.copied"
    MERGE_WRITTEN = "merge.written"
    MERGE_COUNTED = "merge.counted"
    MERGE_LOGGED = "merge.logged"
    SLICE_COMMITTED = "slice.committed"
    SLICE_WATERMARK_SAVED = "slice.watermark_saved"
    SLICE_CONTINUED = "slice.continued"
    SLICE_RELEASED = "slice.released"
    CLEANUP_LEASE_SEEN = "cleanup.lease_seen"
    CLEANUP_ASKED = "cleanup.asked"
    CLEANUP_FREED = "cleanup.freed"
    CLEANUP_RUN_SEEN = "cleanup.run_seen"
    CLEANUP_RUN_REVIVED = "cleanup.run_revived"
    PLAN_SENT = "plan.sent"
    PLAN_ADVANCED = "plan.advanced"
    EVENT_BEGUN = "event.begun"
    EVENT_NOTED = "event.noted"
    EVENT_WRITTEN = "event.written"
    EVENT_APPLIED = "event.applied"
    WEBHOOK_NOTED = "webhook.noted"
    WEBHOOK_QUEUED = "webhook.queued"
    WEBHOOK_MARKED = "webhook.marked"


_listener: Callable[[FaultPoint], None] | None = None


def reach(point: FaultPoint) -> None:
    """Say that the engine is here. What the listener raises, the engine meets."""
    if _listener is not None:
        _listener(point)


@contextmanager
def listening(listener: Callable[[FaultPoint], None]) -> Iterator[None]:
    """Only tests do. One listener for the whole process; the one before it listens again afterwards."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
