"""The one picture: each store has its part, and one that is silent takes no other with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import DatabaseUnavailable, QueueUnavailable, SluiceError, StateUnavailable
from sluice.core.keys import StreamKey
from sluice.core.overview.picture import QueueView, State, Watch
from sluice.core.overview.stream_history import Silence, StreamHistory, Topic, WatchedStream
from sluice.core.priorities import Priority
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause, SwitchBoard
from sluice.usecases.overview import Kit, Watched, WatchedAccount, look
from tests.unit.core.streams_known import HOUR, KEY, LOADED, MINUTE, NOW, history, run, stream

ZEN = StreamKey("zen", "shipbob", "orders")
LATE = history(run(HOUR), LOADED)


@dataclass(frozen=True)
class Lease:
    key: StreamKey = KEY
    owner: str = "a dead worker"
    fencing_token: int = 7
    until: datetime = NOW - 5 * MINUTE
    priority: Priority = Priority.SCHEDULE


ACCOUNT = WatchedAccount("account#shipbob#sluice/acme", "shipbob#sluice/acme")


@dataclass
class World:
    """Every store in memory. ``silent`` says which part does not answer, and how."""

    streams: Sequence[WatchedStream] = (stream(),)
    known: Mapping[StreamKey, StreamHistory] = field(default_factory=lambda: {KEY: LATE})
    board: SwitchBoard = SwitchBoard()  # noqa: RUF009  # frozen
    page: Mapping[str, Any] = field(default_factory=dict)
    silences: Mapping[Any, Silence] = field(default_factory=dict)
    silent: dict[str, SluiceError] = field(default_factory=dict)
    accounts: Sequence[WatchedAccount] = (ACCOUNT,)
    dead: Sequence[Lease] = (Lease(),)
    in_use: int = 11
    asked: list[Any] = field(default_factory=list)

    @property
    def kit(self) -> Kit:
        return Kit(
            registry=self._or("registry", lambda: Watched(self.streams, self.accounts)),
            histories=self,
            board=self._or("switches", lambda: self.board),
            queues=self,
            pages=self,
            leases=self,
            clock=lambda: NOW,
            pool_size=20,
        )

    def _or(self, part: str, answer: Callable[[], Any]) -> Callable[[], Any]:
        def asked() -> Any:
            if part in self.silent:
                raise self.silent[part]
            return answer()

        return asked

    def of(self, keys: Sequence[StreamKey]) -> dict[StreamKey, StreamHistory]:
        found = self._or("database", lambda: self.known)()
        return {key: found[key] for key in keys if key in found}

    def silent_streams(self, windows: Mapping[StreamKey, timedelta]) -> dict[StreamKey, Silence]:
        return self._silent("silent streams", windows)

    def silent_pushes(
        self, windows: Mapping[tuple[str, str], timedelta]
    ) -> dict[tuple[str, str], Silence]:
        return self._silent("silent pushes", windows)

    def silent_topics(self, windows: Mapping[Topic, timedelta]) -> dict[Topic, Silence]:
        return self._silent("silent topics", windows)

    def _silent(self, part: str, windows: Mapping[Any, timedelta]) -> dict[Any, Silence]:
        self.asked.append(dict(windows))
        known: Mapping[Any, Silence] = self._or(part, lambda: self.silences)()
        return {subject: known[subject] for subject in windows if subject in known}

    def connections(self) -> int:
        in_use: int = self._or("connections", lambda: self.in_use)()
        return in_use

    def depths(self) -> Sequence[QueueView]:
        queues: Sequence[QueueView] = self._or(
            "queues", lambda: [QueueView("dead letters", 1, 0, 0, dead=True)]
        )()
        return queues

    def pages(self, subjects: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        assert subjects, "there is nothing to ask for"
        found: Mapping[str, Mapping[str, Any]] = self._or(
            "accounts", lambda: dict.fromkeys(subjects, self.page) if self.page else {}
        )()
        return found

    def stale(self, *, before: datetime, limit: int) -> Sequence[Lease]:
        assert before == NOW - timedelta(seconds=30)
        leases: Sequence[Lease] = self._or("leases", lambda: self.dead)()
        return leases[:limit]


def test_every_store_has_its_part() -> None:
    world = World(page={"at": 1, "breaker": [11, [], int(NOW.timestamp() * 1000) + 9]})
    seen = look(world.kit)
    assert [(view.key, view.state) for view in seen.streams] == [(KEY, State.LATE)]
    assert [finding.check for finding in seen.findings] == [
        "streams-late", "dead-letters", "breaker-opened", "connections-high", "stale-leases",
    ]  # fmt: skip
    assert (seen.connections, seen.pool_size, seen.stale_leases, seen.unknown) == (11, 20, 1, [])
    assert [queue.name for queue in seen.queues] == ["dead letters"]
    [account] = seen.accounts
    assert (account.name, account.breaker, account.failures) == ("shipbob#sluice/acme", "open", 11)


@pytest.mark.parametrize(
    ("part", "error", "left"),
    [
        ("database", DatabaseUnavailable("database: gone"), {"dead-letters", "stale-leases"}),
        ("queues", QueueUnavailable("queue: gone"), {"streams-late", "stale-leases"}),
        ("leases", StateUnavailable("table: gone"), {"streams-late", "dead-letters"}),
        ("accounts", StateUnavailable("table: gone"), {"streams-late", "dead-letters"}),
        ("switches", StateUnavailable("table: gone"), {"dead-letters", "stale-leases"}),
        ("registry", StateUnavailable("table: gone"), {"dead-letters", "stale-leases"}),
    ],
)
def test_a_silent_store_takes_its_part_only(part: str, error: SluiceError, left: set[str]) -> None:
    seen = look(World(silent={part: error}).kit)
    assert seen.unknown == [f"{part}: {error}"]
    assert left <= {finding.check for finding in seen.findings}


def test_without_the_database_no_stream_is_called_late() -> None:
    seen = look(World(silent={"database": DatabaseUnavailable("gone")}).kit)
    assert [view.state for view in seen.streams] == [State.UNKNOWN]
    assert seen.connections is None
    assert "streams-late" not in {finding.check for finding in seen.findings}


@pytest.mark.parametrize(
    "part", ["silent streams", "silent pushes", "silent topics", "connections"]
)
def test_a_database_that_stops_answering_leaves_what_it_had_said(part: str) -> None:
    """Streams are shown and judged as it knew them before; what it was asked last is unknown."""
    quiet = history(*(run(n * MINUTE, rows_read=0) for n in (1, 11, 21)), LOADED)
    both = [stream(pushed=True, topics=(SHIPPED.name,)), stream(key=ZEN)]
    gone = DatabaseUnavailable("database: gone")
    seen = look(World(both, {KEY: quiet, ZEN: LATE}, silent={part: gone}).kit)
    assert [view.state for view in seen.streams] == [State.FRESH, State.LATE]
    assert "streams-late" in {finding.check for finding in seen.findings}
    assert seen.unknown == ["database: database: gone"]
    assert seen.connections == (None if part == "connections" else 11)


def test_without_the_switches_nothing_is_found_of_streams() -> None:
    """What somebody paused would seem late, and wake people up."""
    seen = look(World(silent={"switches": StateUnavailable("gone")}).kit)
    assert "streams-late" not in {finding.check for finding in seen.findings}


def test_a_pause_that_lapsed_pauses_nothing() -> None:
    lapsed = Pause(Scope("acme"), NOW - HOUR, "ann", until=NOW)
    seen = look(World(board=SwitchBoard({Scope("acme"): lapsed})).kit)
    assert seen.streams[0].state is State.LATE


def test_what_somebody_paused_is_paused_and_not_late() -> None:
    """Nor is the database asked about what it read before."""
    quiet = history(*(run(n * MINUTE, rows_read=0) for n in (1, 11, 21)), LOADED)
    paused = SwitchBoard({Scope("acme"): Pause(Scope("acme"), NOW - HOUR, "ann")})
    world = World(known={KEY: quiet}, board=paused)
    [view] = look(world.kit).streams
    assert (view.state, view.paused_because) == (State.PAUSED, "ann paused acme")
    assert world.asked == []


def test_connections_are_too_many_from_more_than_half_of_the_pool_on() -> None:
    found = [each for each in look(World().kit).findings if each.check == "connections-high"]
    assert [each.detail for each in found] == ["11 connections, more than half of a pool of 20"]
    half = look(World(in_use=10).kit)
    assert "connections-high" not in {each.check for each in half.findings}


def test_accounts_are_shown_by_name() -> None:
    """Only those that have a page; where no stream asks a vendor, no page is looked for."""
    names = ("shipbob#sluice/zen", "cars#sluice/acme", "shipbob#sluice/acme")
    accounts = [WatchedAccount(f"account#{name}", name) for name in names]
    seen = look(World(accounts=accounts, page={"at": 1}).kit)
    assert [account.name for account in seen.accounts] == sorted(names)
    nobody = look(World(accounts=()).kit)
    assert (list(nobody.accounts), nobody.unknown) == ([], [])


def test_each_stale_lease_is_told_with_who_held_it_and_since_when_it_is_over() -> None:
    """Its worker died."""
    dead = [Lease(), Lease(ZEN, "another", until=NOW - HOUR)]
    seen = look(World(dead=dead).kit)
    found = [each for each in seen.findings if each.check == "stale-leases"]
    assert [(each.subject, each.detail, each.since) for each in found] == [
        (
            str(KEY),
            "the lease of a dead worker ran out 5 min ago and is still held",
            NOW - 5 * MINUTE,
        ),
        (str(ZEN), "the lease of another ran out 1 h ago and is still held", NOW - HOUR),
    ]


def test_of_very_many_stale_leases_a_hundred_are_told() -> None:
    """However many workers died: a look stays quick, and a person needs no more to see it."""
    assert look(World(dead=[Lease()] * 150).kit).stale_leases == 100


def test_only_the_clients_asked_for_are_looked_at() -> None:
    world = World(streams=[stream(), stream(key=ZEN)], known={})
    assert [view.key for view in look(world.kit, clients=["zen"]).streams] == [ZEN]


def test_silence_is_asked_of_those_who_read_nothing() -> None:
    """All others cost the database nothing."""
    quiet = history(*(run(n * MINUTE, rows_read=0) for n in (1, 11, 21)), LOADED)
    both = [stream(), stream(key=ZEN)]
    fine = history(run(MINUTE), LOADED)
    world = World(both, {KEY: quiet, ZEN: fine}, silences={KEY: Silence(2 * HOUR, 7)})
    seen = look(world.kit)
    assert world.asked == [{KEY: 2 * HOUR}]
    assert "zero-rows" in {finding.check for finding in seen.findings}


def test_pushes_are_asked_of_those_who_push() -> None:
    """Once for a client's source; not where all that is pushed is paused."""
    pushed = [stream(pushed=True), stream(key=StreamKey("acme", "shipbob", "returns"), pushed=True)]
    subject = ("acme", "shipbob")
    world = World(pushed, silences={subject: Silence(3 * HOUR, 7)})
    assert "webhook-silent" in {finding.check for finding in look(world.kit).findings}
    assert world.asked == [{subject: 3 * HOUR}]
    paused = World([replace(each, paused=True) for each in pushed])
    look(paused.kit)
    assert paused.asked == []


SHIPPED, RETURNED = (Topic("acme", "shipbob", name) for name in ("order.shipped", "return.created"))
RETURNS = StreamKey("acme", "shipbob", "returns")
PUSHED = [
    stream(pushed=True, topics=(SHIPPED.name,)),
    stream(
        key=RETURNS,
        pushed=True,
        topics=(RETURNED.name,),
        watch=Watch(pushed_within=12 * HOUR),
    ),
]


def test_topics_are_asked_each_with_the_window_of_its_stream() -> None:
    """And the source with the longest of them; the finding names stream and topic."""
    world = World(PUSHED, silences={RETURNED: Silence(12 * HOUR, 7)})
    found = [each for each in look(world.kit).findings if each.check == "webhook-silent"]
    assert world.asked == [
        {("acme", "shipbob"): 12 * HOUR},
        {SHIPPED: 3 * HOUR, RETURNED: 12 * HOUR},
    ]
    assert [each.subject for each in found] == ["acme#shipbob#returns"]
    assert found[0].detail.startswith("no push of return.created in 12 h, though on 7")


def test_every_topic_of_a_stream_is_asked() -> None:
    world = World([stream(pushed=True, topics=(SHIPPED.name, RETURNED.name))])
    look(world.kit)
    assert world.asked == [{("acme", "shipbob"): 3 * HOUR}, {SHIPPED: 3 * HOUR, RETURNED: 3 * HOUR}]


def test_topics_of_what_is_paused_are_not_asked() -> None:
    world = World([PUSHED[0], replace(PUSHED[1], paused=True)])
    look(world.kit)
    assert world.asked == [{("acme", "shipbob"): 3 * HOUR}, {SHIPPED: 3 * HOUR}]


def test_a_stream_that_was_resumed_has_its_window_to_begin_with() -> None:
    """What was pushed during its pause is noted nowhere."""
    early, over = NOW - 3 * HOUR + MINUTE, NOW - 3 * HOUR
    world = World([replace(PUSHED[0], resumed_at=early)])
    look(world.kit)
    assert world.asked == []
    world = World([replace(PUSHED[0], resumed_at=over)])
    look(world.kit)
    assert world.asked == [{("acme", "shipbob"): 3 * HOUR}, {SHIPPED: 3 * HOUR}]
