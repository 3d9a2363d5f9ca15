"""What the stands of all vendors share: a worker whose waits are taken as slept, and the database that it fills."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.slices import Counts, Outcome, SliceReport
from sluice.core.steering.ports import BookSwitches
from sluice.postgres.commits import PostgresCommits
from sluice.sources.connections import VendorConnections
from sluice.usecases.admission import ClientDesks
from sluice.usecases.run_slice import Kit, run_slice
from tests.memory.book import MemoryBook
from tests.memory.deliveries import MemoryDeliveries
from tests.memory.leases import MemoryLeases
from tests.memory.messages import MemoryMessages

FINE = {Outcome.COMMITTED, Outcome.CAUGHT_UP, Outcome.DEFERRED}
MOST_SLICES = 400


class UnrestError(AssertionError):
    """Messages are left after so many rounds of them. ``reports`` are of what was done."""

    def __init__(self, reports: Sequence[SliceReport]) -> None:
        super().__init__(f"not caught up: {reports[-3:]}")
        self.reports = reports


@dataclass(kw_only=True)
class Worker:
    """Makes slices of one client's streams. ``rows`` is the owner's view of the database."""

    rows: psycopg.Connection[tuple[Any, ...]]
    commits: PostgresCommits
    settings: Any
    connections: VendorConnections
    client_id: str
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    messages: MemoryMessages = field(default_factory=MemoryMessages)
    book: MemoryBook = field(default_factory=MemoryBook)

    def now(self) -> datetime:
        """The vendor's time, which is ours as well."""
        raise NotImplementedError

    def open(self, key: StreamKey) -> Stream:
        """Implements ``core.ports.Streams``."""
        raise NotImplementedError

    def slices(
        self, key: StreamKey, reason: str, *, most: int = MOST_SLICES, **asked: Any
    ) -> list[SliceReport]:
        """Slices until no message is left, or the run has failed for good. UnrestError after so many rounds."""
        kit = self.kit()
        self.messages.ask_for_slice(key, reason=reason, **asked)
        reports: list[SliceReport] = []
        for _ in range(most):
            taken = self.messages.take_all()
            if not taken:
                return reports
            reports += [run_slice(each, self.now() + timedelta(seconds=60), kit) for each in taken]
        raise UnrestError(reports)

    def ask(self, query: str, *more: Any) -> list[tuple[Any, ...]]:
        """Rows of the database; the first parameter is the client."""
        return self.rows.execute(query, [self.client_id, *more]).fetchall()  # type: ignore[arg-type]

    def kit(self) -> Kit:
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


def total(reports: Iterable[SliceReport]) -> Counts:
    """What became of all rows of some slices."""
    names = ("read", "inserted", "updated", "unchanged", "stale", "rejected", "deleted")
    counts = [report.counts for report in reports if report.counts is not None]
    return Counts(*(sum(getattr(each, name) for each in counts) for name in names))
