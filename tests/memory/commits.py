"""Commits in memory: the same port as in Postgres, held to the same contract suite.

Each guard is a method of its own, so that a test can take exactly one away.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluice.core.budget import Clock
from sluice.core.errors import CommitUnknown, InvariantBroken, Superseded
from sluice.core.keys import StreamKey
from sluice.core.ports import OpenReject, Stream
from sluice.core.records import Column, Fact, Reconcile, Reject, Table, Within, WorkList
from sluice.core.removal import Candidate, Missing
from sluice.core.slices import Claim, Committed, Counts, Draft, in_words
from tests.memory.database import (
    Derived,
    MemoryDatabase,
    Row,
    StoredReject,
    StoredSlice,
    StreamPosition,
)
from tests.memory.deriving import Asking, Deriving, Programs
from tests.memory.merging import Merged, Merger, storable
from tests.memory.runs import MemoryRuns
from tests.oracle import LoggedSlice

REDRIVE = "redrive"


class MemoryCommits(MemoryRuns):
    """Implements ``core.ports.Commits``. ``clock`` is the database's own; ``programs`` are what statements
    stand for here."""

    merger_type: type[Merger] = Merger

    def __init__(self, clock: Clock, database: MemoryDatabase | None = None) -> None:
        self.clock = clock
        self.database = database or MemoryDatabase()
        self.merger = self.merger_type(clock)
        self.programs = Programs()

    # --- claim ---------------------------------------------------------------------------------------

    def claim(
        self, key: StreamKey, fencing_token: int, *, full_since: datetime | None = None
    ) -> Claim | None:
        at = self.database.streams.setdefault(key, StreamPosition())
        if not self._may_claim(at, fencing_token):
            return None
        at.fencing_token = fencing_token
        if full_since is not None:
            at.full_since = max(full_since, at.full_since or full_since)
        run = self.database.open_run_of(key)
        return Claim(
            key,
            fencing_token,
            at.seq,
            _json(at.cursor),
            at.has_more,
            run.run_id if run else None,
            at.full_since,
            run.reason if run else None,
            at.slice_id,
        )

    def _may_claim(self, at: StreamPosition, fencing_token: int) -> bool:
        return at.fencing_token < fencing_token

    def fence(self, key: StreamKey) -> int:
        at = self.database.streams.get(key)
        return at.fencing_token if at else 0

    # --- commit --------------------------------------------------------------------------------------

    def commit(self, claim: Claim, draft: Draft, stream: Stream) -> Committed:
        """Everything is worked out before anything is stored: all of a slice or nothing."""
        draft = _checked(draft)
        at = self.database.streams.get(claim.key, StreamPosition())
        self._require_fence(at, claim)
        self._require_seq(at, claim)
        self._require_followed(at, claim)
        seq = at.seq + 1
        table = stream.table
        deriving = self.deriving(claim.key, table)
        ties_win = draft.kind != REDRIVE
        merged = self.merger.merge(deriving.rows, draft.records, stream, seq=seq, ties_win=ties_win)
        deriving.follow_merge(merged)
        archived, unarchived = self._archive(deriving, draft)
        gone, kept = self._remove(deriving, draft, seq)
        new_facts = self._new_facts(claim.key, draft)
        numbers: Mapping[str, int] = {}
        if draft.derive is not None:
            asking = self._asking(claim, deriving.derived, draft.derive.parameters)
            numbers = deriving.step(asking, draft.derive)
        counts = Counts(
            read=len(draft.records) + len(draft.rejects) + len(draft.archived),
            inserted=merged.inserted,
            updated=merged.updated + len(archived),
            unchanged=merged.unchanged + len(draft.archived) - len(archived),
            stale=merged.stale,
            rejected=len(merged.rejects) + len(draft.rejects),
            deleted=len(gone),
            facts=len(draft.facts),
            counted=len(new_facts),
        ).check()
        note = _note(draft.note, *_stays(unarchived), *_stays(kept), in_words(numbers))
        self.store(claim.key, deriving)
        self._name_rejects(claim.key, draft)
        self._keep_rejects(claim.key, draft, merged, seq)
        self._sight(claim.key, draft)
        self._forget(claim.key, draft)
        self.database.count(claim.key, new_facts)
        committed = Committed(
            seq, draft.cursor_after, draft.has_more, counts, derived=numbers, note=note
        )
        self._advance(claim, at, draft, committed)
        return committed

    def deriving(self, key: StreamKey, table: Table) -> Deriving:
        """A transaction's view of its client's rows; nothing is stored before ``store``."""
        rows = self.database.rows(table.name, key.client_id)
        derived = self.database.derived.get(key.client_id, {})
        return Deriving(self.programs, table, dict(rows), derived, self.clock())

    def store(self, key: StreamKey, deriving: Deriving) -> None:
        """Rows, and what is derived from them, at once."""
        self.database.rows(deriving.table.name, key.client_id).update(deriving.rows)
        self.store_derived(key, deriving)

    def store_derived(self, key: StreamKey, deriving: Deriving) -> None:
        self.database.derived[key.client_id] = deriving.derived

    def _asking(self, claim: Claim, derived: Derived, parameters: Mapping[str, Any]) -> Asking:
        return Asking(self.database, claim.key.client_id, derived, parameters)

    def _archive(self, deriving: Deriving, draft: Draft) -> tuple[list[str], dict[str, str]]:
        ids = [i for i in dict.fromkeys(draft.archived) if _archivable(deriving.rows.get(i))]
        now = deriving.now
        return deriving.put_away(ids, lambda row: replace(row, archived_at=now, updated_at=now))

    def _remove(
        self, deriving: Deriving, draft: Draft, seq: int
    ) -> tuple[list[str], dict[str, str]]:
        judged = dict.fromkeys(draft.deletions)
        gone = [c.record_id for c in judged if self._still_as_judged(deriving.rows, c)]
        now = deriving.now

        def remove(row: Row) -> Row:
            return replace(
                row,
                deleted_at=now,
                updated_at=now,
                deleted_generation=draft.deleted_generation,
                version=max(row.version, seq),
            )

        return deriving.put_away(list(dict.fromkeys(gone)), remove)

    def _require_seq(self, at: StreamPosition, claim: Claim) -> None:
        if at.seq != claim.seq:
            raise Superseded(f"{claim.key}: claimed at seq {claim.seq}, now at {at.seq}")

    def _require_followed(self, at: StreamPosition, claim: Claim) -> None:
        if at.slice_id != claim.follows:
            raise Superseded(f"{claim.key}: claimed after {claim.follows}, now after {at.slice_id}")

    def look_up(self, claim: Claim, draft: Draft) -> Committed:
        """What a lost answer to COMMIT is followed by: was the slice stored?"""
        found = self.database.slice_with(draft.slice_id)
        if found is None:
            raise CommitUnknown(f"slice {draft.slice_id} is not in commit_log")
        at = found.link
        return Committed(
            at.seq,
            at.cursor_after,
            found.has_more,
            found.counts,
            derived=found.derived,
            note=found.note,
        )

    def _still_as_judged(self, rows: Mapping[str, Row], candidate: Candidate) -> bool:
        row = rows.get(candidate.record_id)
        return row is not None and row.deleted_at is None and row.version == candidate.version

    def _new_facts(self, key: StreamKey, draft: Draft) -> list[Fact]:
        """What the ledger takes in: each id once, its first reading."""
        first: dict[str, Fact] = {}
        for fact in draft.facts:
            first.setdefault(fact.id, fact)
        return [f for f in first.values() if (key, f.id) not in self.database.ledger]

    def _name_rejects(self, key: StreamKey, draft: Draft) -> None:
        """Rejects that had no sound id get the one that is read in them now."""
        names = dict(draft.redriven)
        for stored in self.database.rejects:
            if stored.key == key and stored.record_id is None:
                stored.record_id = names.get(stored.reject_id)

    def _keep_rejects(self, key: StreamKey, draft: Draft, merged: Merged, seq: int) -> None:
        """Keep new ones, count old ones again, settle those whose record was read well (or stands)."""
        again = {reject.record_id for reject in merged.rejects}
        for reject in (*draft.rejects, *merged.rejects):
            self._keep_reject(key, reject, draft.kind, seq)
        for stored in list(self.database.open_rejects_of(key)):
            if stored.tried_seq != seq and stored.record_id in merged.winners:
                outdone = stored.record_id in (merged.stale_ids | again)
                stored.resolution = "superseded" if outdone else "loaded"

    def keep_pushed_rejects(self, key: StreamKey, rejects: Sequence[Reject]) -> None:
        for reject in rejects:
            self._keep_reject(key, reject, "push", 0)

    def _keep_reject(self, key: StreamKey, reject: Reject, kind: str, seq: int) -> None:
        raw = storable(reject.raw)
        stored = next((r for r in self.database.open_rejects_of(key) if r.raw == raw), None)
        if stored is None:
            number = len(self.database.rejects) + 1
            record_id = None if reject.record_id is None else storable(reject.record_id)
            stored = StoredReject(number, key, record_id, "", None, raw, seq, seq, times=0)
            self.database.rejects.append(stored)
        elif kind != REDRIVE:
            stored.seq = seq  # read from the vendor anew, not only tried again
        stored.times += 1
        stored.tried_seq = seq
        stored.reason, stored.field = storable(reject.reason), reject.field

    def _sight(self, key: StreamKey, draft: Draft) -> None:
        if draft.sighting is not None:
            seen = self.database.sightings.setdefault((key, draft.sighting), set())
            ids = [r.id for r in draft.records] + [
                r.record_id for r in draft.rejects if r.record_id
            ]
            seen.update(i for i in ids if storable(i) == i)

    def _forget(self, key: StreamKey, draft: Draft) -> None:
        before = draft.forget_generations_before
        if before is not None:
            sightings = self.database.sightings
            for old in [at for at in sightings if at[0] == key and at[1] < before]:
                del sightings[old]

    def _advance(
        self, claim: Claim, at: StreamPosition, draft: Draft, committed: Committed
    ) -> None:
        counts = committed.counts
        accounted = counts.inserted + counts.updated + counts.unchanged
        link = LoggedSlice(
            at.seq + 1,
            claim.fencing_token,
            claim.cursor,
            draft.cursor_after,
            draft.slice_id,
            counts.read,
            accounted + counts.stale + counts.rejected,
        )
        self.database.log.setdefault(claim.key, []).append(
            StoredSlice(
                link,
                draft.run_id,
                draft.kind,
                draft.has_more,
                counts,
                committed.note,
                committed.derived,
            )
        )
        at.seq, at.cursor, at.has_more = link.seq, draft.cursor_after, draft.has_more
        at.slice_id = draft.slice_id
        run = self.database.open_run_of(claim.key)
        if run is None or run.run_id != draft.run_id:
            return
        run.last_progress_at = self.clock()
        if draft.progress is not None:
            total = draft.progress.total
            run.done, run.total = draft.progress.done, run.total if total is None else total
        if not draft.has_more:
            run.outcome, run.ended_at = "completed", self.clock()

    # --- questions -----------------------------------------------------------------------------------

    def open_rejects(self, key: StreamKey, *, limit: int) -> Sequence[OpenReject]:
        found = sorted(self.database.open_rejects_of(key), key=lambda r: r.tried_seq)
        return [OpenReject(r.reject_id, r.record_id, r.raw, r.seq) for r in found[:limit]]

    def missing(
        self, claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[Candidate]]:
        rows = {
            record_id: row
            for record_id, row in self.database.rows(table.name, claim.key.client_id).items()
            if _is_within(row, table, step.within)
        }
        sighted = self.database.sightings.get((claim.key, step.generation), set())
        alive = [record_id for record_id, row in rows.items() if row.deleted_at is None]
        missing = [i for i in alive if i not in sighted and rows[i].updated_at < step.started_at]
        removed = sum(
            row.deleted_at is not None and row.deleted_generation == step.generation
            for row in rows.values()
        )
        due = sorted(i for i in missing if i > (step.after or ""))
        raws = {i: rows[i].raw.decode() for i in due if table.point_reads_need_document}
        chosen = [Candidate(i, rows[i].version, raws.get(i)) for i in due[:limit]]
        return Missing(len(missing), removed, len(alive)), chosen

    def due(
        self, claim: Claim, work: WorkList, *, now: datetime, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        parameters = {"limit": limit, **work.parameters, "now": now}
        derived = self.database.derived.get(claim.key.client_id, {})
        return self.programs.work[work.name](self._asking(claim, derived, parameters))


def _checked(draft: Draft) -> Draft:
    """The draft as uuid and jsonb columns would hold it; ValueError for what they refuse."""
    for text in (draft.slice_id, draft.run_id):
        uuid.UUID(text)
    return replace(draft, cursor_after=_json(draft.cursor_after))


def _json(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy through jsonb, which takes neither NUL nor NaN."""
    text = json.dumps(dict(value), allow_nan=False)
    if "\\u0000" in text:
        raise ValueError("jsonb holds no NUL")
    copied: Mapping[str, Any] = json.loads(text)
    return copied


def _archivable(row: Row | None) -> bool:
    return row is not None and row.archived_at is None and row.deleted_at is None


def _is_within(row: Row, table: Table, within: Within | None) -> bool:
    """Is the row in the part of the table that was listed? One without a value is not."""
    if within is None:
        return True
    column = Column(within.column, "timestamptz")
    if column not in table.columns:
        raise InvariantBroken(f"{table.name} declares no column {within.column!r} of timestamptz")
    at = row.values[list(table.columns).index(column)]
    return at is not None and within.since <= at < within.until


def _stays(kept: Mapping[str, str]) -> list[str]:
    return [f"{record_id} stays: {reason}" for record_id, reason in kept.items()]


def _note(*parts: str | None) -> str | None:
    return "; ".join(part for part in parts if part) or None
