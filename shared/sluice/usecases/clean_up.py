"""Free what the dead left behind: stale leases, lost continuations, runs that went silent.

Freeing a lease is never needed for correctness (a lapsed lease can be taken over, and the fence
shuts its holder out); it is needed so that nothing waits and somebody knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sluice.core.budget import Clock
from sluice.core.ports import Commits, Leases, Messages, OpenRun

LEASE_GRACE = timedelta(seconds=30)
"""A lapsed lease is left alone this long: clocks differ, and its holder may be releasing it."""

SILENCE = timedelta(minutes=20)
"""A run with no progress for this long lost its continuation (the longest delay is 15 minutes)."""

ABANDONED = timedelta(hours=24)
"""A run silent for this long is closed; the next tick begins a new one from the same cursor."""

BATCH = 100


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What one pass did. ``changed`` leases were seen stale but taken or renewed meanwhile."""

    freed: int = 0
    changed: int = 0
    resent: int = 0
    abandoned: int = 0


def clean_up(leases: Leases, commits: Commits, messages: Messages, clock: Clock) -> CleanUp:
    """Do one bounded pass; what is beyond the batch waits for the next."""
    freed, changed = _free_leases(leases, messages, clock)
    resent, abandoned = _revive_runs(commits, messages, clock)
    return CleanUp(freed, changed, freed + resent, abandoned)


def _free_leases(leases: Leases, messages: Messages, clock: Clock) -> tuple[int, int]:
    """Ask for a slice before freeing: dying in between leaves one message too many, not too few."""
    freed = changed = 0
    for stale in leases.stale(before=clock() - LEASE_GRACE, limit=BATCH):
        messages.ask_for_slice(stale.key, reason="cleanup", delay=timedelta(seconds=1))
        if leases.free(stale):
            freed += 1
        else:
            changed += 1
    return freed, changed


def _revive_runs(commits: Commits, messages: Messages, clock: Clock) -> tuple[int, int]:
    resent = abandoned = 0
    now = clock()
    for run in commits.silent_runs(before=now - SILENCE, limit=BATCH):
        if now - run.last_progress_at > ABANDONED:
            abandoned += commits.abandon_run(run.run_id, now)
        else:
            _ask_again(messages, run)
            resent += 1
    return resent, abandoned


def _ask_again(messages: Messages, run: OpenRun) -> None:
    """Without expect_seq: the worker reads from Postgres where the run stands."""
    messages.ask_for_slice(run.key, reason="cleanup")
