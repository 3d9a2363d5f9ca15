"""A merchant of the simulated ShipBob, a worker for its streams, and the database they end up in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from local.postgres import Database
from local.vendors.shipbob.control import ShipBobControl
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.slices import Counts, SliceReport
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from tests.integration.sources.stand import FINE, Worker, total

MERCHANT = "acme"
TABLES = {
    "orders": ("shipbob_orders", "order_id", "orders"),
    "products": ("shipbob_products", "product_id", "products"),
    "returns": ("shipbob_returns", "return_id", "returns"),
    "receiving_orders": ("shipbob_receiving_orders", "receiving_order_id", "receivings"),
}


@dataclass(kw_only=True)
class Stand(Worker):
    """``time_passes`` moves the vendor's clock and ours together; the database keeps its own."""

    control: ShipBobControl
    token: str
    real: Callable[[], float] = time.time
    ahead: timedelta = timedelta(0)

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
        return self.slices(StreamKey(self.client_id, "shipbob", stream), reason, **asked)

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
        yield Stand(
            rows=rows,
            commits=commits,
            settings=wanted,
            connections=connections,
            client_id=client_id,
            control=control,
            token=token,
            real=real,
            ahead=ahead,
        )
    connection.close()
    connections.close()
