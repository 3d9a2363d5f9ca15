"""Ports: what the use cases need from the outside, in words of the field. Adapters implement them.

Every port has an in-memory implementation that passes the same contract suite as the real adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from sluice.core.asked_days import AskedDays
from sluice.core.budget import Budget
from sluice.core.desk.admitting import Waiting
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.records import (
    Cursor,
    Page,
    PushEvent,
    ReadPages,
    Reconcile,
    Record,
    Step,
    Table,
    WorkList,
)
from sluice.core.removal import Candidate, Missing
from sluice.core.slices import (
    Claim,
    Committed,
    Delivery,
    Draft,
    Lease,
    LeaseHeld,
    Resting,
    Traffic,
)

T = TypeVar("T")


class Revised(NamedTuple, Generic[T]):
    """What a revision makes of a page: an answer, and the page as it shall stand (None: as it was)."""

    answer: T
    page: Mapping[str, Any] | None = None


class Book(Protocol):
    """Small pages of JSON that many workers revise at the same time (DynamoDB): what they share."""

    def revise(self, subject: str, revision: Callable[[Mapping[str, Any]], Revised[T]]) -> T:
        """Write what ``revision`` makes of the page, if nobody wrote it since it was read; else again.

        A page never written is empty. ``revision`` may be called several times and must be pure; what it
        answers without writing rests on a page read during this call. Raises StateUnavailable.
        """
        ...

    def read(self, subject: str) -> Mapping[str, Any]:
        """The page as the last write left it."""
        ...


class Leases(Protocol):
    """The lease of each stream and its watermark (DynamoDB). Items are never deleted."""

    def acquire(
        self,
        key: StreamKey,
        owner: str,
        *,
        now: datetime,
        until: datetime,
        expect_seq: int | None = None,
        heed_rest: bool = False,
        delivery: str | None = None,
        orphaned_by: datetime | None = None,
        priority: Priority = Priority.SCHEDULE,
    ) -> Lease | LeaseHeld | Resting:
        """Take the lease if it is free, ran out, or is already ours; the fencing token rises by one.

        ``expect_seq`` is the seq that our message continues: whoever finds the lease held learns it.
        ``heed_rest`` leaves the stream alone while its vendor asked for that. ``delivery`` is our
        message's id: a lease taken for the very same message is taken over once it ends by
        ``orphaned_by``, because the queue gives a message out again when its receiver did not answer.
        ``priority`` is our message's, with which the work is asked for again if we die.
        """
        ...

    def raise_token(self, lease: Lease, to: int) -> Lease | None:
        """Lift the token of a lease we still hold to ``to``; None when it is no longer ours."""
        ...

    def save_watermark(
        self, lease: Lease, *, cursor: Cursor, seq: int, has_more: bool, run_id: str | None
    ) -> bool:
        """Record what Postgres committed; False when the token is not ours or somebody else holds the lease."""
        ...

    def release(
        self,
        lease: Lease,
        *,
        continued_seq: int | None = None,
        not_before: datetime | None = None,
    ) -> bool:
        """Give the lease back if token and owner are still ours; False when they are not.

        Notes the continuation sent, and until when the vendor wants to be left alone: ``not_before``
        is set when given and removed when not.
        """
        ...

    def stale(self, *, before: datetime, limit: int) -> Sequence[StaleLease]:
        """Leases still held whose time ended before ``before``, oldest first."""
        ...

    def free(self, seen: StaleLease) -> bool:
        """Clear a stale lease only if it is exactly as it was seen; False when it changed since."""
        ...


class StaleLease(Protocol):
    """A lease as cleanup saw it."""

    @property
    def key(self) -> StreamKey: ...
    @property
    def owner(self) -> str: ...
    @property
    def fencing_token(self) -> int: ...
    @property
    def until(self) -> datetime: ...
    @property
    def priority(self) -> Priority: ...


class OpenRun(Protocol):
    """A run that has not ended, as cleanup sees it."""

    @property
    def run_id(self) -> str: ...
    @property
    def key(self) -> StreamKey: ...
    @property
    def reason(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def last_progress_at(self) -> datetime: ...


class OpenReject(NamedTuple):
    """A rejected row not yet settled; ``seq`` is the slice that last read it from the vendor."""

    reject_id: int
    record_id: str | None
    raw: str
    seq: int


class Commits(Protocol):
    """Cursor, seq and fence of each stream, committed with the data (Postgres)."""

    def claim(
        self, key: StreamKey, fencing_token: int, *, full_since: datetime | None = None
    ) -> Claim | None:
        """Raise the stream's fence to ``fencing_token`` and read its position.

        ``full_since`` is remembered: whichever message makes the next slices, the full read is made.

        None when the fence is already as high: a newer holder claimed. Once this returns, no older
        holder can commit.
        """
        ...

    def fence(self, key: StreamKey) -> int:
        """The fence as it stands; 0 for a stream never claimed."""
        ...

    def open_rejects(self, key: StreamKey, *, limit: int) -> Sequence[OpenReject]:
        """Rejects not yet settled, those not tried for longest first."""
        ...

    def open_run(self, claim: Claim, *, run_id: str, reason: str, now: datetime) -> str:
        """Record that a run began; returns the id of the run already open, if there is one.

        Raises Superseded when somebody claimed since.
        """
        ...

    def commit(self, claim: Claim, draft: Draft, stream: Stream) -> Committed:
        """Store a slice in one fenced transaction. Ends the run when nothing more is due.

        Raises Superseded when fence or seq moved, CommitUnknown when COMMIT's answer was lost and
        the slice is not in ``commit_log``, InvariantBroken when the counts do not add up or a derive step
        answers anything but one row of numbers.
        """
        ...

    def missing(
        self, claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[Candidate]]:
        """What generation ``step.generation`` lacked, and the next candidates after ``step.after``.

        A candidate is a row that is alive, was not sighted in the generation and was not written
        since it began. With ``step.within``, candidates and totals are of rows in that window only;
        InvariantBroken when its column is none of the table's, or no timestamptz.
        """
        ...

    def due(
        self, claim: Claim, work: WorkList, *, now: datetime, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """What the work list names at ``now``, each row by column name; changes nothing."""
        ...

    def note_failure(self, key: StreamKey, run_id: str | None, error: str, now: datetime) -> None:
        """Write the last error into the open run, which goes on."""
        ...

    def fail_run(
        self, key: StreamKey, *, error: str, reason: str, run_id: str, now: datetime
    ) -> str:
        """End the open run (or record one of no slices) as failed, with its error."""
        ...

    def silent_runs(
        self, *, before: datetime, backfills_before: datetime | None = None, limit: int
    ) -> Sequence[OpenRun]:
        """Runs not ended that made no progress and were not asked for since ``before``, those of which nothing was
        heard for longest first. Backfills, for which ``backfills_before`` counts instead (None: the same), take
        turns with the others, which begin."""
        ...

    def note_asked(self, run_id: str) -> None:
        """Write into a run that a slice of it was asked for again just now, by the database's own clock."""
        ...

    def abandon_run(self, run_id: str, now: datetime) -> bool:
        """End an open run as abandoned; False when it has ended meanwhile."""
        ...


class Applied(StrEnum):
    """What became of a pushed row."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    STALE = "stale"
    REPEATED = "repeated"
    REJECTED = "rejected"


class Pushes(Protocol):
    """Rows that vendors push, each in one small transaction beside the slices (Postgres)."""

    def apply(self, event: PushEvent, stream: Stream) -> Applied:
        """Store one pushed row unless this delivery was seen or a newer version is stored.

        Takes no lease: versions alone decide. A row that cannot be loaded goes to ``rejects``.
        """
        ...


class Messages(Protocol):
    """The queue of slices."""

    def ask_for_slice(
        self,
        key: StreamKey,
        *,
        reason: str,
        expect_seq: int | None = None,
        attempt: int = 0,
        held: int = 0,
        full_since: datetime | None = None,
        days: AskedDays | None = None,
        priority: str = Priority.SCHEDULE,
        ticket: str | None = None,
        waiting: Waiting | None = None,
        delay: timedelta = timedelta(0),
    ) -> None:
        """Send one message that asks for one slice. ``delay`` is capped at the queue's 15 minutes.

        A backfill goes to a queue of its own, whose few workers are no others'. ``ticket`` is a person's
        place among those who wait, ``waiting`` what the client's desk said when it refused the message.
        """
        ...

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        """Send one message for each key, in batches of ten."""
        ...


class Deliveries(Protocol):
    """The queue, as it hands a message to us."""

    def come_back(self, delivery: Delivery, *, after: timedelta) -> bool:
        """Have the message given out again once ``after`` is over; False when somebody acknowledged it."""
        ...


class Stream(Protocol):
    """One collection of a source, opened for one client: declarations and how to read."""

    @property
    def table(self) -> Table: ...

    @property
    def slice_rows(self) -> int:
        """Soft limit of rows per slice."""
        ...

    @property
    def slice_requests(self) -> int:
        """Limit of vendor requests per slice."""
        ...

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        """What is due at this cursor; None when caught up. ``full_since`` asks for a full read that
        began at or after that moment."""
        ...

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Read pages until the budget is spent or the step is done. ``step.due`` is what a work list named.

        Raises WaitForVendor or PersonMustAct between pages; pages already yielded stay good.
        """
        ...

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        """Point read: False only when the vendor says 404 or 410 for exactly this id.

        ``candidate.raw`` is there when the table's ``point_reads_need_document``. Raises RequestRefused
        when this client's vendor account offers no point read.
        """
        ...

    def after_reconcile(self, cursor: Cursor, step: Reconcile, judged_up_to: str | None) -> Cursor:
        """The cursor once candidates up to ``judged_up_to`` are judged; None means all of them."""
        ...

    def values(self, record: Record) -> Sequence[Any]:
        """The record's values for ``table.columns``; RowRejected when it cannot be loaded."""
        ...

    def record_of(self, raw: str) -> Record:
        """A record from a reject's raw body; RowRejected when it still cannot be read."""
        ...

    def traffic(self) -> Traffic:
        """What this stream's reading cost so far in this slice."""
        ...

    def close(self) -> None:
        """Stop read-ahead; connections stay for the next slice."""
        ...


@runtime_checkable
class Rereads(Protocol):
    """What a stream has beside ``Stream`` when one of its objects can be read alone, as hints ask for."""

    def reread(self, object_id: str, budget: Budget) -> Record | None:
        """The object as its vendor has it now, in a few requests of the account's budget.

        None when the vendor says that there is none (404, 410): no deletion by that alone. RowRejected when
        ``object_id`` can be none of this stream's, else as ``Stream.pages`` raises.
        """
        ...


@runtime_checkable
class ReadsTogether(Protocol):
    """What a stream has beside ``Stream`` when one point read can answer for several rows."""

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Whom ``still_exists`` will be asked about in this slice, in this order, as far as the budget goes."""
        ...


class Streams(Protocol):
    """Opens a client's stream with its settings and credentials."""

    def open(self, key: StreamKey) -> Stream:
        """StreamUnknown, SettingInvalid or SecretMissing when it cannot be."""
        ...
