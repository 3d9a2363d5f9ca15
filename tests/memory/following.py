"""Streams that follow another one. Marks are read for each thing that a work list names; charges are listed,
and a derive step says whose each is, as far as the thing it refers to is known.

Both vendors are pure functions of the time. ``tracking`` (derived rows) says when each thing's mark is due:
things write it when they come and go, marks when they were read. ``owners`` says whose a charge is.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sluice.core.budget import Budget
from sluice.core.records import (
    Column,
    Cursor,
    Derivation,
    Derive,
    Page,
    ReadDue,
    ReadPages,
    Reconcile,
    Record,
    Step,
    Table,
    WorkList,
)
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from tests.memory.deriving import Asking, Batch, Changes, Programs
from tests.memory.streams import THINGS, thing, values_of

IN_SQL_ONLY = "no SQL in memory"
TRACKED_THINGS = replace(THINGS, derivations=(Derivation("track things", IN_SQL_ONLY),))
MARKS = Table(
    "public",
    "marks",
    "thing_id",
    (Column("size", "integer"),),
    derivations=(Derivation("note marks", IN_SQL_ONLY),),
)
CHARGES = Table("public", "charges", "charge_id", (Column("size", "integer"),))

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
EVERY = timedelta(minutes=10)
DONE = 9
"""The mark from which on a thing is not asked for any more."""


@dataclass(frozen=True)
class Tracked:
    """A row of ``tracking``; not due for ever once the thing is gone or done."""

    alive: bool
    done: bool = False
    checked_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.alive and not self.done

    @property
    def due_at(self) -> datetime | None:
        if not self.is_open:
            return None
        return NEVER if self.checked_at is None else self.checked_at + EVERY


@dataclass(frozen=True)
class Truth:
    """What the vendors have at a moment. ``refuses`` may raise for a request, as a vendor does."""

    began: datetime
    refuses: Callable[[], None] = lambda: None

    def mark(self, record_id: str, now: datetime) -> int | str:
        """It grows, for all but some; some are not readable at first."""
        drawn = zlib.crc32(record_id.encode())
        grown = 0 if drawn % 5 == 0 else (now - self.began) // timedelta(minutes=20)
        mark = drawn % 4 + grown
        return "big" if drawn % 7 == 0 and mark < 3 else mark

    def charges(self, now: datetime) -> int:
        return (now - self.began) // timedelta(minutes=2)

    def charge(self, number: int) -> Record:
        """Its size is the number of the thing that it is for."""
        return thing(f"c{number}", zlib.crc32(f"charge {number}".encode()) % 75)


def owner_of(thing_number: int) -> str:
    return f"owner of t{thing_number:03}"


# --- what the statements' names stand for -------------------------------------------------------------


def programs() -> Programs:
    return Programs(
        derivations={"track things": _track_things, "note marks": _note_marks},
        work={"marks due": _marks_due},
        steps={"attribute": _attribute},
    )


def _track_things(batch: Batch) -> Changes:
    held: Mapping[str, Tracked] = batch.derived.get("tracking", {})
    return {
        "tracking": {
            i: replace(held.get(i, Tracked(alive=True)), alive=batch.rows[i].deleted_at is None)
            for i in batch.written
        }
    }


def _note_marks(batch: Batch) -> Changes:
    """Whatever was read was checked, also when it was unchanged or rejected."""
    held: Mapping[str, Tracked] = batch.derived.get("tracking", {})
    return {
        "tracking": {
            i: replace(
                held[i],
                done=held[i].done or (i in batch.rows and batch.rows[i].values[0] >= DONE),
                checked_at=batch.now,
            )
            for i in batch.incoming
            if i in held
        }
    }


def _marks_due(asking: Asking) -> Sequence[Mapping[str, Any]]:
    """What is due, and in a full read whatever was not checked since it began."""
    tracking: Mapping[str, Tracked] = asking.derived.get("tracking", {})
    now, since = asking.parameters["now"], asking.parameters["since"] or NEVER
    due = [
        (at.due_at, i)
        for i, at in tracking.items()
        if at.due_at is not None and (at.due_at <= now or (at.checked_at or NEVER) < since)
    ]
    return [{"thing_id": i} for _, i in sorted(due)[: asking.parameters["limit"]]]


def _attribute(asking: Asking) -> tuple[Changes, Mapping[str, int]]:
    known, things = asking.derived.get("owners", {}), asking.rows("things")
    unknown = {i: row.values[0] for i, row in asking.rows("charges").items() if i not in known}
    found = {i: owner_of(n) for i, n in unknown.items() if f"t{n:03}" in things}
    return {"owners": found}, {"attributed": len(found), "left": len(unknown) - len(found)}


# --- streams ------------------------------------------------------------------------------------------


@dataclass
class Following:
    """What both streams share of ``core.ports.Stream``."""

    truth: Truth
    vendor_now: Callable[[], datetime]
    slice_rows: int = 20
    slice_requests: int = 20
    pages_read: int = 0
    closed: int = 0
    asked: list[ReadPages] = field(default_factory=list)

    table: ClassVar[Table]

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        return True

    def after_reconcile(self, cursor: Cursor, step: Reconcile, judged_up_to: str | None) -> Cursor:
        return cursor

    def values(self, record: Record) -> Sequence[Any]:
        return values_of(record)

    def record_of(self, raw: str) -> Record:
        row = json.loads(raw)
        return thing(row["id"], row["size"])

    def traffic(self) -> Traffic:
        return Traffic(pages=self.pages_read, requests=self.pages_read)

    def close(self) -> None:
        self.closed += 1

    def _request(self, budget: Budget) -> datetime:
        self.truth.refuses()
        budget.spend(requests=1)
        self.pages_read += 1
        return self.vendor_now()


@dataclass
class Marks(Following):
    """Asks for the marks of what its work list names, one request each. Its cursor: ``looked_at``, ``more``
    and the last full read that was completed, ``full``."""

    table = MARKS

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        since = full_since
        if since is not None and _moment(cursor.get("full")) >= since:
            since = None
        rests = now - _moment(cursor.get("looked_at")) < timedelta(minutes=1)
        if since is None and rests and not cursor["more"]:
            return None
        work = WorkList("marks due", IN_SQL_ONLY, {"since": since})
        if since is None:
            return ReadDue("marks", work)
        at_end = {"looked_at": now.isoformat(), "more": False, "full": since.isoformat()}
        return ReadDue("marks", work, {"since": since.isoformat()}, at_end)

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        self.asked.append(step)
        full = cursor.get("full", NEVER.isoformat())
        for number, row in enumerate(step.due):
            now = self._request(budget)
            more = number + 1 < len(step.due) or len(step.due) >= self.slice_requests
            at = {
                "looked_at": budget.clock().isoformat(),
                "more": more,
                "full": full if more else step.detail.get("since", full),
            }
            yield Page([thing(row["thing_id"], self.truth.mark(row["thing_id"], now))], at)


@dataclass
class Charges(Following):
    """Lists charges, then has them attributed. Its cursor: ``read``, ``asked_at``, and ``news`` while there
    are charges that nobody looked at."""

    table = CHARGES

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        if cursor.get("news"):
            return Derive(
                "attribute", Derivation("attribute", IN_SQL_ONLY), {**cursor, "news": False}
            )
        asked_at = _moment(cursor.get("asked_at"))
        is_old = full_since is not None and asked_at < min(full_since, now)
        return ReadPages("charges") if is_old or now - asked_at >= EVERY else None

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """Ten at once; only the last page says that the list was read."""
        read, began = cursor.get("read", 0), budget.clock().isoformat()
        asked_at = cursor.get("asked_at", NEVER.isoformat())
        while True:
            there = self.truth.charges(self._request(budget))
            upto = min(read + 10, there)
            last = upto == there
            at = {"read": upto, "asked_at": began if last else asked_at, "news": last}
            yield Page([self.truth.charge(n) for n in range(read, upto)], at)
            read = upto
            if last:
                return


def _moment(text: str | None) -> datetime:
    return NEVER if text is None else datetime.fromisoformat(text)
