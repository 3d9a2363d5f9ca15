"""A slice in progress, once its lease is ours: claim, repair, fetch, commit, watermark, continue, release."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sluice.core.asked_days import DAYS_NOTED, ReadsDays
from sluice.core.budget import Budget
from sluice.core.errors import SettingInvalid, Superseded
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.ports import Stream
from sluice.core.priorities import Priority
from sluice.core.records import Derive, Note, ReadDue, ReadPages, Reconcile
from sluice.core.slices import Claim, Committed, Draft, Lease, Outcome, SliceReport
from sluice.messages import SliceMessage
from sluice.usecases.admission import Place
from sluice.usecases.draft import (
    CAUGHT_UP,
    Drafted,
    caught_up_draft,
    derive_draft,
    note_draft,
    page_draft,
    reconcile_draft,
)
from sluice.usecases.kit import Kit
from sluice.usecases.read_step import read_pages
from sluice.usecases.reconcile import reconcile
from sluice.usecases.redrive import REDRIVE, redrive_draft
from sluice.usecases.waiting import ASKED_BY_A_PERSON, wait_of

Doable = ReadPages | Derive | Reconcile | Note
"""A step as it is made: a work list was asked, and named something to read."""


@dataclass(slots=True)
class Slice:
    """A slice in progress, once its lease is ours. ``lease`` changes when its token is lifted."""

    message: SliceMessage
    deadline: datetime
    kit: Kit
    stream: Stream
    lease: Lease
    place: Place

    def run(self) -> SliceReport:
        reach(FaultPoint.SLICE_ACQUIRED)
        claim = self._claim()
        reach(FaultPoint.SLICE_CLAIMED)
        self._repair(claim)
        reach(FaultPoint.SLICE_REPAIRED)
        if self._is_duplicate(claim):
            return self._drop_duplicate(claim)
        step = self._days_to_note(claim) or self._step(claim)
        asked = self.message.reason in ASKED_BY_A_PERSON
        if step is None and not claim.has_more and claim.run_id is None and not asked:
            self.kit.leases.release(self.lease)
            return self._report(Outcome.CAUGHT_UP, claim)
        return self._work(claim, step)

    def _days_to_note(self, claim: Claim) -> Note | None:
        """Days that the message asks for, of which the cursor does not know yet."""
        asked = self.message.asked_days
        if asked is None:
            return None
        if not isinstance(self.stream, ReadsDays):
            raise SettingInvalid(f"from: the stream {claim.key.stream} cannot read certain days")
        cursor = self.stream.with_days(claim.cursor, asked)
        return None if cursor is None else Note(cursor, DAYS_NOTED)

    def _step(self, claim: Claim) -> Doable | None:
        """What is due, with what a work list names; None when that is nothing.

        The list is asked before a run is opened: a tick that finds nothing to do costs one query.
        """
        now = self.kit.clock()
        step = self.stream.next_step(claim.cursor, now, full_since=claim.full_since)
        if not isinstance(step, ReadDue):
            return step
        if self.message.reason == REDRIVE:
            return None  # its slice is of rejects, whatever else is due
        due = self.kit.commits.due(claim, step.work, now=now, limit=self.stream.slice_requests)
        if due:
            return ReadPages(step.kind, step.detail, due)
        return None if step.at_end is None else Note(step.at_end, CAUGHT_UP)

    def _claim(self) -> Claim:
        """Shut every older holder out at the database, before a byte is fetched."""
        key, token = self.lease.key, self.lease.fencing_token
        full_since = self.message.full_since
        claim = self.kit.commits.claim(key, token, full_since=full_since)
        if claim is not None:
            return claim
        # Either somebody newer claimed, or the state table was restored from a backup and its
        # tokens fell behind. Only in the second case do we still hold the item as we left it.
        lifted = self.kit.leases.raise_token(self.lease, self.kit.commits.fence(key) + 1)
        if lifted is not None:
            self.lease = lifted
            claim = self.kit.commits.claim(key, lifted.fencing_token, full_since=full_since)
        if lifted is None or claim is None:
            raise Superseded(f"{key}: token {token} is older than the database's fence")
        return claim

    def _repair(self, claim: Claim) -> None:
        """Postgres wins, in both directions: ahead after a lost reply, behind after a failover."""
        lease = self.lease
        if lease.watermark_seq != claim.seq or (lease.watermark or {}) != claim.cursor:
            self.kit.leases.save_watermark(
                lease,
                cursor=claim.cursor,
                seq=claim.seq,
                has_more=claim.has_more,
                run_id=claim.run_id,
            )

    def _is_duplicate(self, claim: Claim) -> bool:
        expected = self.message.expect_seq
        return expected is not None and expected < claim.seq

    def _drop_duplicate(self, claim: Claim) -> SliceReport:
        """The slice asked for was made already; its continuation may have died with its maker, or with
        whoever received it: then the lease that it held was taken over.

        A continuation of a later seq than Postgres has is one of before a failover: not of this slice.
        """
        continued = None
        was_sent = self.lease.continued_seq == claim.seq and not self.lease.took_over
        self.place.give_back()
        if claim.has_more and not was_sent:
            self.kit.messages.ask_for_slice(
                claim.key,
                reason="continuation",
                expect_seq=claim.seq,
                priority=self._priority(claim),
            )
            continued = claim.seq
        self.kit.leases.release(self.lease, continued_seq=continued)
        return self._report(Outcome.DUPLICATE, claim, f"expected {self.message.expect_seq}")

    def _work(self, claim: Claim, step: Doable | None) -> SliceReport:
        run_id = self.kit.commits.open_run(
            claim, run_id=self.kit.new_id(), reason=self.message.run_reason, now=self.kit.clock()
        )
        reach(FaultPoint.SLICE_RUN_OPENED)
        drafted = self._fetch(replace(claim, run_id=run_id), step)
        reach(FaultPoint.SLICE_FETCHED)
        committed = self.kit.commits.commit(claim, drafted.draft, self.stream)
        committed.counts.check()
        reach(FaultPoint.SLICE_COMMITTED)
        self._hand_on(claim, drafted, committed)
        detail = _detail(drafted, committed)
        return self._report(Outcome.COMMITTED, claim, detail, drafted, committed)

    def _fetch(self, claim: Claim, step: Doable | None) -> Drafted:
        started = self.kit.clock()
        budget = Budget(
            clock=self.kit.clock,
            fetch_until=self.deadline - self.kit.merge_margin,
            rows=self.stream.slice_rows,
            requests=self.stream.slice_requests,
        )
        slice_id = self.kit.new_id()
        if self.message.reason == REDRIVE:
            draft = redrive_draft(self.stream, self.kit.commits, claim, slice_id)
            return self._finished(claim, Drafted(draft), started)
        match step:
            case ReadPages():
                reading = read_pages(self.stream, step, claim.cursor, budget)
                drafted = page_draft(claim, step, reading, slice_id)
            case Reconcile():
                brake = self.kit.brake_of(claim.key)
                judgement = reconcile(self.stream, self.kit.commits, claim, step, budget, brake)
                drafted = reconcile_draft(claim, step, judgement, slice_id)
            case Derive():
                drafted = derive_draft(claim, step, slice_id)
            case Note():
                drafted = note_draft(claim, step, slice_id)
            case None:
                # Not asked once more what is due: a work list that was empty may name something by now, and
                # the run would go on without a slice that does anything. The next tick asks.
                return self._measured(caught_up_draft(claim, slice_id), started, has_more=False)
        return self._finished(claim, drafted, started)

    def _finished(self, claim: Claim, drafted: Drafted, started: datetime) -> Drafted:
        """Add what only the end of the fetch can tell: is more due, what it cost, how long it took."""
        upcoming = self.stream.next_step(
            drafted.draft.cursor_after, self.kit.clock(), full_since=claim.full_since
        )
        return self._measured(drafted, started, has_more=upcoming is not None)

    def _measured(self, drafted: Drafted, started: datetime, *, has_more: bool) -> Drafted:
        spent = self.kit.clock() - started
        finished = replace(
            drafted.draft,
            has_more=has_more,
            traffic=self.stream.traffic(),
            fetch_ms=int(spent.total_seconds() * 1000),
        )
        return replace(drafted, draft=finished)

    def _hand_on(self, claim: Claim, drafted: Drafted, committed: Committed) -> None:
        """Watermark, continuation, release: progress after data, and the lease last of all."""
        self._note_stop(claim, drafted)
        self.kit.leases.save_watermark(
            self.lease,
            cursor=committed.cursor,
            seq=committed.seq,
            has_more=committed.has_more,
            run_id=drafted.draft.run_id if committed.has_more else None,
        )
        reach(FaultPoint.SLICE_WATERMARK_SAVED)
        delay = wait_of(drafted.stopped_by, 0, self.kit.chance)
        self.place.give_back()
        if committed.has_more:
            self.kit.messages.ask_for_slice(
                claim.key,
                reason="continuation",
                expect_seq=committed.seq,
                priority=self._priority(claim),
                delay=delay,
            )
        reach(FaultPoint.SLICE_CONTINUED)
        self.kit.leases.release(
            self.lease,
            continued_seq=committed.seq if committed.has_more else None,
            not_before=self.kit.clock() + delay if delay else None,
        )
        reach(FaultPoint.SLICE_RELEASED)

    def _priority(self, claim: Claim) -> Priority:
        """What the run's next message is. A tick that takes up a backfill whose message waits for long
        does a slice of it, and makes no fresh work of the rest."""
        is_backfill = claim.run_reason == Priority.BACKFILL
        return Priority.BACKFILL if is_backfill else self.message.priority

    def _note_stop(self, claim: Claim, drafted: Drafted) -> None:
        if drafted.stopped_by is not None:
            self.kit.commits.note_failure(
                claim.key, drafted.draft.run_id, str(drafted.stopped_by), self.kit.clock()
            )

    def _report(
        self,
        outcome: Outcome,
        claim: Claim,
        detail: str = "",
        drafted: Drafted | None = None,
        committed: Committed | None = None,
    ) -> SliceReport:
        report = SliceReport(
            outcome,
            claim.key,
            detail,
            seq=committed.seq if committed else claim.seq,
            run_id=drafted.draft.run_id if drafted else claim.run_id,
            fencing_token=self.lease.fencing_token,
        )
        if drafted is None or committed is None:
            return report
        return replace(
            report,
            slice_id=drafted.draft.slice_id,
            counts=committed.counts,
            traffic=drafted.draft.traffic,
            timings_ms=_timings(drafted.draft, committed),
            derived=committed.derived,
        )


def _timings(draft: Draft, committed: Committed) -> dict[str, int]:
    """Where a slice's time went; what each of them is, ``Traffic`` and ``Committed`` say."""
    return {
        "fetch": draft.fetch_ms,
        "wait": draft.traffic.waited_ms,
        "database": committed.database_ms,
        "begin": committed.begin_ms,
        "merge": committed.merge_ms,
        "derive": committed.derive_ms,
    }


def _detail(drafted: Drafted, committed: Committed) -> str:
    """What the worker's line says beside counts: the slice's note, and what cut the reading short."""
    stop = drafted.stopped_by
    said = (committed.note, stop and f"stopped by {type(stop).__name__}: {stop}")
    return "; ".join(each for each in said if each)
