"""The audit: rows that are only ever added, each chained to the one before it by its digest.

The database makes number, moment, login and digest (migration 0006) and refuses every other change.
Here the digests are made once more and compared: a row that its owner changed after switching that off,
or took away, is found. What was cut off at the end is found by the row that the book remembers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from sluice.core.steering.ports import Change
from sluice.core.steering.switches import Recorded

LOCK_TIMEOUT = "10s"
"""Of waiting for another writer's transaction to end."""

BATCH = 1000

_RECORD: LiteralString = """
INSERT INTO sluice.audit (actor, action, scope, before, after, why)
VALUES (%(actor)s, %(action)s, %(scope)s, %(before)s, %(after)s, %(why)s)
RETURNING number, digest
"""

_SELECT: LiteralString = """
SELECT number, at, login, actor, action, scope, before, after, why, previous, digest FROM sluice.audit
"""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who changed what. ``actor`` is who the command says, ``login`` is who the database says."""

    number: int
    at: datetime
    login: str
    actor: str
    action: str
    scope: str
    before: str | None
    after: str | None
    why: str | None
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How many rows follow each other as they should, and what is wrong with the next, if anything."""

    rows: int
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class PostgresAudit:
    """Implements ``core.steering.Audit``. Each call is one short transaction of the connection."""

    connection: psycopg.Connection[Any]

    def record(self, change: Change) -> Recorded:
        parameters = {
            "actor": change.actor,
            "action": change.action,
            "scope": change.scope,
            "before": change.before,
            "after": change.after,
            "why": change.why,
        }
        with self.connection.transaction():
            cursor = self.connection.cursor(row_factory=class_row(Recorded))
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
            row = cursor.execute(_RECORD, parameters).fetchone()
        if row is None:
            raise psycopg.InternalError("an INSERT of one row returned none")
        return row

    def newest(self, limit: int) -> Sequence[AuditRow]:
        """The last rows, newest first."""
        cursor = self.connection.cursor(row_factory=class_row(AuditRow))
        return cursor.execute(f"{_SELECT} ORDER BY number DESC LIMIT %s", (limit,)).fetchall()

    def verify(self, known: Recorded | None = None) -> Verified:
        """Read every row and make its digest anew. ``known`` is a row that was there once."""
        return verify_chain(self._all(), known)

    def _all(self) -> Iterator[AuditRow]:
        last = 0
        while True:
            cursor = self.connection.cursor(row_factory=class_row(AuditRow))
            query = f"{_SELECT} WHERE number > %s ORDER BY number LIMIT %s"
            rows = cursor.execute(query, (last, BATCH)).fetchall()
            yield from rows
            if len(rows) < BATCH:
                return
            last = rows[-1].number


def verify_chain(rows: Iterable[AuditRow], known: Recorded | None = None) -> Verified:
    """Whether the rows, oldest first, are all there and as they were written, ``known`` among them."""
    count, digest = 0, ""
    for row in rows:
        fault = _fault(row, count + 1, digest, known)
        if fault:
            return Verified(count, fault)
        count, digest = row.number, row.digest
    if known is not None and count < known.number:
        return Verified(
            count, f"row {count + 1} and all after it are missing, up to {known.number}"
        )
    return Verified(count)


def digest_of(row: AuditRow) -> str:
    """The digest that the row should have: over its fields, each with its length, and over the digest
    before it."""
    at = row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    fields = (row.previous, str(row.number), at, row.login, row.actor, row.action, row.scope,
              row.before, row.after, row.why)  # fmt: skip
    text = ",".join("-" if field is None else f"{len(field)}:{field}" for field in fields)
    return hashlib.sha256(text.encode()).hexdigest()


def _fault(row: AuditRow, expected: int, previous: str, known: Recorded | None) -> str | None:
    if row.number != expected:
        return f"row {expected} is missing: row {row.number} follows"
    if row.previous != previous:
        return f"row {row.number} does not follow the row before it: one of them was replaced"
    if row.digest != digest_of(row):
        return f"row {row.number} was changed after it was written"
    if known is not None and row.number == known.number and row.digest != known.digest:
        return f"row {row.number} is another than the one that a switch was made by"
    return None
