"""What travels from a vendor to a table: records, pages of them, and the tables they go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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
class Table:
    """A destination, declared in code and never taken from data (so its names are safe to quote).

    Beside ``columns`` every table has: ``client_id``, ``key`` (text), ``content_hash`` uuid,
    ``version`` bigint, ``document`` jsonb, ``inserted_at``, ``updated_at``, ``deleted_at``,
    ``deleted_generation`` and, when ``archives``, ``archived_at``.
    """

    schema: str
    name: str
    key: str
    columns: Sequence[Column]
    archives: bool = False


@dataclass(frozen=True, slots=True)
class ReadPages:
    """Next step of a stream: read pages. ``kind`` is for logs and the run record (``crawl``...)."""

    kind: str
    detail: Cursor = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Next step of a stream: remove what a complete listing no longer had.

    ``generation`` is the listing; ``started_at`` when it began; ``after`` the last candidate already
    judged. ``judged`` and ``deleted`` count what earlier slices of this reconcile did.
    """

    generation: int
    started_at: datetime
    after: str | None = None


Step = ReadPages | Reconcile
