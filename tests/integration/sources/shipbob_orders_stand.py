"""A merchant of the simulated ShipBob, a worker for its streams, and the database they end up in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from local.postgres import Database
from local.vendors.shipbob.control import ShipBobControl
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.slices import Counts, Outcome, SliceReport
from sluice.core.steering.ports import BookSwitches
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from sluice.usecases.admission import ClientDesks
from sluice.usecases.run_slice import Kit, run_slice
from tests.memory.book import MemoryBook
from tests.memory.deliveries import MemoryDeliveries
from tests.memory.leases import MemoryLeases
from tests.memory.messages import MemoryMessages

MERCHANT = "acme"
TABLES = {
    "orders": ("shipbob_orders", "order_id", "orders"),
    "products": ("shipbob_products", "product_id", "products"),
    "returns": ("shipbob_returns", "return_id", "returns"),
    "receiving_orders": ("shipbob_receiving_orders", "receiving_order_id", "receivings"),
}
FINE = {Outcome.COMMITTED, Outcome.CAUGHT_UP, Outcome.DEFERRED}


@dataclass
class Stand:
    """``time_passes`` moves the vendor's clock and ours together; the database keeps its own."""

    rows: psycopg.Connection[tuple[Any, ...]]
    commits: PostgresCommits
    control: ShipBobControl
    settings: Mapping[str, Any]
    connections: VendorConnections
    client_id: str
    token: str
    real: Callable[[], float] = time.time
    ahead: timedelta = timedelta(0)
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    messages: MemoryMessages = field(default_factory=MemoryMessages)
    book: MemoryBook = field(default_factory=MemoryBook)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.real(), UTC) + self.ahead

    def open(self, key: StreamKey) -> Stream:
        """Implements ``core.ports.Streams``."""
        return open_stream(
            key,
            settings=self.settings,
            credentials=self.token,
            refresh=lambda: self.token,
            connections=self.connections,
            account=f"{self.client_id}-{uuid.uuid4()}",
            chance=lambda: 0.5,
        )

    def time_passes(self, by: timedelta) -> None:
        self.ahead += by
        self.control.advance_clock(by.total_seconds())

    def run(self, stream: str, reason: str = "schedule", **asked: Any) -> list[SliceReport]:
        """Slices until no message is left, or the run has failed for good."""
        kit = self._kit()
        key = StreamKey(self.client_id, "shipbob", stream)
        self.messages.ask_for_slice(key, reason=reason, **asked)
        reports: list[SliceReport] = []
        for _ in range(400):
            taken = self.messages.take_all()
            if not taken:
                return reports
            reports += [run_slice(each, self.now() + timedelta(seconds=60), kit) for each in taken]
        raise AssertionError(f"not caught up: {reports[-3:]}")

    def caught_up(self, stream: str, reason: str = "schedule", **asked: Any) -> Counts:
        """The same, which must not fail; what became of the rows."""
        reports = self.run(stream, reason, **asked)
        assert {report.outcome for report in reports} <= FINE, reports
        return total(reports)

    def table(self, stream: str) -> dict[str, Any]:
        """The documents of the live rows, by id."""
        name, key, _ = TABLES[stream]
        found = self.rows.execute(
            f"SELECT {key}, document FROM {name} WHERE client_id = %s AND deleted_at IS NULL",  # type: ignore[arg-type]
            [self.client_id],
        )
        return {str(row[0]): row[1] for row in found}

    def truth(self, stream: str, merchant: str = MERCHANT) -> dict[str, Any]:
        """What the vendor has, by id."""
        kind = TABLES[stream][2] if stream in TABLES else stream
        lines = self.control.truth(kind, merchant)  # type: ignore[arg-type]
        return {str(line["id"]): line["record"] for line in lines}

    def ask(self, query: str, *more: Any) -> list[tuple[Any, ...]]:
        """Rows of the database; the first parameter is the client."""
        return self.rows.execute(query, [self.client_id, *more]).fetchall()  # type: ignore[arg-type]

    def _kit(self) -> Kit:
        return Kit(
            leases=self.leases,
            commits=self.commits,
            messages=self.messages,
            deliveries=MemoryDeliveries(),
            desks=ClientDesks(self.book, self.now),
            switches=BookSwitches(self.book, self.now),
            streams=self,
            clock=self.now,
            new_id=lambda: str(uuid.uuid4()),
            chance=lambda: 0.5,
        )


@contextmanager
def standing(
    database: Database,
    control: ShipBobControl,
    *,
    token: str = f"{MERCHANT}-token",
    real: Callable[[], float] = time.time,
    **settings: Any,
) -> Iterator[Stand]:
    """A stand of a client of its own. Waits are taken as slept: what is tested is what is read. ``real`` is the
    time from which the vendor's own clock counts, in seconds."""
    connections = VendorConnections(allow_loopback=True, sleep=lambda _: None)
    connection = PostgresConnection(database.app_url)
    with psycopg.connect(database.owner_url, autocommit=True) as rows:
        wanted = {
            "base_url": control.base_url,
            "requests_per_minute": 100_000,
            "page_size": 25,
            "slice_rows": 200,
            **settings,
        }
        client_id = f"client-{uuid.uuid4().hex[:12]}"
        commits = PostgresCommits(connection)
        # The vendor's clock may be ahead from the test before.
        ahead = timedelta(seconds=control.now_s() - real())
        yield Stand(rows, commits, control, wanted, connections, client_id, token, real, ahead)
    connection.close()
    connections.close()


def total(reports: list[SliceReport]) -> Counts:
    """What became of all rows of some slices."""
    names = ("read", "inserted", "updated", "unchanged", "stale", "rejected", "deleted")
    counts = [report.counts for report in reports if report.counts is not None]
    return Counts(*(sum(getattr(each, name) for each in counts) for name in names))
