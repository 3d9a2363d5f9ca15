"""One message, one slice: acquire, claim, repair, fetch, commit, watermark, continue, release.

The order is the protocol. Whatever dies between two lines is healed by the next worker, because the
cursor is read from Postgres only, every write is conditional on the fencing token, and the message
is acknowledged last (by the caller, once this returns).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.core.budget import Budget, Clock
from sluice.core.errors import (
    NotFound,
    PersonMustAct,
    RetryLater,
    SluiceError,
    Superseded,
    WaitForVendor,
)
from sluice.core.ports import Commits, Leases, Messages, Stream, Streams
from sluice.core.records import ReadPages, Reconcile, Step
from sluice.core.slices import (
    Claim,
    Committed,
    Lease,
    LeaseHeld,
    Outcome,
    SliceReport,
)
from sluice.messages import SliceMessage
from sluice.usecases.draft import Drafted, caught_up_draft, page_draft, reconcile_draft
from sluice.usecases.read_step import read_pages
from sluice.usecases.reconcile import reconcile
from sluice.usecases.redrive import REDRIVE, redrive_draft

MERGE_MARGIN = timedelta(seconds=15)
"""Kept free at the end of an invocation for merge, commit, watermark, continuation and release."""

LEASE_MARGIN = timedelta(seconds=30)
"""The lease outlives the invocation's deadline by this much: a bounded slice never renews."""

MOST_ATTEMPTS = 8
"""Slices in a row without progress before the run is given up until the next tick."""

LONGEST_DELAY = timedelta(minutes=15)

ASKED_BY_A_PERSON = ("manual", REDRIVE)
"""Somebody waits for these: they are never dropped, and there is a run to look at even of nothing due."""


@dataclass(frozen=True, slots=True)
class Kit:
    """The ports and the sources of time, ids and chance that a slice runs with."""

    leases: Leases
    commits: Commits
    messages: Messages
    streams: Streams
    clock: Clock
    new_id: Callable[[], str]
    chance: Callable[[], float]


def run_slice(message: SliceMessage, deadline: datetime, kit: Kit) -> SliceReport:
    """Do one slice and say how it ended.

    Raises only what the queue should retry and, in the end, dead-letter: bugs, and failures of our
    own stores that outlasted every deferral.
    """
    try:
        return _run(message, deadline, kit)
    except Superseded as error:
        return SliceReport(Outcome.SUPERSEDED, message.key, str(error))
    except (WaitForVendor, RetryLater) as error:
        return _defer(message, error, kit)
    except (PersonMustAct, NotFound) as error:
        return _fail_run(message, error, kit)


def _run(message: SliceMessage, deadline: datetime, kit: Kit) -> SliceReport:
    stream = kit.streams.open(message.key)
    owner = kit.new_id()
    lease = kit.leases.acquire(message.key, owner, now=kit.clock(), until=deadline + LEASE_MARGIN)
    if isinstance(lease, LeaseHeld):
        return _leave_or_wait(message, lease, kit)
    if message.reason == "schedule" and lease.not_before and lease.not_before > kit.clock():
        kit.leases.release(lease, not_before=lease.not_before)
        return SliceReport(Outcome.WAITING, message.key, f"until {lease.not_before:%H:%M:%S} UTC")
    work = _Slice(message, deadline, kit, stream, lease)
    try:
        return work.run()
    except WaitForVendor as error:
        wait = _wait_of(error, message.attempt, kit.chance)
        kit.leases.release(work.lease, not_before=kit.clock() + wait)
        raise
    except SluiceError:
        # Nothing was committed, or the commit's fate was looked up: let the next worker in at once.
        kit.leases.release(work.lease)
        raise


def _leave_or_wait(message: SliceMessage, held: LeaseHeld, kit: Kit) -> SliceReport:
    """A held lease is an outcome. A continuation that overtook its sender's release waits for it, and
    so does what a person asked for, of which the holder knows nothing.

    The holder began at ``base_seq``. If that is what we continue from, it does our work and will
    continue it. If it began earlier, it made the very slice that sent this message and is about to
    let go (or died after sending it), so the message must come back.
    """
    expected = message.expect_seq
    asked = expected is None and message.reason in ASKED_BY_A_PERSON
    if not asked and (expected is None or held.base_seq >= expected):
        return SliceReport(Outcome.LEASE_HELD, message.key, f"held by {held.owner}")
    lapse = max(held.until - kit.clock(), timedelta(0)) + timedelta(seconds=1)
    delay = min(timedelta(seconds=2**message.attempt), lapse)
    kit.messages.ask_for_slice(
        message.key,
        reason=message.reason,
        expect_seq=expected,
        attempt=min(message.attempt + 1, MOST_ATTEMPTS),
        full_since=message.full_since,
        delay=delay,
    )
    return SliceReport(
        Outcome.DEFERRED, message.key, f"held by {held.owner}; comes back in {delay}"
    )


@dataclass(slots=True)
class _Slice:
    """A slice in progress, once its lease is ours. ``lease`` changes when its token is lifted."""

    message: SliceMessage
    deadline: datetime
    kit: Kit
    stream: Stream
    lease: Lease

    def run(self) -> SliceReport:
        claim = self._claim()
        self._repair(claim)
        if self._is_duplicate(claim):
            return self._drop_duplicate(claim)
        step = self.stream.next_step(
            claim.cursor, self.kit.clock(), full_since=self.message.full_since
        )
        asked = self.message.reason in ASKED_BY_A_PERSON
        if step is None and not claim.has_more and claim.run_id is None and not asked:
            self.kit.leases.release(self.lease)
            return self._report(Outcome.CAUGHT_UP, claim)
        return self._work(claim, step)

    def _claim(self) -> Claim:
        """Shut every older holder out at the database, before a byte is fetched."""
        key, token = self.lease.key, self.lease.fencing_token
        claim = self.kit.commits.claim(key, token)
        if claim is not None:
            return claim
        # Either somebody newer claimed, or the state table was restored from a backup and its
        # tokens fell behind. Only in the second case do we still hold the item as we left it.
        lifted = self.kit.leases.raise_token(self.lease, self.kit.commits.fence(key) + 1)
        claim = self.kit.commits.claim(key, lifted.fencing_token) if lifted else None
        if lifted is None or claim is None:
            raise Superseded(f"{key}: token {token} is older than the database's fence")
        self.lease = lifted
        return claim

    def _repair(self, claim: Claim) -> None:
        """Postgres wins, in both directions: ahead after a lost reply, behind after a failover."""
        lease = self.lease
        if lease.watermark_seq != claim.seq or (lease.watermark or {}) != claim.cursor:
            self._save_watermark(claim.seq, claim)

    def _save_watermark(self, seq: int, at: Claim | Committed) -> None:
        run_id = at.run_id if isinstance(at, Claim) else None
        self.kit.leases.save_watermark(
            self.lease, cursor=at.cursor, seq=seq, has_more=at.has_more, run_id=run_id
        )

    def _is_duplicate(self, claim: Claim) -> bool:
        expected = self.message.expect_seq
        return expected is not None and expected < claim.seq

    def _drop_duplicate(self, claim: Claim) -> SliceReport:
        """The slice asked for was made already; its continuation may have died with its maker."""
        continued = None
        if claim.has_more and self.lease.continued_seq < claim.seq:
            self.kit.messages.ask_for_slice(
                claim.key,
                reason="continuation",
                expect_seq=claim.seq,
                full_since=self.message.full_since,
            )
            continued = claim.seq
        self.kit.leases.release(self.lease, continued_seq=continued)
        return self._report(Outcome.DUPLICATE, claim, f"expected {self.message.expect_seq}")

    def _work(self, claim: Claim, step: Step | None) -> SliceReport:
        run_id = self.kit.commits.open_run(
            claim, run_id=self.kit.new_id(), reason=self.message.reason, now=self.kit.clock()
        )
        drafted = self._fetch(replace(claim, run_id=run_id), step)
        committed = self.kit.commits.commit(claim, drafted.draft, self.stream)
        committed.counts.check()
        self._hand_on(claim, drafted, committed)
        return self._report(Outcome.COMMITTED, claim, drafted.draft.note or "", drafted, committed)

    def _fetch(self, claim: Claim, step: Step | None) -> Drafted:
        started = self.kit.clock()
        budget = Budget(
            clock=self.kit.clock,
            fetch_until=self.deadline - MERGE_MARGIN,
            rows=self.stream.slice_rows,
            requests=self.stream.slice_requests,
        )
        slice_id = self.kit.new_id()
        if self.message.reason == REDRIVE:
            draft = redrive_draft(self.stream, self.kit.commits, claim, slice_id)
            return self._finished(Drafted(draft), started)
        match step:
            case ReadPages():
                reading = read_pages(self.stream, step, claim.cursor, budget)
                drafted = page_draft(claim, step, reading, slice_id)
            case Reconcile():
                judgement = reconcile(self.stream, self.kit.commits, claim, step, budget)
                drafted = reconcile_draft(claim, step, judgement, slice_id)
            case None:
                drafted = caught_up_draft(claim, slice_id)
        return self._finished(drafted, started)

    def _finished(self, drafted: Drafted, started: datetime) -> Drafted:
        """Add what only the end of the fetch can tell: is more due, what it cost, how long it took."""
        now = self.kit.clock()
        draft = drafted.draft
        upcoming = self.stream.next_step(
            draft.cursor_after, now, full_since=self.message.full_since
        )
        finished = replace(
            draft,
            has_more=upcoming is not None,
            traffic=self.stream.traffic(),
            fetch_ms=int((now - started).total_seconds() * 1000),
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
        delay = _wait_of(drafted.stopped_by, 0, self.kit.chance)
        if committed.has_more:
            self.kit.messages.ask_for_slice(
                claim.key,
                reason="continuation",
                expect_seq=committed.seq,
                full_since=self.message.full_since,
                delay=delay,
            )
        self.kit.leases.release(
            self.lease,
            continued_seq=committed.seq if committed.has_more else None,
            not_before=self.kit.clock() + delay if delay else None,
        )

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
            counts=committed.counts,
            traffic=drafted.draft.traffic,
            timings_ms={"fetch": drafted.draft.fetch_ms, "merge": committed.merge_ms},
        )


def _wait_of(error: SluiceError | None, attempt: int, chance: Callable[[], float]) -> timedelta:
    """How long to stay away: what the vendor asked for, else exponential with full jitter."""
    if error is None:
        return timedelta(0)
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, timedelta):
        return min(asked, LONGEST_DELAY)
    ceiling = min(5.0 * 2**attempt, LONGEST_DELAY.total_seconds())
    return timedelta(seconds=max(1.0, ceiling * chance()))


def _defer(message: SliceMessage, error: SluiceError, kit: Kit) -> SliceReport:
    """Nothing was committed and nothing is lost: the same message, later, by our own delay.

    Not through the queue's receive count: an outage of a vendor is no poisoned message.
    """
    if message.attempt >= MOST_ATTEMPTS:
        if isinstance(error, RetryLater):
            raise error
        return _fail_run(message, error, kit)
    if isinstance(error, WaitForVendor):
        kit.commits.note_failure(message.key, None, str(error), kit.clock())
    kit.messages.ask_for_slice(
        message.key,
        reason=message.reason if message.reason in ASKED_BY_A_PERSON else "deferred",
        expect_seq=message.expect_seq,
        attempt=message.attempt + 1,
        full_since=message.full_since,
        delay=_wait_of(error, message.attempt, kit.chance),
    )
    return SliceReport(Outcome.DEFERRED, message.key, f"{type(error).__name__}: {error}")


def _fail_run(message: SliceMessage, error: SluiceError, kit: Kit) -> SliceReport:
    """End the run as failed, visibly. The cursor stays; the next tick begins a run where it stands."""
    text = f"{type(error).__name__}: {error}"
    run_id = kit.commits.fail_run(
        message.key, error=text, reason=message.reason, run_id=kit.new_id(), now=kit.clock()
    )
    return SliceReport(Outcome.RUN_FAILED, message.key, text, run_id=run_id)
