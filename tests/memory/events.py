"""A vendor of events and a stream over it, read by windows of time: late events, a lookback, a ledger.

The vendor is a pure function of a seed and the time, so that every process (and the oracle) knows the
same truth without asking anybody. An event occurs at a multiple of ``every`` and can be read up to
``latest`` after that.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.budget import Budget
from sluice.core.errors import VendorAnswerBroken
from sluice.core.records import (
    Column,
    Cursor,
    Fact,
    Page,
    ReadPages,
    Reconcile,
    Record,
    Step,
    Table,
)
from sluice.core.removal import Candidate
from sluice.core.slices import Traffic
from sluice.core.windows import Window, WindowRules, next_window
from tests.memory.streams import thing, values_of

EVENTS = Table("public", "events", "event_id", (Column("size", "integer"),))
SUBJECTS = 7


@dataclass(frozen=True)
class EventVendor:
    """The truth. ``every`` is the time between two events; ids are numbers."""

    seed: int
    began: datetime
    every: timedelta
    latest: timedelta
    _readable: dict[int, datetime] = field(default_factory=dict, compare=False, repr=False)
    _facts: dict[int, Fact] = field(default_factory=dict, compare=False, repr=False)

    def between(self, since: datetime, until: datetime, now: datetime) -> list[int]:
        """Events that occurred in [since, until) and can be read at ``now``."""
        first = max(0, -((self.began - since) // self.every))
        last = max(first, -((self.began - min(until, now)) // self.every))
        return [n for n in range(first, last) if self.readable_at(n) <= now]

    def occurred_at(self, number: int) -> datetime:
        return self.began + number * self.every

    def readable_at(self, number: int) -> datetime:
        """One in eight is late, by any time up to ``latest``. Remembered: it is asked for all the time."""
        readable = self._readable.get(number)
        if readable is None:
            drawn = self._drawn(number, "late")
            late = self.latest * (drawn % 1000 / 1000) if drawn % 8 == 0 else timedelta(0)
            readable = self._readable[number] = self.occurred_at(number) + late
        return readable

    def fact(self, number: int) -> Fact:
        fact = self._facts.get(number)
        if fact is None:
            amount = self._drawn(number, "amount") % 9 + 1
            subject = f"s{self._drawn(number, 'subject') % SUBJECTS}"
            fact = Fact(f"e{number}", subject, "opened", amount, self.occurred_at(number))
            self._facts[number] = fact
        return fact

    def record(self, number: int) -> Record:
        return thing(f"e{number}", self.fact(number).amount)

    def _drawn(self, number: int, what: str) -> int:
        return zlib.crc32(f"{self.seed} {number} {what}".encode())


@dataclass
class Events:
    """Implements ``core.ports.Stream``. Its cursor: ``read_until`` and, within a window, ``window`` (its
    until), ``asked_at`` and ``after`` (the last event read).

    ``vendor_now`` is the vendor's clock; ``cut`` may shorten an answer, as a broken connection does.
    """

    vendor: EventVendor
    vendor_now: Callable[[], datetime]
    rules: WindowRules
    page_rows: int = 20
    cut: Callable[[list[int]], list[int]] = lambda numbers: numbers
    slice_rows: int = 60
    slice_requests: int = 100
    table: Table = EVENTS
    pages_read: int = field(default=0)

    def next_step(
        self, cursor: Cursor, now: datetime, *, full_since: datetime | None
    ) -> Step | None:
        if "window" in cursor:
            return ReadPages("window")
        due = next_window(_moment(cursor.get("read_until")), now, self.rules)
        return ReadPages("window") if due else None

    def pages(self, step: ReadPages, cursor: Cursor, budget: Budget) -> Iterator[Page]:
        """A window's answer is that of the moment when it was first asked for, as an export's is."""
        window, asked_at, after = self._window_of(cursor, budget)
        while True:
            whole = self.vendor.between(window.since, window.until, asked_at)
            rest = [n for n in whole if n > after]
            numbers = self.cut(rest[: self.page_rows])
            self.check_length(numbers, len(rest[: self.page_rows]))
            self.pages_read += 1
            budget.spend(requests=1)
            last = len(rest) <= self.page_rows
            after = rest[: self.page_rows][-1] if rest else after
            at = self._cursor(window, asked_at, after, last=last)
            facts = [self.vendor.fact(n) for n in numbers]
            yield Page([self.vendor.record(n) for n in numbers], at, facts=facts)
            if last:
                return

    def check_length(self, numbers: Sequence[int], announced: int) -> None:
        """The vendor says how many rows its answer has; fewer are a cut answer."""
        if len(numbers) != announced:
            raise VendorAnswerBroken(f"{len(numbers)} rows of {announced}")

    def reached(self, window: Window, asked_at: datetime) -> datetime:
        """Where the cursor goes once the window was read whole."""
        return window.reached(asked_at, self.rules)

    def _window_of(self, cursor: Cursor, budget: Budget) -> tuple[Window, datetime, int]:
        read_until = _moment(cursor.get("read_until"))
        if "window" in cursor:
            begins = _moment(cursor["begins"])
            until, asked_at = _moment(cursor["window"]), _moment(cursor["asked_at"])
            assert begins
            assert until
            assert asked_at
            window = Window(begins - self.rules.lookback, until, begins)
            return window, asked_at, cursor["after"]
        due = next_window(read_until, budget.clock(), self.rules)
        assert due
        return due, self.vendor_now(), -1

    def _cursor(self, window: Window, asked_at: datetime, after: int, *, last: bool) -> Cursor:
        if last:
            return {"read_until": self.reached(window, asked_at).isoformat()}
        return {
            "begins": window.begins.isoformat(),
            "window": window.until.isoformat(),
            "asked_at": asked_at.isoformat(),
            "after": after,
        }

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
        """Nothing is open."""


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def counted_up_to(
    vendor: EventVendor, until: datetime, now: datetime
) -> dict[tuple[str, str], tuple[int, int]]:
    """What every counter must be once all that occurred before ``until`` was read: total and facts."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for number in vendor.between(vendor.began, until, now):
        fact = vendor.fact(number)
        total, facts = sums.get((fact.subject, fact.counter), (0, 0))
        sums[(fact.subject, fact.counter)] = (total + fact.amount, facts + 1)
    return sums
