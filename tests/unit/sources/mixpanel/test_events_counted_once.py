"""Over windows, overlaps, duplicates, late events, clock changes and crashes: every event counts, and counts once."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.errors import WaitForVendor
from sluice.core.records import Derive, ReadPages
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.mixpanel.events_vendor import Mixpanel, Sent, lines_answer, opened
from tests.unit.sources.slices import budget

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = ("$ae_session", "AchTransferInitiated", "BankAccountLinked")


@dataclass
class Ledger:
    """A database that takes an event in once, and adds it up when it does; all of a slice, or nothing."""

    cursor: dict[str, Any] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def commit(self, records, cursor) -> None:
        for record in records:
            if record.id not in self.ids:
                row = json.loads(record.raw)
                self.ids.add(record.id)
                self.counted[row["event"], row["properties"]["distinct_id"]] += 1
        self.cursor = json.loads(json.dumps(cursor))


def run(vendor: Mixpanel, ledger: Ledger, chance: random.Random, deaths: float, **given) -> None:
    """Slices until nothing is due. A worker may die with what it read; another one then begins anew."""
    for _ in range(400):
        stream = opened(vendor, **given)
        step = stream.next_step(ledger.cursor, vendor.clock(), full_since=None)
        if isinstance(step, Derive):
            ledger.cursor = json.loads(json.dumps(step.cursor))
            continue
        if not isinstance(step, ReadPages):
            return
        records, cursor, allowed = [], None, budget(vendor.clock, requests=chance.randint(1, 4))
        try:
            for page in stream.pages(step, ledger.cursor, allowed):
                records += page.records
                cursor = page.cursor
                allowed.spend(rows=page.rows)
                if allowed.spent:
                    break
        except WaitForVendor:
            vendor.clock.sleep(1)
        finally:
            stream.close()
        if cursor is not None and chance.random() >= deaths:
            ledger.commit(records, cursor)
    raise AssertionError("not caught up")


def world(chance: random.Random, start: datetime, zone: str, count: int) -> list[Sent]:
    """Events around a moment, some shown up to five days late, some the same but for one part of their identity."""
    events = []
    for number in range(count):
        at = start - timedelta(seconds=chance.randint(0, 5 * 86_400))
        late = timedelta(seconds=chance.choice([0, 0, 30, 3600, 3 * 3600, 86_400, 5 * 86_400]))
        events.append(
            Sent(
                chance.choice(NAMES),
                f"user-{chance.randint(0, 3)}",
                at,
                f"insert-{chance.randint(0, count)}",
                at + late * chance.random(),
            )
        )
        if number % 5 == 0:
            events.append(events[-1])
    return events


def expected(vendor: Mixpanel) -> Counter[tuple[str, str]]:
    """The vendor's truth: each identity once."""
    identities = {each.identity(vendor.zone) for each in vendor.events}
    return Counter((event, who) for event, who, _, _ in identities)


def damaged(vendor: Mixpanel, chance: random.Random, share: float):
    """Some answers end early, in one way or another."""

    def spoil(request, _):
        body = b"".join(each.line(vendor.zone) for each in vendor.found(request))
        if not body or chance.random() >= share:
            return None
        kind = chance.randrange(4)
        cut = chance.randrange(len(body) - 1)
        if kind == 0:
            return lines_answer(body[:cut].rpartition(b"\n")[0] + b"\nterminated early\n")
        answer = lines_answer(body[:cut] if kind == 1 and body[cut - 1 : cut] != b"\n" else body)
        if kind >= 2:
            answer.headers["content-length"] = str(len(body) + kind)
        elif body[cut - 1 : cut] == b"\n":
            answer.headers["content-length"] = "1"
        return answer

    vendor.spoil = spoil


MOMENTS = [
    (datetime(2026, 10, 26, 12, tzinfo=UTC), "Europe/Berlin"),  # a day of 25 hours before it
    (datetime(2026, 3, 30, 12, tzinfo=UTC), "Europe/Berlin"),  # a day of 23
    (datetime(2026, 11, 2, 12, tzinfo=UTC), "America/New_York"),
    (datetime(2026, 3, 9, 12, tzinfo=UTC), "America/New_York"),
    (
        datetime(2026, 11, 1, 5, 20, tzinfo=UTC),
        "America/New_York",
    ),  # within the hour that comes twice
    (datetime(2026, 6, 15, 12, tzinfo=UTC), "UTC"),
]


@pytest.mark.parametrize("where_on_time", [True, False])
@pytest.mark.parametrize(("start", "zone"), MOMENTS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), most_rows=st.sampled_from([13, 40, 1000]))
def test_every_event_counts_once(start, zone, where_on_time, seed, most_rows):
    """Whatever is read twice, comes late, is cut or dies: counters end as the vendor's truth counted once."""
    chance = random.Random(seed)  # noqa: S311  # a test must be repeatable
    vendor = Mixpanel(
        Clock(start), world(chance, start, zone, 60), zone, twice=chance.random() < 0.5
    )
    damaged(vendor, chance, 0.2)
    ledger = Ledger()
    given = {
        "first_days": 8,
        "most_rows": most_rows if where_on_time else 1000,
        "where_on_time": where_on_time,
        "lookback": timedelta(hours=chance.choice([0, 2, 5])),
    }
    for _ in range(chance.randint(3, 6)):
        run(vendor, ledger, chance, 0.25, **given)
        vendor.clock.at += timedelta(minutes=chance.choice([6, 50, 300, 1500]))
    vendor.spoil = None
    vendor.clock.at = max(vendor.clock.at, start + 5 * DAY + HOUR)
    run(
        vendor, ledger, chance, 0, reread_every="PT10M", reread_days=7, **given | {"first_days": 11}
    )
    vendor.clock.at += HOUR
    run(
        vendor,
        ledger,
        chance,
        0,
        reread_every="PT10M",
        reread_days=11,
        **given | {"first_days": 15},
    )
    assert ledger.counted == expected(vendor)
    assert ledger.ids == vendor.true_keys()


def test_it_is_seen_when_an_event_counts_at_every_reading():
    """The test above must be able to fail: a ledger that forgets counts the overlap twice."""
    chance = random.Random(1)  # noqa: S311
    start = MOMENTS[-1][0]
    vendor = Mixpanel(Clock(start), world(chance, start, "UTC", 60))

    class Forgetful(Ledger):
        def commit(self, records, cursor) -> None:
            self.ids.clear()
            super().commit(records, cursor)

    ledger = Forgetful()
    run(vendor, ledger, chance, 0, first_days=8)
    vendor.clock.at += DAY * 2
    run(vendor, ledger, chance, 0, first_days=8)
    assert ledger.counted != expected(vendor)
