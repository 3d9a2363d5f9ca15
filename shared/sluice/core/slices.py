"""The life of a slice in frozen values: lease, claim, draft, counts, what was committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sluice.core.errors import InvariantBroken
from sluice.core.keys import StreamKey
from sluice.core.records import Cursor, Derive, Fact, Progress, Record, Reject
from sluice.core.removal import Candidate


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a stream until ``until``, with the watermark as DynamoDB last learnt it.

    ``not_before`` is when the vendor, asked last, said it can be asked again: a schedule tick leaves
    the stream alone until then, the delayed continuation is on its way. ``took_over`` says that a lease
    had lapsed and was still held: its holder died, and what it was to send may never have been sent. (Or
    that our own write was sent twice: then nobody knows.)
    """

    key: StreamKey
    owner: str
    fencing_token: int
    until: datetime
    watermark: Cursor | None = None
    watermark_seq: int = 0
    continued_seq: int = 0
    not_before: datetime | None = None
    took_over: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message came: its id, which it keeps when it comes again, this delivery's receipt, and the
    name of its queue."""

    message_id: str
    receipt: str
    queue: str = ""


@dataclass(frozen=True, slots=True)
class LeaseHeld:
    """Somebody else holds the stream. ``base_seq`` is the seq that they work on from: what their message
    continues, or, when it continues nothing, the item's seq as they found it. ``delivery`` is the id of
    that message."""

    owner: str
    until: datetime
    base_seq: int
    delivery: str | None = None


@dataclass(frozen=True, slots=True)
class Resting:
    """Nobody holds the stream, and its vendor wants to be left alone until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What Postgres says about a stream once every older holder is shut out. ``full_since`` is the latest
    moment since which somebody asked for a full read; ``run_reason`` is why the open run was begun. ``follows``
    is the id of the slice that this position is of, None before the first: after both stores fell back a token
    and a seq may be given twice, an id is not."""

    key: StreamKey
    fencing_token: int
    seq: int
    cursor: Cursor
    has_more: bool
    run_id: str | None
    full_since: datetime | None = None
    run_reason: str | None = None
    follows: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows read. ``deleted`` are rows removed, which were not read; ``facts`` were
    read beside the rows, and ``counted`` of them for the first time."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejected: int = 0
    deleted: int = 0
    facts: int = 0
    counted: int = 0

    def check(self) -> Counts:
        """Return self, or raise InvariantBroken when a row was read and then lost or counted twice."""
        parts = self.inserted + self.updated + self.unchanged + self.stale + self.rejected
        if self.read != parts:
            raise InvariantBroken(f"{self.read} rows read but {parts} accounted for: {self}")
        return self


@dataclass(frozen=True, slots=True)
class EndpointTraffic:
    """Requests to one endpoint. ``endpoint`` is a path's template, without ids. ``ms`` is the time of all its
    requests together, answered or not: of requests side by side each counts."""

    endpoint: str
    requests: int = 0
    retries: int = 0
    errors: int = 0
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a slice cost at the vendor. Latencies are milliseconds, one per answered request; ``waited_ms`` is
    how long requests waited for their turn at the account, those that waited together counted once;
    ``contradictions`` are questions to which the vendor said that there is nothing, and then that there is."""

    pages: int = 0
    requests: int = 0
    retries: int = 0
    errors: int = 0
    bytes_received: int = 0
    latencies_ms: Sequence[int] = ()
    waited_ms: int = 0
    endpoints: Sequence[EndpointTraffic] = ()
    contradictions: int = 0

    def plus(self, other: Traffic) -> Traffic:
        """Both together; of an endpoint that both asked, the sums."""
        return Traffic(
            pages=self.pages + other.pages,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            errors=self.errors + other.errors,
            bytes_received=self.bytes_received + other.bytes_received,
            latencies_ms=(*self.latencies_ms, *other.latencies_ms),
            waited_ms=self.waited_ms + other.waited_ms,
            endpoints=_summed([*self.endpoints, *other.endpoints]),
            contradictions=self.contradictions + other.contradictions,
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A slice before its transaction: all that was read, and where reading continues. ``has_more`` is
    known at the end of the fetch.

    ``redriven`` names the rejects that are loaded again, each with the record's id as it is read now.
    ``derive`` is a statement to run in the transaction, when that is the slice's step.
    """

    slice_id: str
    run_id: str
    kind: str
    cursor_after: Cursor
    has_more: bool = True
    records: Sequence[Record] = ()
    rejects: Sequence[Reject] = ()
    redriven: Sequence[tuple[int, str]] = ()
    archived: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    sighting: int | None = None
    deletions: Sequence[Candidate] = ()
    deleted_generation: int | None = None
    forget_generations_before: int | None = None
    derive: Derive | None = None
    progress: Progress | None = None
    traffic: Traffic = field(default_factory=Traffic)
    fetch_ms: int = 0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """A slice that is durable in Postgres. ``derived`` is what its derive step answered, by name; ``note``
    what the log says of it.

    ``merge_ms`` is from the lock to the log, ``derive_ms`` the part of it that derivations took.
    ``database_ms`` is in transactions since the claim, ``begin_ms`` the part of it until they had begun:
    connecting, or waiting for a pooler to have a server free.
    """

    seq: int
    cursor: Cursor
    has_more: bool
    counts: Counts
    merge_ms: int = 0
    derive_ms: int = 0
    database_ms: int = 0
    begin_ms: int = 0
    derived: Mapping[str, int] = field(default_factory=dict)
    note: str | None = None


class Outcome(StrEnum):
    """How an invocation of the worker ended. None of these is an error to SQS."""

    COMMITTED = "committed"
    CAUGHT_UP = "caught_up"
    LEASE_HELD = "lease_held"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    DEFERRED = "deferred"
    WAITING = "waiting"
    IN_LINE = "in_line"
    PAUSED = "paused"
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
    slice_id: str | None = None
    counts: Counts = field(default_factory=Counts)
    traffic: Traffic = field(default_factory=Traffic)
    timings_ms: dict[str, int] = field(default_factory=dict)
    derived: Mapping[str, int] = field(default_factory=dict)


def by_endpoint(traffic: Traffic) -> dict[str, dict[str, int]]:
    """What each endpoint was asked and cost, by its name, as records and lines keep it."""
    return {
        each.endpoint: {
            "requests": each.requests,
            "retries": each.retries,
            "errors": each.errors,
            "ms": each.ms,
        }
        for each in traffic.endpoints
    }


def _summed(parts: Sequence[EndpointTraffic]) -> tuple[EndpointTraffic, ...]:
    sums: dict[str, EndpointTraffic] = {}
    for part in parts:
        held = sums.get(part.endpoint, EndpointTraffic(part.endpoint))
        sums[part.endpoint] = EndpointTraffic(
            part.endpoint,
            held.requests + part.requests,
            held.retries + part.retries,
            held.errors + part.errors,
            held.ms + part.ms,
        )
    return tuple(sums.values())


def in_words(derived: Mapping[str, int]) -> str | None:
    """What a derive step answered and is not nothing, as a slice's note says it; None when all is."""
    return ", ".join(f"{name} {number}" for name, number in derived.items() if number) or None


def run_of(claim: Claim) -> str:
    """The run that a claim's slice belongs to; a draft without one is a bug."""
    if claim.run_id is None:
        raise InvariantBroken(f"{claim.key}: a draft without an open run")
    return claim.run_id
