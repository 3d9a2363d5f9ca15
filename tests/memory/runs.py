"""Runs in memory: opened, noted, ended; the part of ``Commits`` that people look at."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest

from sluice.core.budget import Clock
from sluice.core.errors import Superseded
from sluice.core.keys import StreamKey
from sluice.core.ports import OpenRun
from sluice.core.priorities import Priority
from sluice.core.slices import Claim
from tests.memory.database import MemoryDatabase, StoredRun, StreamPosition
from tests.memory.merging import storable


class MemoryRuns:
    """What of ``core.ports.Commits`` is about runs."""

    database: MemoryDatabase
    clock: Clock

    def open_run(self, claim: Claim, *, run_id: str, reason: str, now: datetime) -> str:
        at = self.database.streams.get(claim.key, StreamPosition())
        self._require_fence(at, claim)
        return self._begin(claim.key, run_id, reason, now).run_id

    def _require_fence(self, at: StreamPosition, claim: Claim) -> None:
        if at.fencing_token != claim.fencing_token:
            raise Superseded(f"{claim.key}: token {claim.fencing_token}, fence {at.fencing_token}")

    def _begin(self, key: StreamKey, run_id: str, reason: str, now: datetime) -> StoredRun:
        run = self.database.open_run_of(key)
        if run is None:
            run = StoredRun(str(uuid.UUID(run_id)), key, reason, now, now)
            self.database.runs.append(run)
        return run

    def note_failure(self, key: StreamKey, run_id: str | None, error: str, now: datetime) -> None:
        run = self.database.open_run_of(key)
        if run is not None and run_id in (None, run.run_id):
            run.failures, run.last_error = run.failures + 1, storable(error)[:2000]

    def fail_run(
        self, key: StreamKey, *, error: str, reason: str, run_id: str, now: datetime
    ) -> str:
        run = self._begin(key, run_id, reason, now)
        self._end(run, "failed", error, now)
        return run.run_id

    def silent_runs(
        self, *, before: datetime, backfills_before: datetime | None = None, limit: int
    ) -> Sequence[OpenRun]:
        streams = self.database.streams
        limits = {False: before, True: backfills_before or before}
        silent = [
            replace(run, seq=streams[run.key].seq)
            for run in self.database.runs
            if run.ended_at is None
            and _heard_of(run) < limits[_is_backfill(run)]
            and run.key in streams
        ]
        silent.sort(key=_heard_of)
        fresh = [run for run in silent if not _is_backfill(run)]
        backfills = [run for run in silent if _is_backfill(run)]
        in_turn = [run for pair in zip_longest(fresh, backfills) for run in pair if run is not None]
        return in_turn[:limit]

    def note_asked(self, run_id: str) -> None:
        for run in self.database.runs:
            if run.run_id == run_id:
                run.asked_at = self.clock()

    def abandon_run(self, run_id: str, now: datetime) -> bool:
        for run in self.database.runs:
            if run.run_id == run_id and run.ended_at is None:
                self._end(run, "abandoned", "no progress for a day", now)
                return True
        return False

    def _end(self, run: StoredRun, outcome: str, error: str, now: datetime) -> None:
        run.outcome, run.ended_at = outcome, now
        run.failures, run.last_error = run.failures + 1, storable(error)[:2000]


def _heard_of(run: StoredRun) -> datetime:
    return max(run.last_progress_at, run.asked_at or run.last_progress_at)


def _is_backfill(run: StoredRun) -> bool:
    return run.reason == Priority.BACKFILL
