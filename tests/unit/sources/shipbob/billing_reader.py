"""Reads a stream of charges as the engine does, and notes which steps that took."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sluice.core.ports import Stream
from sluice.core.records import Derive, ReadPages
from tests.unit.sources.cars_vendor import START, Clock
from tests.unit.sources.shipbob.billing_vendor import Billing, opened
from tests.unit.sources.slices import Stored, budget, read_slice

DAY = timedelta(days=1)
TODAY = START.replace(hour=0)


class Reader:
    """Reads as the engine does; ``steps`` are the kinds of what it did, in order."""

    def __init__(self, vendor: Billing, clock: Clock, **more: Any) -> None:
        self.vendor, self.clock = vendor, clock
        self.stream: Stream = opened(vendor, clock, **more)
        self.stored = Stored()
        self.steps: list[str] = []
        self.full_since: datetime | None = None

    def step(self) -> Any:
        return self.stream.next_step(self.stored.cursor, self.clock(), full_since=self.full_since)

    def slice(self, step: Any, **allow: Any) -> None:
        if isinstance(step, ReadPages):
            self.steps.append(step.kind)
            read_slice(self.stream, self.stored, step, budget(self.clock, **allow))
        elif isinstance(step, Derive):
            self.steps.append(step.derivation.name)
            self.stored.cursor = json.loads(json.dumps(step.cursor))
        else:
            self.steps.append("reconcile")
            cursor = self.stream.after_reconcile(self.stored.cursor, step, None)
            self.stored.cursor = json.loads(json.dumps(cursor))

    def caught_up(self, **allow: Any) -> list[str]:
        """Slices until nothing is due; the steps they took."""
        begin = len(self.steps)
        for _ in range(300):
            step = self.step()
            if step is None:
                return self.steps[begin:]
            self.slice(step, **allow)
        raise AssertionError(f"not caught up: {self.steps[-9:]} {self.stored.errors[-2:]}")

    def ids(self) -> set[str]:
        return set(self.stored.records)


def reader(rows: list[dict[str, Any]], **more: Any) -> Reader:
    clock = Clock()
    return Reader(Billing(clock, rows), clock, **more)


def ids_of(rows: list[dict[str, Any]]) -> set[str]:
    return {row["transaction_id"] for row in rows}
