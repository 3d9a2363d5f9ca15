"""A vendor's catalogue in memory and a stream over it: listings in generations, and point reads.

The vendor misbehaves as it is told to: ``script`` holds, for the next page requests, an error to
raise or None; ``lose_after`` cuts a listing short that then claims to be complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import xxhash

from sluice.core.budget import Budget
from sluice.core.errors import RowRejected, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.records import (
    Column,
    Cursor,
    Page,
    Progress,
    ReadPages,
    Reconcile,
    Record,
    Step,
    Table,
)
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic

THINGS = Table("public", "things", "thing_id", (Column("size", "integer"),), archives=True)


@lru_cache(4096, typed=True)
def thing(record_id: str, size: Any = 1, version: int | None = None) -> Record:
    """A record as a stream reads it; a size that is no number cannot be loaded. Remembered: listings are read
    again and again."""
    raw = json.dumps({"id": record_id, "size": size}).encode()
    return Record(record_id, xxhash.xxh3_128_digest(raw), raw, version)


def values_of(record: Record) -> Sequence[Any]:
    size = json.loads(record.raw)["size"]
    if not isinstance(size, int):
        raise RowRejected("a size is a number", field="size")
    return (size,)


@dataclass
class Vendor:
    """The truth: things by id, with versions where there are any. ``page_takes`` is called at each page
    request, to move a clock."""

    things: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    page_rows: int = 10
    script: list[Exception | None] = field(default_factory=list)
    lose_after: str | None = None
    point_read_fails: Exception | None = None
    page_takes: Callable[[], None] = lambda: None
    pages_read: int = 0
    contradictions: int = 0
    point_reads: list[str] = field(default_factory=list)

    def page_after(self, after: str) -> tuple[list[str], bool]:
        """The next ids in order, and whether they are the last."""
        self.page_takes()
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        self.pages_read += 1
        ids = sorted(i for i in self.things if i > after)
        if self.lose_after is not None:
            ids = [i for i in ids if i <= self.lose_after]
        return ids[: self.page_rows], len(ids) <= self.page_rows

    def has(self, record_id: str) -> bool:
        if self.point_read_fails is not None:
            raise self.point_read_fails
        self.point_reads.append(record_id)
        return record_id in self.things


@dataclass
class Listing:
    """Implements ``core.ports.Stream``: a crawl, then a reconcile, then nothing until asked anew.

    Its cursor: ``generation``, ``began`` and then ``after`` (crawl), ``judged`` (reconcile) or neither.
    """

    vendor: Vendor
    slice_rows: int = 30
    slice_requests: int = 100
    table: Table = THINGS
    closed: int = 0

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        if not cursor or "after" in cursor:
            return ReadPages("crawl")
        if "judged" in cursor:
            began = datetime.fromisoformat(cursor["began"])
            return Reconcile(cursor["generation"], began, cursor["judged"])
        if full_since is not None and datetime.fromisoformat(cursor["began"]) < full_since:
            return ReadPages("crawl")
        return None

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        generation, began, after = _crawl_of(cursor, budget)
        last, done = False, 0
        while not last:
            ids, last = self.vendor.page_after(after)
            budget.spend(requests=1)
            after, done = (ids[-1] if ids else after), done + len(ids)
            at = {"generation": generation, "began": began}
            yield Page(
                records=[thing(i, self.vendor.things[i], self.vendor.versions.get(i)) for i in ids],
                cursor={**at, "judged": None} if last else {**at, "after": after},
                sighting=generation,
                progress=Progress(done, len(self.vendor.things)),
            )

    def still_exists(self, candidate: Candidate, budget: Budget) -> bool:
        budget.spend(requests=1)
        return self.vendor.has(candidate.record_id)

    def after_reconcile(self, cursor: Cursor, step: Reconcile, judged_up_to: str | None) -> Cursor:
        at = {"generation": cursor["generation"], "began": cursor["began"]}
        return at if judged_up_to is None else {**at, "judged": judged_up_to}

    def values(self, record: Record) -> Sequence[Any]:
        return values_of(record)

    def record_of(self, raw: str) -> Record:
        row = json.loads(raw)
        return thing(row["id"], row["size"])

    def traffic(self) -> Traffic:
        return Traffic(
            pages=self.vendor.pages_read,
            requests=self.vendor.pages_read,
            contradictions=self.vendor.contradictions,
        )

    def close(self) -> None:
        self.closed += 1


def _crawl_of(cursor: Cursor, budget: Budget) -> tuple[int, str, str]:
    """The crawl under way, or the next one."""
    if "after" in cursor:
        return cursor["generation"], cursor["began"], cursor["after"]
    return cursor.get("generation", 0) + 1, budget.clock().isoformat(), ""


@dataclass
class MemoryStreams:
    """Opens the streams it was given; what else is asked for is unknown."""

    streams: dict[StreamKey, Listing] = field(default_factory=dict)
    refuses: Exception | None = None

    def open(self, key: StreamKey) -> Listing:
        if self.refuses is not None:
            raise self.refuses
        if key not in self.streams:
            raise StreamUnknown(f"{key} is not in the registry")
        return self.streams[key]
