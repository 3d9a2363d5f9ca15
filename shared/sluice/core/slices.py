"""The life of a slice in frozen values: lease, claim, draft, counts, what was committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sluice.core.errors import InvariantBroken
from sluice.core.keys import StreamKey
from sluice.core.records import Cursor, Progress, Record, Reject


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a stream until ``until``, with the watermark as DynamoDB last learnt it.

    ``not_before`` is when the vendor, asked last, said it can be asked again: a schedule tick leaves
    the stream alone until then, the delayed continuation is on its way.
    """

    key: StreamKey
    owner: str
    fencing_token: int
    until: datetime
    watermark: Cursor | None = None
    watermark_seq: int = 0
    continued_seq: int = 0
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeaseHeld:
    """Somebody else works on the stream. ``base_seq`` is the seq the item had when they began."""

    owner: str
    until: datetime
    base_seq: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What Postgres says about a stream once every older holder is shut out."""

    key: StreamKey
    fencing_token: int
    seq: int
    cursor: Cursor
    has_more: bool
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows read. ``deleted`` are rows removed, which were not read."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejected: int = 0
    deleted: int = 0

    def check(self) -> Counts:
        """Return self, or raise InvariantBroken when a row was read and then lost or counted twice."""
        parts = self.inserted + self.updated + self.unchanged + self.stale + self.rejected
        if self.read != parts:
            raise InvariantBroken(f"{self.read} rows read but {parts} accounted for: {self}")
        return self


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a slice cost at the vendor. Latencies are milliseconds, one per answered request."""

    pages: int = 0
    requests: int = 0
    retries: int = 0
    errors: int = 0
    bytes_received: int = 0
    latencies_ms: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A slice before its transaction: all that was read, and where reading continues.

    ``redriven`` names the rejects that are loaded again, each with the record's id as it is read now.
    """

    slice_id: str
    run_id: str
    kind: str
    cursor_after: Cursor
    has_more: bool
    records: Sequence[Record] = ()
    rejects: Sequence[Reject] = ()
    redriven: Sequence[tuple[int, str]] = ()
    archived: Sequence[str] = ()
    sighting: int | None = None
    deletions: Sequence[str] = ()
    deleted_generation: int | None = None
    forget_generations_before: int | None = None
    progress: Progress | None = None
    traffic: Traffic = field(default_factory=Traffic)
    fetch_ms: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """A slice that is durable in Postgres."""

    seq: int
    cursor: Cursor
    has_more: bool
    counts: Counts
    merge_ms: int = 0


class Outcome(StrEnum):
    """How an invocation of the worker ended. None of these is an error to SQS."""

    COMMITTED = "committed"
    CAUGHT_UP = "caught_up"
    LEASE_HELD = "lease_held"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    DEFERRED = "deferred"
    WAITING = "waiting"
    RUN_FAILED = "run_failed"


@dataclass(frozen=True, slots=True)
class SliceReport:
    """What the worker's caller logs and counts: one canonical line per slice."""

    outcome: Outcome
    key: StreamKey
    detail: str = ""
    seq: int | None = None
    run_id: str | None = None
    fencing_token: int | None = None
    counts: Counts = field(default_factory=Counts)
    traffic: Traffic = field(default_factory=Traffic)
    timings_ms: dict[str, int] = field(default_factory=dict)


def run_of(claim: Claim) -> str:
    """The run that a claim's slice belongs to; a draft without one is a bug."""
    if claim.run_id is None:
        raise InvariantBroken(f"{claim.key}: a draft without an open run")
    return claim.run_id
