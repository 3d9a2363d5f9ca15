"""Free what the dead left behind: stale leases, lost continuations, runs that went silent. And forget what is
old: deliveries of pushes, days of stored events, the history of runs.

Freeing a lease is never needed for correctness (a lapsed lease can be taken over, and the fence
shuts its holder out); it is needed so that nothing waits and somebody knows.

What is asked for again keeps its priority: a backfill goes back to the queue of backfills.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from sluice.core.budget import Clock
from sluice.core.errors import DatabaseUnavailable
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.history import HISTORY_KEPT, ForgetsHistory, Forgotten
from sluice.core.ports import Commits, Leases, Messages, OpenRun
from sluice.core.priorities import Priority

LEASE_GRACE = timedelta(seconds=30)
"""A lapsed lease is left alone this long: clocks differ, and its holder may be releasing it."""

SILENCE = timedelta(minutes=20)
"""A run with no progress for this long lost its continuation (the longest delay is 15 minutes), or waits for longer
than that: at its client's desk, or for a vendor that is down. So once it was asked for, it has as long again."""

SILENCE_OF_BACKFILLS = timedelta(hours=6)
"""A backfill may wait for hours in a queue of its own; asked for again meanwhile, it would only wait there twice."""

ABANDONED = timedelta(hours=24)
"""A run silent for this long is closed; the next tick begins a new one from the same cursor."""

BATCH = 100

DELIVERIES_KEPT = timedelta(days=14)
"""Of pushes that were received. A vendor repeats a delivery for a few days; a message of ours, dead letters
included, lives no longer than this."""

EVENTS_KEPT = timedelta(days=400)
"""Stored events, which can be read, recounted and compared for so long. What dropped days counted stays known."""

MOST_PRUNED = 5000
"""Deliveries forgotten in one pass: 1.4 million a day."""

MOST_HISTORY = 5000
"""Of runs, of slices and of rejects forgotten in one pass: 1.4 million a day of each."""


class PrunesInbox(Protocol):
    """The inbox, as far as cleanup is concerned."""

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget at most ``limit`` deliveries received before that moment; how many."""
        ...


class ForgetsEvents(Protocol):
    """Days of stored events that are no longer needed (Postgres)."""

    def forget(self, *, before: date) -> date | None:
        """Drop the oldest day before that date, None when there is none; what it had counted stays known."""
        ...


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What one pass did. ``changed`` leases were seen stale but taken or renewed meanwhile; ``pruned``
    deliveries of pushes and ``forgotten`` days of events were dropped. ``held`` is 1 when somebody who read an
    old day kept us from dropping it: the next pass tries again. ``old_`` rows of the history were forgotten."""

    freed: int = 0
    changed: int = 0
    resent: int = 0
    abandoned: int = 0
    pruned: int = 0
    forgotten: int = 0
    held: int = 0
    old_runs: int = 0
    old_slices: int = 0
    old_rejects: int = 0


def clean_up(
    leases: Leases,
    commits: Commits,
    messages: Messages,
    clock: Clock,
    *,
    grace: timedelta = LEASE_GRACE,
    silence: timedelta = SILENCE,
    silence_of_backfills: timedelta = SILENCE_OF_BACKFILLS,
    inbox: PrunesInbox | None = None,
    events: ForgetsEvents | None = None,
    history: ForgetsHistory | None = None,
    history_kept: timedelta = HISTORY_KEPT,
) -> CleanUp:
    """Do one bounded pass; what is beyond the batch waits for the next.

    What is old comes last: nothing waits for it.
    """
    freed, changed = _free_leases(leases, messages, clock() - grace)
    resent, abandoned = _revive_runs(commits, messages, clock(), silence, silence_of_backfills)
    pruned = inbox.prune(before=clock() - DELIVERIES_KEPT, limit=MOST_PRUNED) if inbox else 0
    forgotten, held = _forget_a_day(events, clock() - EVENTS_KEPT) if events else (0, 0)
    before = clock() - history_kept
    old = history.forget(before=before, limit=MOST_HISTORY) if history else Forgotten()
    return CleanUp(freed, changed, freed + resent, abandoned, pruned, forgotten, held, *old)


def _forget_a_day(events: ForgetsEvents, before: datetime) -> tuple[int, int]:
    try:
        return (0 if events.forget(before=before.date()) is None else 1), 0
    except DatabaseUnavailable:
        return 0, 1


def _free_leases(leases: Leases, messages: Messages, before: datetime) -> tuple[int, int]:
    """Ask for a slice before freeing: dying in between leaves one message too many, not too few."""
    freed = changed = 0
    for stale in leases.stale(before=before, limit=BATCH):
        reach(FaultPoint.CLEANUP_LEASE_SEEN)
        messages.ask_for_slice(
            stale.key, reason="cleanup", priority=stale.priority, delay=timedelta(seconds=1)
        )
        reach(FaultPoint.CLEANUP_ASKED)
        lease_was_freed = leases.free(stale)
        reach(FaultPoint.CLEANUP_FREED)
        if lease_was_freed:
            freed += 1
        else:
            changed += 1
    return freed, changed


def _revive_runs(
    commits: Commits,
    messages: Messages,
    now: datetime,
    silence: timedelta,
    silence_of_backfills: timedelta,
) -> tuple[int, int]:
    resent = abandoned = 0
    silent = commits.silent_runs(
        before=now - silence, backfills_before=now - silence_of_backfills, limit=BATCH
    )
    for run in silent:
        reach(FaultPoint.CLEANUP_RUN_SEEN)
        if now - run.last_progress_at > ABANDONED:
            abandoned += commits.abandon_run(run.run_id, now)
        else:
            _ask_again(messages, run)
            commits.note_asked(run.run_id)
            resent += 1
        reach(FaultPoint.CLEANUP_RUN_REVIVED)
    return resent, abandoned


def _ask_again(messages: Messages, run: OpenRun) -> None:
    """Without expect_seq: the worker reads from Postgres where the run stands. As a tick asks, and no more urgently:
    where the run only waits for a vendor that asked for peace, its own message is on its way."""
    is_backfill = run.reason == Priority.BACKFILL
    priority = Priority.BACKFILL if is_backfill else Priority.SCHEDULE
    messages.ask_for_slice(run.key, reason="schedule", priority=priority)
