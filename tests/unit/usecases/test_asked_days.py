"""Days that a person asks for, through the engine: read once, whoever dies and whatever comes in between."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.core.asked_days import AskedDays
from sluice.core.priorities import Priority
from sluice.core.slices import Outcome
from sluice.messages import SliceMessage
from tests.memory.deriving import Batch, Changes
from tests.memory.streams import MemoryStreams
from tests.unit.sources.cars_vendor import Clock
from tests.unit.sources.mixpanel.events_vendor import Mixpanel, Sent, opened, sent
from tests.unit.usecases.world import KEY, Killed, Tape, World, asking

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 2, 3), date(2026, 2, 5)
SETTINGS = {"first_days": 10, "reread_days": 2, "most_rows": 14, "slice_requests": 2}


class OneClock(Clock):
    """The vendor's and ours."""

    def advance(self, **time: float) -> None:
        self.at += timedelta(**time)


def counted(batch: Batch) -> Changes:
    """What the derivation of events does: add up what this transaction inserted."""
    counts = Counter({who: row["events"] for who, row in batch.derived.get("counts", {}).items()})
    counts.update(batch.rows[i].values[1] for i in batch.written)
    return {"counts": {who: {"events": number} for who, number in counts.items()}}


class Events(World):
    """A project that was read to now, ten days back, with events of three older days that never were."""

    def __init__(self, events: list[Sent] | None = None) -> None:
        clock = OneClock(BEGAN)
        super().__init__(clock=clock)  # type: ignore[arg-type]
        older = [sent(n, datetime(2026, 2, 3, tzinfo=UTC) + n * HOUR) for n in range(-30, 100)]
        recent = [sent(1000 + n, BEGAN - n * 5 * HOUR) for n in range(1, 40)]
        self.mixpanel = Mixpanel(clock, events if events is not None else [*older, *recent])
        self.streams = MemoryStreams({KEY: opened(self.mixpanel, **SETTINGS)})  # type: ignore[dict-item]
        self.commits.programs.derivations["mixpanel counters"] = counted

    def asked(self, first: date = FIRST, last: date = LAST) -> AskedDays:
        return AskedDays(first, last, self.clock())

    def ask(self, days: AskedDays) -> None:
        self.messages.ask_for_slice(KEY, reason="manual", days=days, priority=Priority.BACKFILL)

    def tick(self) -> None:
        self.messages.ask_for_slice(KEY, reason="schedule")

    @property
    def cursor(self) -> Mapping[str, Any]:
        return self.commits.database.streams[KEY].cursor

    @property
    def rows(self) -> set[str]:
        return set(self.commits.database.rows("mixpanel_events", KEY.client_id))

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.commits.database.log[KEY]]

    def counts(self) -> dict[str, int]:
        derived = self.commits.database.derived[KEY.client_id]["counts"]
        return {who: row["events"] for who, row in derived.items()}

    def truth(self, *spans: tuple[datetime, datetime]) -> Counter[str]:
        """The vendor's, of these stretches, each identity once."""
        found = {
            each.identity("UTC"): each.who
            for each in self.mixpanel.events
            if any(since <= each.at < until for since, until in spans)
        }
        return Counter(found.values())

    def of_asked(self) -> tuple[datetime, datetime]:
        return datetime(2026, 2, 3, tzinfo=UTC), datetime(2026, 2, 6, tzinfo=UTC)

    def of_loaded(self) -> tuple[datetime, datetime]:
        read_until = datetime.fromisoformat(self.cursor["read_until"])
        return BEGAN - 10 * DAY - timedelta(minutes=5) - 2 * HOUR, read_until


@pytest.fixture
def world() -> Events:
    world = Events()
    world.tick()
    world.drain()
    return world


def all_counted_once(world: Events) -> None:
    assert world.counts() == dict(world.truth(world.of_loaded(), world.of_asked()))
    assert "asked" not in world.cursor
    assert world.faults() == []


def test_days_asked_for_are_read_once_and_nothing_else_moves(world: Events) -> None:
    """In slices, as a backfill; the watermark stays, the last day counts, the day after does not."""
    before, slices = world.cursor["read_until"], len(world.kinds)
    world.ask(world.asked())
    sent_on = [world.messages.sent[0].message]
    while world.messages.sent:
        message = world.messages.sent.pop(0).message
        sent_on.append(message)
        world.run(message)
    assert {message.priority for message in sent_on} == {Priority.BACKFILL}
    made = world.kinds[slices:]
    assert made[0] == "days_noted"
    assert set(made[1:]) == {"asked"}
    assert len(made) > 3
    assert world.cursor["read_until"] == before
    assert world.commits.database.runs[-1].reason == "backfill"
    all_counted_once(world)


def test_the_same_message_again_reads_nothing_again(world: Events) -> None:
    """While they are read, and afterwards: the queue may give a message out twice."""
    asked = world.asked()
    world.ask(asked)
    world.ask(asked)
    world.drain()
    requests = len(world.mixpanel.asked)
    world.ask(asked)
    world.drain()
    assert len(world.mixpanel.asked) == requests
    assert world.kinds.count("days_noted") == 1
    all_counted_once(world)


def test_somebody_who_asks_again_is_answered_again(world: Events) -> None:
    world.ask(world.asked())
    world.drain()
    slices, counts = len(world.kinds), world.counts()
    world.clock.advance(seconds=1)
    world.ask(world.asked())
    world.drain()
    assert "asked" in world.kinds[slices:]
    assert world.counts() == counts


def test_what_the_vendor_refuses_today_is_read_by_a_later_tick(world: Events) -> None:
    """The run fails, visibly, and the message is gone. The cursor knows."""
    world.mixpanel.spoil = lambda _request, _before: httpx.Response(400, text="no")
    world.ask(world.asked())
    reports = world.drain()
    assert reports[-1].outcome is Outcome.RUN_FAILED
    assert world.messages.sent == []
    assert "asked" in world.cursor
    world.mixpanel.spoil = None
    world.clock.advance(minutes=20)
    world.tick()
    world.drain()
    all_counted_once(world)


def test_a_stream_that_was_never_read_is_read_first() -> None:
    """Then the days; what is asked for before anything is there is not lost."""
    world = Events()
    world.ask(world.asked())
    world.drain()
    assert world.kinds[0] == "days_noted"
    assert world.kinds.index("asked") > world.kinds.index("new")
    all_counted_once(world)


def test_a_stream_that_cannot_read_days_fails_its_run(world: Events) -> None:
    """By name; nothing is read in their place."""
    plain = World()
    report = plain.run(asking("manual", days=world.asked()))
    assert report.outcome is Outcome.RUN_FAILED
    assert "from: the stream things cannot read certain days" in report.detail
    assert plain.vendor.pages_read == 0


def test_a_message_put_off_keeps_what_it_asks_for(world: Events) -> None:
    """Its stream's lease is held by somebody who knows nothing of the days."""
    item = world.leases.items[KEY]
    item.owner, item.until = "busy", world.clock() + DAY
    asked = world.asked()
    world.ask(asked)
    message = world.messages.sent.pop(0).message
    assert world.run(message).outcome is Outcome.DEFERRED
    assert world.messages.sent[0].message.asked_days == asked


def moments() -> int:
    """How many moments a worker may die at, from the message on to the end."""
    world, tape = Events(), Tape()
    world.tick()
    world.drain()
    world.ask(world.asked())
    kit = tape.before(world)
    while world.messages.sent:
        world.run(world.messages.sent.pop(0).message, kit)
    return tape.moments


@pytest.mark.parametrize("kill_at", range(1, moments() + 1))
def test_killed_at_any_moment_the_days_are_read(world: Events, kill_at: int) -> None:
    """The message comes back, and a tick came first."""
    tape = Tape(kill_at)
    kit = tape.before(world)
    world.ask(world.asked())
    waiting = [world.messages.sent.pop(0).message]
    while waiting:
        message = waiting.pop(0)
        try:
            world.run(message, kit)
        except Killed:
            world.clock.advance(minutes=6)
            waiting += [asking("schedule"), message]
        waiting += world.messages.take_all()
    all_counted_once(world)


STEPS = ("work", "work", "work", "die", "twice", "tick", "late", "ask")


class Troubled:
    """Messages under way, and what may come in between. ``draw`` gives a number from 0 up to, and without, another."""

    def __init__(self, world: Events, draw: Callable[[int], int]) -> None:
        self.world, self.draw = world, draw
        self.live: list[SliceMessage] = []

    def step(self) -> None:
        self.live += self.world.messages.take_all()
        getattr(self, STEPS[self.draw(len(STEPS))])()

    def work(self) -> None:
        if self.live:
            self.world.run(self.live.pop(self.draw(len(self.live))))

    def die(self) -> None:
        """The message comes again."""
        if self.live:
            with contextlib.suppress(Killed):
                message = self.live[self.draw(len(self.live))]
                self.world.run(message, Tape(1 + self.draw(30)).before(self.world))
                self.live.remove(message)
            self.world.clock.advance(minutes=6)

    def twice(self) -> None:
        if self.live:
            self.live.append(self.live[self.draw(len(self.live))])

    def tick(self) -> None:
        self.world.clock.advance(minutes=(1, 7, 300)[self.draw(3)])
        self.live.append(asking("schedule"))

    def late(self) -> None:
        number = self.draw(24)
        at = datetime(2026, 2, 4, tzinfo=UTC) + number * HOUR
        self.world.mixpanel.events.append(sent(5000 + number, at))

    def ask(self) -> None:
        self.world.clock.advance(seconds=1)
        self.world.ask(self.world.asked(date(2026, 2, 4), date(2026, 2, 4)))

    def end(self) -> None:
        """All that is under way, and the days once more, for what came late."""
        self.world.clock.advance(minutes=10)
        self.world.ask(self.world.asked())
        self.live += self.world.messages.take_all()
        for message in self.live:
            self.world.run(message)
            self.world.drain()
        self.world.tick()
        self.world.drain()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_counters_are_the_truth_counted_once_whatever_comes_in_between(data: Any) -> None:
    """Ticks, deaths, duplicates, late events and requests for other days, in any order."""
    world = Events()
    world.tick()
    world.drain()
    world.ask(world.asked())
    troubled = Troubled(world, lambda below: data.draw(st.integers(0, below - 1)))
    for _ in range(data.draw(st.integers(3, 25), "steps")):
        troubled.step()
    troubled.end()
    all_counted_once(world)
