"""Reads a stream as the engine does: slice after slice, each stored before the next begins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sluice.core.budget import Budget, Clock
from sluice.core.errors import WaitForVendor
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.records import Page, ReadPages, Reconcile, Record
from sluice.sources.connections import VendorConnections
from sluice.sources.registry import open_stream
from tests.unit.sources.cars_vendor import BASE, KEY, CarsVendor
from tests.unit.sources.cars_vendor import Clock as StillClock

STREAM = StreamKey("acme", "cars", "cars")


@dataclass
class Stored:
    """What a database would hold after some slices."""

    cursor: Mapping[str, Any] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    sightings: dict[int, set[str]] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    rejects: list[Any] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    slices: int = 0

    def keep(self, page: Page) -> None:
        self.cursor = json.loads(json.dumps(page.cursor))
        self.records |= {record.id: record for record in page.records}
        if page.sighting is not None:
            seen = self.sightings.setdefault(page.sighting, set())
            seen.update(record.id for record in page.records)
        self.archived.update(page.archived)
        self.rejects.extend(page.rejects)


def settings(**more: Any) -> dict[str, Any]:
    return {"shape": "page", "base_url": BASE, "page_size": 100, "concurrency": 4, **more}


def opened(vendor: CarsVendor, clock: StillClock, **more: Any) -> Stream:
    """The cars stream of one account of a vendor in memory."""
    connections = VendorConnections(
        book=more.pop("book", None),
        clock=clock,
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        make_transport=vendor.transport,
    )
    refresh = more.pop("refresh", lambda: KEY)
    return open_stream(
        STREAM,
        settings=settings(**more),
        credentials=KEY,
        refresh=refresh,
        connections=connections,
        account="acme",
        chance=lambda: 0.5,
    )


def budget(clock: Clock, *, rows: int = 10_000, requests: int = 500, seconds: float = 40) -> Budget:
    return Budget(clock, clock() + timedelta(seconds=seconds), rows, requests)


def read_slice(stream: Stream, stored: Stored, step: ReadPages, allowance: Budget) -> None:
    """One slice; what was read before a vendor's error is kept, the error is noted."""
    stored.slices += 1
    sighting: int | None = None
    came = False
    try:
        for page in stream.pages(step, stored.cursor, allowance):
            if came and page.sighting != sighting:
                break
            came, sighting = True, page.sighting
            stored.keep(page)
            allowance.spend(rows=page.rows)
            if allowance.spent:
                break
    except WaitForVendor as error:
        stored.errors.append(error)
    finally:
        stream.close()


def catch_up(
    stream: Stream,
    clock: StillClock,
    stored: Stored | None = None,
    *,
    most: int = 200,
    **allow: Any,
) -> Stored:
    """Slices until nothing but a reconcile is due; a vendor's wait is waited for."""
    stored = stored or Stored()
    for _ in range(most):
        step = stream.next_step(stored.cursor, clock(), full_since=None)
        if step is None or isinstance(step, Reconcile):
            return stored
        before = len(stored.errors)
        read_slice(stream, stored, step, budget(clock, **allow))
        for error in stored.errors[before:]:
            wait = getattr(error, "retry_after", None)
            clock.sleep((wait or timedelta(seconds=1)).total_seconds())
    raise AssertionError(f"not caught up after {most} slices: {stored.errors[-3:]}")
