"""Ports: what the use cases need from the outside, in words of the field. Adapters implement them.

Every port has an in-memory implementation that passes the same contract suite as the real adapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from sluice.core.budget import Budget
from sluice.core.keys import StreamKey
from sluice.core.records import Cursor, Page, ReadPages, Reconcile, Record, Step, Table
from sluice.core.removal import Missing
from sluice.core.slices import Claim, Committed, Draft, Lease, LeaseHeld, Traffic


class Leases(Protocol):
    """The lease of each stream and its watermark (DynamoDB). Items are never deleted."""

    def acquire(
        self, key: StreamKey, owner: str, *, now: datetime, until: datetime
    ) -> Lease | LeaseHeld:
        """Take the lease if it is free, ran out, or is already ours; the fencing token rises by one."""
        ...

    def raise_token(self, lease: Lease, to: int) -> Lease | None:
        """Lift the token of a lease we still hold to ``to``; None when it is no longer ours."""
        ...

    def save_watermark(
        self, lease: Lease, *, cursor: Cursor, seq: int, has_more: bool, run_id: str | None
    ) -> bool:
        """Record what Postgres committed, if the token is still ours; False when it is not."""
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


class OpenRun(Protocol):
    """A run that has not ended, as cleanup sees it."""

    @property
    def run_id(self) -> str: ...
    @property
    def key(self) -> StreamKey: ...
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

    def claim(self, key: StreamKey, fencing_token: int) -> Claim | None:
        """Raise the stream's fence to ``fencing_token`` and read its position.

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
        """Record that a run began; returns the id of the run already open, if there is one."""
        ...

    def commit(self, claim: Claim, draft: Draft, stream: Stream) -> Committed:
        """Store a slice in one fenced transaction. Ends the run when nothing more is due.

        Raises Superseded when fence or seq moved, CommitUnknown when COMMIT's answer was lost and
        the slice is not in ``commit_log``, InvariantBroken when the counts do not add up.
        """
        ...

    def missing(
        self, claim: Claim, table: Table, step: Reconcile, *, limit: int
    ) -> tuple[Missing, Sequence[str]]:
        """What generation ``step.generation`` lacked, and the next candidates after ``step.after``.

        A candidate is a row that is alive, was not sighted in the generation and was not written
        since it began.
        """
        ...

    def note_failure(self, key: StreamKey, run_id: str | None, error: str, now: datetime) -> None:
        """Write the last error into the open run, which goes on."""
        ...

    def fail_run(
        self, key: StreamKey, *, error: str, reason: str, run_id: str, now: datetime
    ) -> str:
        """End the open run (or record one of no slices) as failed, with its error."""
        ...

    def silent_runs(self, *, before: datetime, limit: int) -> Sequence[OpenRun]:
        """Runs not ended that made no progress since ``before``, oldest first."""
        ...

    def abandon_run(self, run_id: str, now: datetime) -> bool:
        """End an open run as abandoned; False when it has ended meanwhile."""
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
        full_since: datetime | None = None,
        delay: timedelta = timedelta(0),
    ) -> None:
        """Send one message that asks for one slice. ``delay`` is capped at the queue's 15 minutes."""
        ...

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        """Send one message for each key, in batches of ten."""
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
        """Read pages until the budget is spent or the step is done.

        Raises WaitForVendor or PersonMustAct between pages; pages already yielded stay good.
        """
        ...

    def still_exists(self, record_id: str, budget: Budget) -> bool:
        """Point read: False only when the vendor says 404 or 410 for exactly this id.

        Raises RequestRefused when this client's vendor account offers no point read.
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


class Streams(Protocol):
    """Opens a client's stream with its settings and credentials."""

    def open(self, key: StreamKey) -> Stream:
        """StreamUnknown, SettingInvalid or SecretMissing when it cannot be."""
        ...


class Schedule(Protocol):
    """The registry of clients' streams, queried by when they are due."""

    def due(self, now: datetime, *, limit: int) -> Sequence[DueStream]: ...

    def advance(self, due: DueStream, now: datetime) -> bool:
        """Move ``due_at`` to the next tick if it is still the one seen."""
        ...


class DueStream(Protocol):
    """A stream whose time has come."""

    @property
    def key(self) -> StreamKey: ...
    @property
    def due_at(self) -> datetime: ...
