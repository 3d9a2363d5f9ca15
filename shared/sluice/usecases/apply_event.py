"""Apply one pushed row: the vendor's version decides, never the order of arrival.

Pushes take no lease and wait for no slice. Polling stays as the backstop: what a lost push would have
brought comes with the next poll, and what a late push brings is older than what the poll wrote.
"""

from __future__ import annotations

from sluice.core.errors import RowRejected
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.ports import Applied, Pushes, Stream
from sluice.core.records import PushEvent


def apply_event(event: PushEvent, stream: Stream, pushes: Pushes) -> Applied:
    """Store it or say why not; RowRejected for a row without a version, which nothing can place."""
    if event.record.version is None:
        raise RowRejected("a pushed row needs its vendor's version", field="version")
    reach(FaultPoint.EVENT_BEGUN)
    applied = pushes.apply(event, stream)
    reach(FaultPoint.EVENT_APPLIED)
    return applied
