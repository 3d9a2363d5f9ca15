"""Asking on a person's behalf: priorities, tickets, and who is refused."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.asking import AllPaused, Asked, QueueFull, ask, board_of, desks_of
from ops.failures import FAILED, exit_code
from ops.target import Target
from sluice.core.desk.admitting import Admitted, DeskRules
from sluice.core.errors import QueueUnavailable
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause, SwitchBoard
from sluice.usecases.admission import ClientDesks
from tests.memory.book import MemoryBook
from tests.memory.messages import MemoryMessages

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HARBOUR, RIDGE = StreamKey("harbour", "cars", "cars"), StreamKey("ridge", "cars", "cars")
RIDGES_OTHER = StreamKey("ridge", "cars", "bids")


@dataclass
class Queue(MemoryMessages):
    """It does not answer any more once it took so many messages."""

    away_from: int | None = None

    def ask_for_slice(self, key: StreamKey, **more: Any) -> None:
        if self.away_from is not None and len(self.sent) >= self.away_from:
            raise QueueUnavailable("SQS: down")
        super().ask_for_slice(key, **more)


class Desk:
    """A person at the command, a queue, and the clients' desks."""

    def __init__(self) -> None:
        self.messages = Queue()
        self.desks = ClientDesks(MemoryBook(), lambda: NOW)
        self.board = SwitchBoard()
        self._ids = itertools.count()

    def pause(self, *scopes: Scope, **more: object) -> None:
        pauses = {each: Pause(each, NOW, "ann", **more) for each in scopes}  # type: ignore[arg-type]
        self.board = SwitchBoard(pauses=pauses)

    def ask(self, *keys: StreamKey, full_since: datetime | None = None) -> Asked:
        return ask(
            self.messages,
            self.desks,
            keys,
            board=self.board,
            full_since=full_since,
            new_id=lambda: f"ticket {next(self._ids)}",
        )


@pytest.fixture
def person() -> Desk:
    return Desk()


def test_a_sync_now_goes_before_the_schedule_and_a_full_read_behind_it(person: Desk) -> None:
    """From the first slice on: a catalogue read anew is a backfill, whoever asked for it."""
    person.ask(RIDGE)
    person.ask(RIDGE, full_since=NOW)
    now, full = person.messages.take_all()
    assert (now.reason, now.priority, now.full_since) == ("manual", Priority.MANUAL, None)
    assert (full.reason, full.priority, full.full_since) == ("manual", Priority.BACKFILL, NOW)


def test_the_eleventh_request_of_a_client_is_refused_and_nothing_is_sent(person: Desk) -> None:
    for _ in range(10):
        person.ask(RIDGE).check()
    refused = person.ask(RIDGE)
    assert len(person.messages.sent) == 10
    with pytest.raises(QueueFull) as raised:
        refused.check()
    assert str(raised.value).startswith("429: queue full: 10 requests wait already of ridge;")
    assert exit_code(raised.value) == FAILED


def test_full_reads_are_requests_too(person: Desk) -> None:
    for _ in range(10):
        person.ask(RIDGE, full_since=NOW)
    assert person.ask(RIDGE, full_since=NOW).refused == ["ridge"]


def test_one_client_refused_does_not_keep_the_others(person: Desk) -> None:
    for _ in range(10):
        person.ask(HARBOUR)
    person.messages.take_all()
    asked = person.ask(HARBOUR, RIDGE)
    assert (asked.keys, asked.refused) == ([RIDGE], ["harbour"])
    assert [message.key for message in person.messages.take_all()] == [RIDGE]


def test_a_clients_streams_are_asked_for_together_as_one_request(person: Desk) -> None:
    """A client of eleven streams could never be synced otherwise. They wait until the first is let in."""
    for _ in range(9):
        person.ask(RIDGE)
    person.messages.take_all()
    assert person.ask(RIDGE, RIDGES_OTHER).keys == [RIDGE, RIDGES_OTHER]
    one, other = person.messages.take_all()
    assert one.ticket == other.ticket
    assert person.ask(RIDGE).refused == ["ridge"]
    until = NOW + timedelta(seconds=90)
    let_in = person.desks.admit("ridge", "w", one.priority, until, ticket=one.ticket)
    assert let_in == Admitted()
    assert person.ask(RIDGE).refused == []


def test_a_request_that_could_not_be_sent_keeps_nobody_out(person: Desk) -> None:
    """Else ten tries while the queue was away would be told to be ten requests that wait, for an hour."""
    person.messages.away_from = 0
    for _ in range(11):
        with pytest.raises(QueueUnavailable):
            person.ask(RIDGE)
    person.messages.away_from = None
    assert person.ask(RIDGE).refused == []


def test_a_request_that_was_sent_in_part_waits(person: Desk) -> None:
    """Its first message gives the ticket back."""
    person.desks = replace(person.desks, rules=DeskRules(most_tickets=1))
    person.messages.away_from = 1
    with pytest.raises(QueueUnavailable):
        person.ask(RIDGE, RIDGES_OTHER)
    person.messages.away_from = None
    assert person.ask(RIDGE).refused == ["ridge"]


def test_several_clients_refused_are_all_named() -> None:
    assert (
        Asked([], ["harbour", "ridge"], 10).told() == "10 requests wait already of harbour, ridge"
    )


def test_a_deployment_older_than_desks_refuses_nobody() -> None:
    """Its workers give no ticket back."""
    messages = MemoryMessages()
    old = Target({}, embedded=False, where="the stack", aws=lambda _: None)
    for _ in range(11):
        asked = ask(
            messages,
            desks_of(old),
            [RIDGE],
            board=board_of(old),
            full_since=None,
            new_id=lambda: "t",
        )
        assert asked.refused == []
    assert len(messages.sent) == 11


# --- paused -------------------------------------------------------------------------------------------


def test_what_is_paused_is_not_asked_for_and_the_others_are(person: Desk) -> None:
    """A worker would throw the message away: whoever asked would wait for nothing."""
    person.pause(Scope("ridge", "cars", "bids"))
    asked = person.ask(HARBOUR, RIDGE, RIDGES_OTHER)
    asked.check()
    assert asked.keys == [HARBOUR, RIDGE]
    assert [message.key for message in person.messages.take_all()] == [HARBOUR, RIDGE]
    ((pause, stopped),) = asked.paused
    assert (pause.scope, stopped) == (Scope("ridge", "cars", "bids"), [RIDGES_OTHER])


def test_nothing_to_ask_for_ends_like_a_refusal_and_says_how_to_resume(person: Desk) -> None:
    person.pause(Scope("ridge"), why="asked us to", until=NOW + timedelta(hours=2))
    asked = person.ask(RIDGE)
    assert person.messages.sent == []
    with pytest.raises(AllPaused) as raised:
        asked.check()
    assert exit_code(raised.value) == FAILED
    assert str(raised.value) == (
        "nothing was asked for: ridge#cars#cars: paused by ridge since 2026-03-01 12:00:00 by ann,"
        " until 2026-03-01 14:00:00 (asked us to); `sluice resume ridge` ends that"
    )


def test_every_pause_that_stops_a_stream_is_told_the_widest_first(person: Desk) -> None:
    """Lifting one of them would not let it run."""
    person.pause(Scope("ridge"), Scope(), Scope(platform="shopify"), Scope("bolt"))
    with pytest.raises(AllPaused) as raised:
        person.ask(RIDGE).check()
    ends = [part for part in str(raised.value).split("`") if part.startswith("sluice resume")]
    assert ends == ["sluice resume '*'", "sluice resume ridge"]


def test_a_paused_client_takes_no_place_among_those_that_wait(person: Desk) -> None:
    """Nobody would ever give it back."""
    person.pause(Scope("ridge"))
    for _ in range(11):
        assert person.ask(RIDGE).refused == []
    person.board = SwitchBoard()
    person.ask(RIDGE).check()


def test_who_is_refused_is_told_of_that_though_the_rest_is_paused(person: Desk) -> None:
    for _ in range(10):
        person.ask(HARBOUR)
    person.pause(Scope("ridge"))
    asked = person.ask(HARBOUR, RIDGE)
    assert (asked.keys, asked.refused, len(asked.paused)) == ([], ["harbour"], 1)
    with pytest.raises(QueueFull):
        asked.check()
