"""What people look at: one picture of a deployment at one moment, and what is wrong in it.

The status page, ``sluice status``, the monitor's metrics and Prometheus' text all draw this one picture, so that
none of them tells another story than the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sluice.core.keys import StreamKey

DEAD_LETTERS, DEAD_PUSHES = "dead letters", "dead pushes"
"""Names of the queues in which messages end that nobody could work on."""

CLOSED, OPEN, TRYING = "closed", "open", "trying"
"""How an account's breaker stands; ``trying``: it was open, and the next request tells whether it closes."""


class State(StrEnum):
    """How a stream stands. The first that fits counts, in this order."""

    PAUSED = "paused"
    """Somebody paused it, or the clients file disabled it."""
    RUNNING = "running"
    """A run of it is open and has moved lately."""
    STALLED = "stalled"
    """A run of it is open and has not moved for longer than cleanup would wait."""
    LATE = "late"
    """Its data is older than its target allows."""
    FAILED = "failed"
    """Its last run failed, and its data is still fresh enough."""
    NEVER = "never"
    """It has never completed a run, and is not late yet."""
    FRESH = "fresh"
    UNKNOWN = "unknown"
    """The database could not be asked, so nobody knows. Instead of all but PAUSED."""


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """When a stream is worth a person's look. The clients file sets them under ``watch:``."""

    fresh_within: timedelta
    """Data older than this is late."""
    advance_within: timedelta = timedelta(hours=6)
    """A watermark that stands for longer is stuck."""
    sync_within: timedelta = timedelta(minutes=10)
    """A scheduled run that takes longer is slow. First loads and backfills are not judged."""
    most_rows: int = 50_000
    """A scheduled run that reads more rows reads what it need not. First loads and backfills are not judged."""
    pushed_within: timedelta = timedelta(hours=3)
    """So long its vendor may push nothing of it, in hours in which pushes are usual."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the clients file says of a stream under ``watch:``; None where it says nothing."""

    fresh_within: timedelta | None = None
    advance_within: timedelta | None = None
    sync_within: timedelta | None = None
    most_rows: int | None = None
    pushed_within: timedelta | None = None

    def limits(self, cadence: timedelta) -> WatchLimits:
        """The limits of a stream that is due so often. A stream that is seldom due may stand as long as it may
        be old."""
        usual = WatchLimits(fresh_within=3 * cadence + timedelta(minutes=10))
        fresh_within = self.fresh_within or usual.fresh_within
        return WatchLimits(
            fresh_within=fresh_within,
            advance_within=self.advance_within or max(usual.advance_within, fresh_within),
            sync_within=self.sync_within or usual.sync_within,
            most_rows=usual.most_rows if self.most_rows is None else self.most_rows,
            pushed_within=self.pushed_within or usual.pushed_within,
        )

    def over(self, wider: Watch) -> Watch:
        """What a stream says, and where it says nothing what its client says."""
        return Watch(
            *(
                own if own is not None else outer
                for own, outer in zip(astuple(self), astuple(wider), strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its sums over slices. ``done`` of ``total`` is what the vendor let us know, if it did."""

    run_id: str
    reason: str
    outcome: str
    started_at: datetime
    last_progress_at: datetime
    ended_at: datetime | None
    slices: int
    rows_read: int
    inserted: int
    updated: int
    unchanged: int
    stale: int
    rejected: int
    deleted: int
    requests: int
    done: int | None = None
    total: int | None = None
    error: str | None = None
    note: str | None = None

    @property
    def share(self) -> float | None:
        """0 to 1, or None where the vendor does not say how much there is."""
        if self.done is None or not self.total:
            return None
        return min(self.done / self.total, 1.0)

    def left(self, now: datetime) -> timedelta | None:
        """The time it will take at the pace so far; None while nothing can be said."""
        if self.ended_at is not None or not self.share:
            return None
        return (now - self.started_at) * ((1 - self.share) / self.share)


@dataclass(frozen=True, slots=True)
class StreamView:
    """One stream of one client."""

    key: StreamKey
    state: State
    cadence: timedelta
    limits: WatchLimits
    fresh_at: datetime | None
    """What the vendor had at this moment is stored: when the latest completed run began, or when the stream was
    last looked at and nothing was due."""
    advanced_at: datetime | None
    """When a commit last moved its cursor."""
    due_at: datetime | None
    paused_because: str | None = None
    running: RunView | None = None
    last: RunView | None = None
    """The run that ended last."""
    open_rejects: int = 0


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue; ``dead`` where what nobody could work on ends."""

    name: str
    waiting: int
    delayed: int
    in_flight: int
    dead: bool = False


@dataclass(frozen=True, slots=True)
class AccountView:
    """A vendor account. ``budget_used`` is the share, 0 to 1, of its tightest declared limit that is booked
    in the current window; None where no limit is declared."""

    name: str
    breaker: str
    failures: int
    stopped_because: str | None = None
    budget_used: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know of. ``check`` is the alarm's name and the runbook's; ``subject`` is a
    stream key, an account, a queue or ``database``; ``detail`` says it in a sentence with its figures."""

    check: str
    subject: str
    detail: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole picture. What could not be asked is named in ``unknown`` with the reason, never left out in silence."""

    at: datetime
    streams: Sequence[StreamView]
    queues: Sequence[QueueView] = ()
    accounts: Sequence[AccountView] = ()
    connections: int | None = None
    """Of the application's login, as the database counts them."""
    pool_size: int | None = None
    stale_leases: int = 0
    findings: Sequence[Finding] = ()
    unknown: Sequence[str] = field(default=())
