"""What travels from a vendor to a table: records, pages of them, and the tables they go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sluice.core.keys import StreamKey

Cursor = Mapping[str, Any]
"""Where reading of a stream continues. JSON; only the stream that wrote it reads inside."""


@dataclass(frozen=True, slots=True)
class Record:
    """One vendor row, read whole and not yet validated.

    ``id`` is the vendor's key as text; ``hash`` is 16 bytes over the business fields in canonical
    order (a hash only skips work, it never decides versions); ``raw`` is those fields as canonical
    JSON (UTF-8). ``version`` rises with each change at the vendor; None where the vendor has no such
    number: the slice's own seq then stands in, which is an order too because commits are fenced.
    """

    id: str
    hash: bytes
    raw: bytes
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """One vendor row that cannot be loaded, with everything needed to mend and redrive it.

    ``raw`` is the row as JSON text in ASCII (so NUL and lone surrogates survive as escapes), or the
    bytes as they came, decoded with replacement, where even that cannot be had.
    """

    record_id: str | None
    reason: str
    field: str | None
    raw: str


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that adds up, and that counts once however often it is read.

    ``id`` names the occurrence within its stream, at the vendor; ``amount`` is added to ``counter`` of
    ``subject``. Two readings of one id are the same fact: the first one counts.
    """

    id: str
    subject: str
    counter: str
    amount: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class PushEvent:
    """One row as a vendor pushed it. ``event_id`` is the delivery's: a vendor delivers more than once.

    ``record.version`` is required: what arrives last is not what happened last. ``gone`` says that the
    vendor deleted it at that version; the record's content is then of no interest.
    """

    event_id: str
    key: StreamKey
    record: Record
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a listing is, where the vendor tells: both in rows, ``total`` may be an estimate."""

    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One complete, trusted answer of the vendor. ``cursor`` is valid once this page is stored.

    ``sighting`` names the generation in whose listing these records were seen, when there is one.
    ``archived`` are ids that the vendor reports as archived.
    """

    records: Sequence[Record]
    cursor: Cursor
    rejects: Sequence[Reject] = ()
    archived: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    sighting: int | None = None
    progress: Progress | None = None

    @property
    def rows(self) -> int:
        return len(self.records) + len(self.rejects) + len(self.archived)


@dataclass(frozen=True, slots=True)
class Column:
    """A typed column of a destination table: its name and its Postgres type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Derivation:
    """A set-based statement that keeps other rows in step, in the same transaction as what it follows.

    As one of ``Table.derivations`` it runs after rows of that table were read, written or removed, and may
    use the temporary tables ``incoming (id text, hash uuid, version bigint)``, each record of the batch that
    could be compared (also what was unchanged, stale or rejected), and ``written (id text)``, what was
    inserted or updated of them. Of rows that were soft-deleted, buried or archived ``incoming`` is empty and
    ``written`` has their ids. Of a table with ``partitions`` there is ``staged``, too: rows on their way in, by
    key and columns, whether or not the insert took them. As the statement of a ``Derive`` step it has its
    step's parameters.

    A batch may come in parts, when a row of it cannot be stored: each statement must mind only the ids that
    it is given. A row whose derivation fails for what stands in it is rejected as one that does not fit its
    own table. ``sql`` is code, never data; ``%(client_id)s`` is always there, and a percent sign is written
    twice. What it locks of rows that other streams write too, it locks in the order of their keys.
    """

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Partitions:
    """How a table is partitioned: by ranges of its key, byte by byte. The first ``prefix`` characters of a key
    name its partition.

    ``make_room`` is code: one statement that makes the partitions ``%(parts)s`` (text[]) where they are missing,
    in a transaction of its own before a slice's. A row for which it makes no room is rejected.
    """

    prefix: int
    make_room: str


@dataclass(frozen=True, slots=True)
class Table:
    """A destination, declared in code and never taken from data (so its names are safe to quote).

    Beside ``columns`` every table has: ``client_id``, ``key`` (text), ``content_hash`` uuid,
    ``version`` bigint, ``document`` jsonb, ``inserted_at``, ``updated_at``, ``deleted_at``,
    ``deleted_generation`` and, when ``archives``, ``archived_at``.

    ``derivations`` run in the transaction of every write, in this order. ``point_reads_need_document`` says
    that the vendor cannot be asked for a row by its key alone: candidates for removal then come with theirs.

    With ``partitions`` it is a ledger: a row is inserted once and never changed, whatever comes under its key.
    Without ``set_based`` each row is stored and derived from alone, by the same statements: much slower, and
    the same in the end.
    """

    schema: str
    name: str
    key: str
    columns: Sequence[Column]
    archives: bool = False
    derivations: Sequence[Derivation] = ()
    point_reads_need_document: bool = False
    partitions: Partitions | None = None
    set_based: bool = True


@dataclass(frozen=True, slots=True)
class ReadPages:
    """Next step of a stream: read pages. ``kind`` is for logs and the run record (``crawl``...).

    ``due`` is what a work list brought, when the step was a ``ReadDue``.
    """

    kind: str
    detail: Cursor = field(default_factory=dict)
    due: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class WorkList:
    """A question to our own database: which objects shall be asked for next. One query that reads no more
    than it needs; each row of its answer becomes a mapping by column name.

    ``sql`` is code; it has ``parameters``, ``%(client_id)s``, ``%(now)s`` and, where ``parameters`` has none
    of its own, ``%(limit)s``: the requests that a slice may make.
    """

    name: str
    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadDue:
    """Next step of a stream: ask the work list, then read what it names as ``ReadPages`` with ``due``.

    An empty list is no work: with no run open and nobody asking, nothing is stored; an open run ends. So
    what else is due comes before it, and the cursor of the pages says when to look again. Where an empty list
    ends something, as a full read of a list that held just as much as its slices, ``at_end`` is the cursor that
    says so, and it is stored.
    """

    kind: str
    work: WorkList
    detail: Cursor = field(default_factory=dict)
    at_end: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A step of the engine's own: store a cursor, and nothing else."""

    cursor: Cursor
    kind: str


@dataclass(frozen=True, slots=True)
class Derive:
    """Next step of a stream: no vendor, one set-based statement in the slice's own transaction.

    The statement answers one row; its columns are numbers, which the slice's log keeps by name.
    ``cursor`` is where the stream stands once it is stored.
    """

    kind: str
    derivation: Derivation
    cursor: Cursor
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Within:
    """The part of a table that a windowed listing covers: ``column`` (timestamptz) from ``since`` up to, and
    without, ``until``. Rows without a value are outside."""

    column: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Next step of a stream: remove what a complete listing no longer had.

    ``generation`` is the listing; ``started_at`` when it began; ``after`` the last candidate already
    judged; ``within`` the part of the table that was listed (None: all of it, brake included).
    """

    generation: int
    started_at: datetime
    after: str | None = None
    within: Within | None = None


Step = ReadPages | ReadDue | Derive | Reconcile
