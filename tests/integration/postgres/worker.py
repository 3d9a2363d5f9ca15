"""A worker before a vendor in memory and a real database: whatever a page holds goes all the way."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import psycopg

from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.slices import Counts, SliceReport
from sluice.core.steering.ports import BookSwitches
from sluice.postgres.commits import PostgresCommits
from sluice.usecases.admission import ClientDesks
from sluice.usecases.run_slice import Kit, run_slice
from tests.memory.book import MemoryBook
from tests.memory.deliveries import MemoryDeliveries
from tests.memory.leases import MemoryLeases
from tests.memory.messages import MemoryMessages
from tests.unit.sources.cars_vendor import CarsVendor, Clock
from tests.unit.sources.slices import opened

Rows = psycopg.Connection[tuple[object, ...]]
MOST_SLICES = 50


def new_key() -> StreamKey:
    """A client of its own, so that tests may share a database."""
    return StreamKey(f"client-{uuid.uuid4().hex[:12]}", "cars", "cars")


@dataclass
class Worker:
    """Runs a client's slices through the real engine, stream and commits, on a clock of its own.

    ``rows`` are the vendor's cars as JSON texts: its one page holds exactly these bytes.
    """

    commits: PostgresCommits
    rows: Sequence[bytes] = ()
    key: StreamKey = field(default_factory=new_key)
    clock: Clock = field(default_factory=Clock)
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    messages: MemoryMessages = field(default_factory=MemoryMessages)
    book: MemoryBook = field(default_factory=MemoryBook)
    stream: Stream = field(init=False)

    def __post_init__(self) -> None:
        vendor = CarsVendor(self.clock, [], spoil=self._page)
        self.stream = opened(vendor, self.clock, page_size=250, concurrency=1)

    def open(self, key: StreamKey) -> Stream:
        """Implements ``core.ports.Streams``: there is one stream here."""
        return self.stream

    def read_all(self, rows: Sequence[bytes]) -> Counts:
        """A complete crawl of these rows, and whatever else becomes due; what became of them."""
        self.rows = rows
        self.clock.sleep(60)
        return self._run("manual", full=True)

    def redrive(self) -> Counts:
        return self._run("redrive", full=False)

    def _run(self, reason: str, *, full: bool) -> Counts:
        full_since = self.clock() if full else None
        self.messages.ask_for_slice(self.key, reason=reason, full_since=full_since)
        reports = list(self._reports())
        failed = [report for report in reports if report.outcome not in ("committed", "deferred")]
        assert not failed, failed
        return _sum(report.counts for report in reports)

    def _reports(self) -> Iterator[SliceReport]:
        kit = Kit(
            leases=self.leases,
            commits=self.commits,
            messages=self.messages,
            deliveries=MemoryDeliveries(),
            desks=ClientDesks(self.book, self.clock),
            switches=BookSwitches(self.book, self.clock),
            streams=self,
            clock=self.clock,
            new_id=lambda: str(uuid.uuid4()),
            chance=lambda: 0.5,
        )
        for _ in range(MOST_SLICES):
            taken = self.messages.take_all()
            if not taken:
                return
            for message in taken:
                yield run_slice(message, self.clock() + timedelta(seconds=60), kit)
                self.clock.sleep(5)
        raise AssertionError(f"not caught up after {MOST_SLICES} rounds")

    def _page(self, request: httpx.Request, _before: int) -> httpx.Response | None:
        query = request.url.params
        if request.url.path != "/api/cars" or "minutes" in query or query["page"] != "1":
            return None
        body = b'{"data":[%b],"meta":{"current_page":1,"last_page":1}}' % b",".join(self.rows)
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})


def _sum(counts: Iterator[Counts]) -> Counts:
    total = [0] * 7
    for each in counts:
        parts = (each.read, each.inserted, each.updated, each.unchanged, each.stale)
        both = (*parts, each.rejected, each.deleted)
        total = [a + b for a, b in zip(total, both, strict=True)]
    return Counts(*total)


def row(**fields: Any) -> bytes:
    """A car as the vendor writes it."""
    return json.dumps(fields).encode()


def loaded(rows: Rows, key: StreamKey) -> dict[str, Any]:
    """The client's cars by id: their documents."""
    found = rows.execute(
        "SELECT car_id, document FROM cars WHERE client_id = %s", (key.client_id,)
    ).fetchall()
    return {str(car_id): document for car_id, document in found}


@dataclass(frozen=True)
class KeptReject:
    """A row of ``sluice.rejects``."""

    record_id: str | None
    field: str | None
    reason: str
    raw: str
    times: int
    resolution: str | None


def rejects(rows: Rows, key: StreamKey) -> list[KeptReject]:
    """The client's rejects, oldest first."""
    query = (
        "SELECT record_id, field, reason, raw, times, resolution FROM sluice.rejects"
        " WHERE stream_key = %s ORDER BY reject_id"
    )
    with rows.cursor(row_factory=psycopg.rows.class_row(KeptReject)) as cursor:
        return cursor.execute(query, (str(key),)).fetchall()
