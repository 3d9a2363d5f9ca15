"""The oracle of a universe: knows the vendors' truth and says in one line what broke."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from sluice.core.keys import StreamKey
from sluice.core.records import Fact, Record
from sluice.core.removal import BRAKE_ROWS
from tests.memory.commits import MemoryCommits
from tests.memory.database import Row
from tests.memory.events import counted_up_to
from tests.memory.leases import MemoryLeases
from tests.oracle import chain_faults
from tests.simulation.followers import FollowersOracle
from tests.simulation.vendors import (
    EVENTS_KEY,
    RULES,
    THINGS_KEY,
    EventsSide,
    ThingsSide,
)
from tests.simulation.violations import Violation

Sums = dict[tuple[str, str], tuple[int, int]]
"""Total and number of facts, by subject and counter."""


@dataclass
class Oracle:
    """Looks after every step; ``judge`` looks once all is at rest."""

    commits: MemoryCommits
    leases: MemoryLeases
    things: ThingsSide
    events: EventsSide
    followers: FollowersOracle
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    fences: dict[StreamKey, int] = field(default_factory=dict)
    may_lead: set[StreamKey] = field(default_factory=set)
    watermarks: dict[StreamKey, int] = field(default_factory=dict)
    fell_back: bool = False
    in_flight: set[str] = field(default_factory=set)
    sums: Sums = field(default_factory=dict)
    _looked_at: tuple[int, ...] = ()
    _sound: dict[str, Row] = field(default_factory=dict)
    _whole_until: datetime | None = None

    def forget(self, in_flight: set[str]) -> None:
        """Postgres lost commits: what was seen may go back, once, and watermarks lead until repaired.
        Who is ``in_flight`` may have committed before, and still write that into a watermark."""
        self.in_flight, self.fell_back = in_flight, True
        self.followers.lost = True
        self.seen.clear()
        self.sums.clear()
        self.fences.clear()
        self.may_lead = set(self.leases.items)
        self._look_anew()

    def state_fell_back(self) -> None:
        """DynamoDB is as it was: of a time before Postgres lost commits, perhaps."""
        self.fell_back = True
        self.may_lead = set(self.leases.items)

    def _look_anew(self) -> None:
        """Whatever was found to be right is looked at again."""
        self._looked_at, self._whole_until = (), None
        self._sound.clear()

    def look(self) -> None:
        """Raise Violation with the first fault. What is dear to check is checked when data changed, and only
        of what changed: rows are replaced here, never altered."""
        for fault in self._light_faults():
            raise Violation(fault)
        database = self.commits.database
        state = (*(len(log) for log in database.log.values()), len(database.inbox))
        if state != self._looked_at:
            self._looked_at = state
            for fault in self._faults():
                raise Violation(fault)

    def _light_faults(self) -> Iterator[str]:
        for key, at in self.commits.database.streams.items():
            if at.fencing_token < self.fences.get(key, 0):
                yield f"I6: the fence of {key} fell to {at.fencing_token}"
            self.fences[key] = at.fencing_token
            item = self.leases.items.get(key)
            if item and not self.fell_back and item.seq < self.watermarks.get(key, 0):
                yield f"the watermark of {key} went back to seq {item.seq}"
            self.watermarks[key] = item.seq if item else 0
            if item is None or item.seq <= at.seq:
                self.may_lead -= set() if self.in_flight else {key}
            elif key not in self.may_lead:
                yield f"I3: the watermark of {key} is at seq {item.seq}, its data at {at.seq}"

    def _faults(self) -> Iterator[str]:
        database = self.commits.database
        for key in database.streams:
            yield from (f"I5: {key}: {fault}" for fault in chain_faults(*database.chain(key)))
        rows = database.rows("things", THINGS_KEY.client_id)
        for record_id, row in rows.items():
            if self._sound.get(record_id) is not row:
                yield from self._row_faults(record_id, row)
                self._sound[record_id] = row
        yield from self._wrongly_removed(rows)
        yield from self._event_faults()
        yield from self.followers.faults()

    def _row_faults(self, record_id: str, row: Row) -> Iterator[str]:
        """I4: neither a version nor, without versions, a content goes back; contents are the vendor's."""
        versioned = self.things.versioned
        now = (row.version, int(row.is_tombstone)) if versioned else (0, row.values[0])
        if now < self.seen.get(record_id, (0, 0)):
            yield f"I4: {record_id} went back from {self.seen[record_id]} to {now}"
        self.seen[record_id] = now
        if versioned:
            sizes = self.things.history.get((record_id, row.version), [])
            stored = None if row.is_tombstone else row.values[0]
            if stored not in sizes:
                yield f"I4: {record_id} is {stored} at version {row.version}, the vendor had {sizes}"

    def was_stored(self, records: Iterable[Record]) -> None:
        """What was read and committed is known from now on, even where nothing had to be written."""
        if self.things.versioned:
            for record in records:
                known = (record.version or 0, 0)
                self.seen[record.id] = max(self.seen.get(record.id, (0, 0)), known)
                self._sound.pop(record.id, None)

    def _wrongly_removed(self, rows: dict[str, Row]) -> Iterator[str]:
        """Deleted here, and the vendor still has exactly this. Of a vendor that forgot everything, no
        listing may have taken more than the brake allows."""
        vendor = self.things.vendor
        wrong: Tally[int | None] = Tally()
        for record_id, row in rows.items():
            if row.deleted_at is not None and self._has_exactly(record_id, row):
                wrong[row.deleted_generation] += 1
        allowed = BRAKE_ROWS if self.things.forgetful else 0
        for generation, number in wrong.items():
            if number > allowed:
                yield f"{number} rows alive at the vendor ({len(vendor.things)}) were removed ({generation})"

    def _has_exactly(self, record_id: str, row: Row) -> bool:
        vendor = self.things.vendor
        if self.things.versioned:
            return record_id in vendor.things and vendor.versions[record_id] == row.version
        return bool(vendor.things.get(record_id) == row.values[0])

    def _event_faults(self) -> Iterator[str]:
        """I1: each counter is the sum of its ledger, which holds only the vendor's facts. I2: nothing that
        occurred before the cursor and its lookback is missing, as a row or as a fact."""
        database = self.commits.database
        for fact in islice(
            database.ledger.values(), sum(facts for _, facts in self.sums.values()), None
        ):
            if fact != self.events.vendor.fact(int(fact.id[1:])):
                yield f"I1: {fact} is not what the vendor said"
            _add(self.sums, fact)
        counted = {at[1:]: (c.total, c.facts) for at, c in database.counters.items()}
        if counted != self.sums:
            yield f"I1: counters {counted}, the ledger says {self.sums}"
        yield from self._missing_events()

    def _missing_events(self) -> Iterator[str]:
        at = self.commits.database.streams.get(EVENTS_KEY)
        reached = at and (at.cursor.get("begins") or at.cursor.get("read_until"))
        if not at or not reached:
            return
        vendor, database = self.events.vendor, self.commits.database
        until = type(vendor.began).fromisoformat(reached) - RULES.lookback
        rows = database.rows("events", EVENTS_KEY.client_id)
        since = self._whole_until or vendor.began
        for number in vendor.between(since, until, until + 2 * RULES.lookback):
            if f"e{number}" not in rows or (EVENTS_KEY, f"e{number}") not in database.ledger:
                yield f"I2: event {number} of {vendor.occurred_at(number)} is missing, cursor {reached}"
                return
        self._whole_until = max(since, until)

    # --- at the end ---------------------------------------------------------------------------------

    def judge(self, asked_at: datetime) -> None:
        """At rest, after a last full read asked for at that moment, and ticks: everything of the vendors is
        here, nothing else."""
        self._look_anew()
        ends = (
            self._faults(),
            self._end_of_things(),
            self._end_of_events(),
            self.followers.end(asked_at),
            self._end_of_leases(),
        )
        for fault in chain.from_iterable(ends):
            raise Violation(fault)

    def _end_of_things(self) -> Iterator[str]:
        rows = self.commits.database.rows("things", THINGS_KEY.client_id)
        stored = {i: row.values[0] for i, row in rows.items() if row.deleted_at is None}
        things = self.things.vendor.things
        if things.items() - stored.items():
            yield f"rows of the vendor are missing or old: {sorted(things.items() - stored.items())[:3]}"
        surplus = set(stored) - set(things)
        log = self.commits.database.log[THINGS_KEY]
        if surplus and not any("brake" in (s.note or "") for s in log):
            yield f"{sorted(surplus)} are gone at the vendor and still here"

    def _end_of_events(self) -> Iterator[str]:
        vendor, database = self.events.vendor, self.commits.database
        cursor = database.streams[EVENTS_KEY].cursor
        until = type(vendor.began).fromisoformat(cursor["read_until"]) - RULES.lookback
        due = counted_up_to(vendor, until, until + 2 * RULES.lookback)
        sums: Sums = {}
        for (key, _), fact in database.ledger.items():
            if key == EVENTS_KEY and fact.occurred_at < until:
                _add(sums, fact)
        if sums != due:
            yield f"I1: up to {until} the ledger has {sums}, the vendor {due}"

    def _end_of_leases(self) -> Iterator[str]:
        for key, at in self.commits.database.streams.items():
            item = self.leases.items[key]
            if item.owner is not None:
                yield f"{key} is still held by {item.owner}"
            if (item.seq, item.watermark or {}) != (at.seq, at.cursor):
                yield f"the watermark of {key} is not where its data is"


def _add(sums: Sums, fact: Fact) -> None:
    total, facts = sums.get((fact.subject, fact.counter), (0, 0))
    sums[(fact.subject, fact.counter)] = (total + fact.amount, facts + 1)
