"""Commits in memory: the same port as in Postgres, held to the same contract suite.

Each guard is a method of its own, so that a test can take exactly one away.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sluice.core.budget import Clock
from sluice.core.errors import CommitUnknown, RowRejected, Superseded
from sluice.core.keys import StreamKey
from sluice.core.ports import OpenReject, OpenRun, Stream
from sluice.core.records import Reconcile, Record, Reject, Table
from sluice.core.removal import Missing
from sluice.core.slices import Claim, Committed, Counts, Draft
from tests.memory.database import (
    MemoryDatabase,
    Row,
    StoredReject,
    StoredRun,
    StoredSlice,
    StreamPosition,
)
from tests.oracle import LoggedSlice

REDRIVE = "redrive"


@dataclass
class Merged:
    """A batch sorted out, not yet stored."""

    rows: dict[str, Row] = field(default_factory=dict)
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejects: list[Reject] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    stale_ids: set[str] = field(default_factory=set)


class MemoryCommits:
    """Implements ``core.ports.Commits``. ``clock`` is the database's own."""

    def __init__(self, clock: Clock, database: MemoryDatabase | None = None) -> None:
        self.clock = clock
        self.database = database or MemoryDatabase()

    # --- claim ---------------------------------------------------------------------------------------

    def claim(self, key: StreamKey, fencing_token: int) -> Claim | None:
        at = self.database.streams.setdefault(key, StreamPosition())
        if not self._may_claim(at, fencing_token):
            return None
        at.fencing_token = fencing_token
        run = self.database.open_run_of(key)
        run_id = run.run_id if run else None
        return Claim(key, fencing_token, at.seq, _json(at.cursor), at.has_more, run_id)

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
        seq = at.seq + 1
        table = stream.table
        rows = self.database.rows(table.name, claim.key.client_id)
        merged = self._merge(rows, draft, stream, seq)
        standing = {**rows, **merged.rows}
        archived = [i for i in dict.fromkeys(draft.archived) if _archivable(standing.get(i))]
        gone = [i for i in dict.fromkeys(draft.deletions) if _is_live(standing.get(i))]
        counts = Counts(
            read=len(draft.records) + len(draft.rejects) + len(draft.archived),
            inserted=merged.inserted,
            updated=merged.updated + len(archived),
            unchanged=merged.unchanged + len(draft.archived) - len(archived),
            stale=merged.stale,
            rejected=len(merged.rejects) + len(draft.rejects),
            deleted=len(gone),
        ).check()
        rows.update(merged.rows)
        self._name_rejects(claim.key, draft)
        self._keep_rejects(claim.key, draft, merged, seq)
        for record_id in archived:
            rows[record_id].archived_at = rows[record_id].updated_at = self.clock()
        self._sight(claim.key, draft)
        for record_id in gone:
            self._remove(rows[record_id], draft.deleted_generation, seq)
        self._forget(claim.key, draft)
        self._advance(claim, at, draft, counts)
        return Committed(seq, draft.cursor_after, draft.has_more, counts)

    def _require_fence(self, at: StreamPosition, claim: Claim) -> None:
        if at.fencing_token != claim.fencing_token:
            raise Superseded(f"{claim.key}: token {claim.fencing_token}, fence {at.fencing_token}")

    def _require_seq(self, at: StreamPosition, claim: Claim) -> None:
        if at.seq != claim.seq:
            raise Superseded(f"{claim.key}: claimed at seq {claim.seq}, now at {at.seq}")

    def look_up(self, draft: Draft) -> Committed:
        """What a lost answer to COMMIT is followed by: was the slice stored?"""
        found = self.database.slice_with(draft.slice_id)
        if found is None:
            raise CommitUnknown(f"slice {draft.slice_id} is not in commit_log")
        return Committed(found.link.seq, found.link.cursor_after, found.has_more, found.counts)

    def _merge(self, rows: dict[str, Row], draft: Draft, stream: Stream, seq: int) -> Merged:
        merged = Merged()
        ties_win = draft.kind != REDRIVE
        sound = _with_sound_keys(draft.records, seq, merged)
        for record in _one_per_id(sound, seq, merged):
            merged.ids.add(record.id)
            before = rows.get(record.id)
            version = _version(record, seq)
            if before is not None and _same(before, record, stream.table):
                merged.unchanged += 1
            elif before is not None and not self._may_replace(before, version, ties_win):
                merged.stale += 1
                merged.stale_ids.add(record.id)
            else:
                self._take(record, before, version, stream, merged)
        return merged

    def _may_replace(self, before: Row, version: int, ties_win: bool) -> bool:
        return version > before.version or (version == before.version and ties_win)

    def _take(
        self, record: Record, before: Row | None, version: int, stream: Stream, merged: Merged
    ) -> None:
        try:
            values = tuple(stream.values(record))
            _check_types(stream.table, values)
        except RowRejected as error:
            merged.rejects.append(_reject(record, error))
            return
        merged.rows[record.id] = Row(record.hash, version, record.raw, values, self.clock())
        if before is None:
            merged.inserted += 1
        else:
            merged.updated += 1

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
            if stored.tried_seq != seq and stored.record_id in merged.ids:
                outdone = stored.record_id in (merged.stale_ids | again)
                stored.resolution = "superseded" if outdone else "loaded"

    def _keep_reject(self, key: StreamKey, reject: Reject, kind: str, seq: int) -> None:
        raw = _storable(reject.raw)
        stored = next((r for r in self.database.open_rejects_of(key) if r.raw == raw), None)
        if stored is None:
            number = len(self.database.rejects) + 1
            record_id = None if reject.record_id is None else _storable(reject.record_id)
            stored = StoredReject(number, key, record_id, "", None, raw, seq, seq, times=0)
            self.database.rejects.append(stored)
        elif kind != REDRIVE:
            stored.seq = seq  # read from the vendor anew, not only tried again
        stored.times += 1
        stored.tried_seq = seq
        stored.reason, stored.field = _storable(reject.reason), reject.field

    def _sight(self, key: StreamKey, draft: Draft) -> None:
        if draft.sighting is not None:
            seen = self.database.sightings.setdefault((key, draft.sighting), set())
            ids = [r.id for r in draft.records] + [
                r.record_id for r in draft.rejects if r.record_id
            ]
            seen.update(i for i in ids if _storable(i) == i)

    def _remove(self, row: Row, generation: int | None, seq: int) -> None:
        row.deleted_at = row.updated_at = self.clock()
        row.deleted_generation = generation
        row.version = max(row.version, seq)

    def _forget(self, key: StreamKey, draft: Draft) -> None:
        before = draft.forget_generations_before
        if before is not None:
            sightings = self.database.sightings
            for old in [at for at in sightings if at[0] == key and at[1] < before]:
                del sightings[old]

    def _advance(self, claim: Claim, at: StreamPosition, draft: Draft, counts: Counts) -> None:
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
            StoredSlice(link, draft.run_id, draft.kind, draft.has_more, counts, draft.note)
        )
        at.seq, at.cursor, at.has_more = link.seq, draft.cursor_after, draft.has_more
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
    ) -> tuple[Missing, Sequence[str]]:
        rows = self.database.rows(table.name, claim.key.client_id)
        sighted = self.database.sightings.get((claim.key, step.generation), set())
        alive = [record_id for record_id, row in rows.items() if row.deleted_at is None]
        missing = [i for i in alive if i not in sighted and rows[i].updated_at < step.started_at]
        removed = sum(
            row.deleted_at is not None and row.deleted_generation == step.generation
            for row in rows.values()
        )
        due = sorted(i for i in missing if i > (step.after or ""))
        return Missing(len(missing), removed, len(alive)), due[:limit]

    # --- runs ----------------------------------------------------------------------------------------

    def open_run(self, claim: Claim, *, run_id: str, reason: str, now: datetime) -> str:
        return self._begin(claim.key, run_id, reason, now).run_id

    def _begin(self, key: StreamKey, run_id: str, reason: str, now: datetime) -> StoredRun:
        run = self.database.open_run_of(key)
        if run is None:
            run = StoredRun(str(uuid.UUID(run_id)), key, reason, now, now)
            self.database.runs.append(run)
        return run

    def note_failure(self, key: StreamKey, run_id: str | None, error: str, now: datetime) -> None:
        run = self.database.open_run_of(key)
        if run is not None and run_id in (None, run.run_id):
            run.failures, run.last_error = run.failures + 1, _storable(error)[:2000]

    def fail_run(
        self, key: StreamKey, *, error: str, reason: str, run_id: str, now: datetime
    ) -> str:
        run = self._begin(key, run_id, reason, now)
        self._end(run, "failed", error, now)
        return run.run_id

    def silent_runs(self, *, before: datetime, limit: int) -> Sequence[OpenRun]:
        streams = self.database.streams
        silent = [
            replace(run, seq=streams[run.key].seq)
            for run in self.database.runs
            if run.ended_at is None and run.last_progress_at < before and run.key in streams
        ]
        return sorted(silent, key=lambda run: run.last_progress_at)[:limit]

    def abandon_run(self, run_id: str, now: datetime) -> bool:
        for run in self.database.runs:
            if run.run_id == run_id and run.ended_at is None:
                self._end(run, "abandoned", "no progress for a day", now)
                return True
        return False

    def _end(self, run: StoredRun, outcome: str, error: str, now: datetime) -> None:
        run.outcome, run.ended_at = outcome, now
        run.failures, run.last_error = run.failures + 1, _storable(error)[:2000]


def _version(record: Record, seq: int) -> int:
    return seq if record.version is None else record.version


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


def _storable(text: str) -> str:
    """As a text column can hold it: NUL and halves of surrogate pairs become escapes."""
    return text.replace("\0", "\\u0000").encode(errors="backslashreplace").decode()


def _check_types(table: Table, values: Sequence[Any]) -> None:
    """RowRejected for what the column's type refuses after the stream let it through."""
    for column, value in zip(table.columns, values, strict=True):
        if column.type == "integer" and value is not None and not -(2**31) <= value < 2**31:
            raise RowRejected("integer out of range")


def _reject(record: Record, error: RowRejected) -> Reject:
    raw = record.raw.decode(errors="backslashreplace")
    return Reject(record.id, error.reason, error.field, raw)


def _with_sound_keys(records: Sequence[Record], seq: int, merged: Merged) -> list[Record]:
    """Set aside what has an id or a version that no column holds."""
    sound = []
    for record in records:
        if _storable(record.id) != record.id:
            reject = _reject(record, RowRejected("an id that Postgres cannot keep as text"))
            merged.rejects.append(replace(reject, record_id=None))
        elif not -(2**63) <= _version(record, seq) < 2**63:
            merged.rejects.append(_reject(record, RowRejected("a version beyond 64 bits")))
        else:
            sound.append(record)
    return sound


def _one_per_id(records: Sequence[Record], seq: int, merged: Merged) -> list[Record]:
    """The highest version of each id, the last read among equals; the others are accounted for."""
    winners: dict[str, Record] = {}
    losers: list[Record] = []
    for record in records:
        held = winners.get(record.id)
        if held is not None and _version(held, seq) > _version(record, seq):
            losers.append(record)
            continue
        if held is not None:
            losers.append(held)
        winners[record.id] = record
    for loser in losers:
        if loser.hash == winners[loser.id].hash:
            merged.unchanged += 1
        else:
            merged.stale += 1
    return list(winners.values())


def _same(row: Row, record: Record, table: Table) -> bool:
    """Nothing to write: alive with the same hash."""
    put_away = row.deleted_at or (table.archives and row.archived_at)
    return row.hash == record.hash and not put_away


def _is_live(row: Row | None) -> bool:
    return row is not None and row.deleted_at is None


def _archivable(row: Row | None) -> bool:
    return row is not None and row.archived_at is None and row.deleted_at is None
