"""The vendors of a universe: things that are listed and pushed, events that are read by windows.

They know the whole truth, also that of the past: what each thing was at each version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sluice.core.errors import VendorThrottled, VendorUnavailable
from sluice.core.keys import StreamKey
from sluice.core.records import PushEvent
from sluice.core.windows import WindowRules
from tests.memory.events import EventVendor
from tests.memory.streams import Vendor, thing

THINGS_KEY = StreamKey("acme", "shop", "things")
EVENTS_KEY = StreamKey("acme", "shop", "events")
LATEST = timedelta(minutes=15)
RULES = WindowRules(
    lookback=LATEST,
    settle=timedelta(minutes=1),
    first=timedelta(hours=9),
    longest=timedelta(hours=9),
)
FIRST_VERSION = 10_000
"""Above any seq, as a vendor's time stamps are."""


class Forgetful(Vendor):
    """A vendor that may forget everything for a while: empty listings, and nothing is there by name."""

    forgets = False
    said_gone: Callable[[str], None] = lambda record_id: None

    def page_after(self, after: str) -> tuple[list[str], bool]:
        ids, last = super().page_after(after)
        return ([], True) if self.forgets else (ids, last)

    def has(self, record_id: str) -> bool:
        there = super().has(record_id) and not self.forgets
        if record_id not in self.things:
            self.said_gone(record_id)
        return there


@dataclass
class ThingsSide:
    """Things and their changes. ``versioned`` vendors number their changes and push them."""

    random: Random
    versioned: bool
    forgetful: bool
    change: int = FIRST_VERSION
    history: dict[tuple[str, int], list[int | None]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    pushes: list[PushEvent] = field(default_factory=list)
    pushed: int = 0

    def __post_init__(self) -> None:
        self.vendor = Forgetful()
        self.lost = self.random.choice([0.05, 0.6])
        for number in range(self.random.randint(15, 60)):
            self._write(f"t{number:03}", 1)

    def changes(self) -> None:
        """A few things get another content, some go; contents of versionless things only grow."""
        things = self.vendor.things
        self.change += 1
        for _ in range(self.random.randint(1, 4)):
            size = self.random.randint(1, 3) if self.versioned else self.change
            self._write(f"t{self.random.randint(0, 70):03}", size)
        if self.removed and self.random.random() < 0.4:
            self._write(self.removed.pop(), self.change)
        if things and self.random.random() < 0.4:
            self._remove(self.random.choice(sorted(things)))

    def breaks(self) -> None:
        """The next listings may be cut short, by so few rows that the brake lets them go; or forgotten."""
        things = sorted(self.vendor.things)
        kept = things[: -self.random.randint(1, 12)] if self.random.random() < 0.5 else []
        self.vendor.lose_after = kept[-1] if kept else None
        self.vendor.forgets = self.forgetful and self.random.random() < 0.5

    def heal(self) -> None:
        self.vendor.lose_after = None
        self.vendor.forgets = False

    def answers(self) -> None:
        """A page is asked for; sometimes the vendor cannot."""
        trouble = self.random.random()
        if trouble < 0.03:
            raise VendorUnavailable("503")
        if trouble < 0.05:
            retry_after = timedelta(seconds=self.random.randint(1, 300))
            raise VendorThrottled("429", retry_after=retry_after)

    def next_push(self) -> PushEvent | None:
        """In any order; one in ten comes again later, few or many never come."""
        if not self.pushes:
            return None
        event = self.random.choice(self.pushes)
        if self.random.random() > 0.1:
            self.pushes.remove(event)
        return None if self.random.random() < self.lost else event

    def comes_back(self, record_id: str) -> PushEvent:
        """Made anew, and pushed at once."""
        self._write(record_id, self.change)
        return self.pushes.pop()

    def _write(self, record_id: str, size: int) -> None:
        self.vendor.things[record_id] = size
        if self.versioned:
            self.change += 1
            self.vendor.versions[record_id] = self.change
            self._push(record_id, size)

    def _remove(self, record_id: str) -> None:
        """Some vendors number a deletion as a change of its own, some do not."""
        del self.vendor.things[record_id]
        self.removed.append(record_id)
        if self.versioned:
            if self.random.random() < 0.5:
                self.change += 1
                self.vendor.versions[record_id] = self.change
            self._push(record_id, None)

    def _push(self, record_id: str, size: int | None) -> None:
        version = self.vendor.versions[record_id]
        self.history.setdefault((record_id, version), []).append(size)
        record = thing(record_id, size or 0, version)
        self.pushed += 1
        event = PushEvent(f"p{self.pushed}", THINGS_KEY, record, gone=size is None)
        self.pushes.append(event)


@dataclass
class EventsSide:
    """Events and how their answers are cut."""

    random: Random
    began: datetime
    calm: Callable[[], bool]

    def __post_init__(self) -> None:
        self.vendor = EventVendor(
            self.random.randint(0, 10**6),
            self.began - timedelta(hours=2),
            timedelta(seconds=self.random.choice([60, 150, 300])),
            LATEST,
        )

    def cut(self, numbers: list[int]) -> list[int]:
        if self.calm() or self.random.random() > 0.05:
            return numbers
        return numbers[: self.random.randint(0, len(numbers))]
