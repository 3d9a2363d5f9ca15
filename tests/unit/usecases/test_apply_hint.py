"""Applying pushes: a hint has its object read again, within the budget, and nothing else is believed of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.budget import Budget
from sluice.core.errors import (
    AccountBusy,
    CredentialsRefused,
    DatabaseUnavailable,
    InvariantBroken,
    RowRejected,
    StreamUnknown,
    VendorUnavailable,
)
from sluice.core.keys import StreamKey
from sluice.core.ports import Applied, Stream
from sluice.core.records import PushEvent, Record
from sluice.core.scopes import Scope
from sluice.core.slices import Delivery, Traffic
from sluice.core.switches import Pause
from sluice.core.webhooks import Hint
from sluice.messages import ApplyMessage
from sluice.usecases.apply_hint import (
    LOOK_AFTER,
    MOST_REQUESTS,
    OLD,
    STORE_MARGIN,
    ApplyReport,
    Kit,
    Looked,
    Outcome,
    apply_push,
)
from sluice.usecases.waiting import MOST_ATTEMPTS
from tests.memory.commits import MemoryCommits
from tests.memory.inbox import MemoryInbox
from tests.memory.messages import MemoryMessages
from tests.memory.push_queue import MemoryPushQueue
from tests.memory.pushes import MemoryPushes
from tests.memory.streams import Listing, Vendor, thing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = StreamKey("acme", "shop", "things")
DELIVERY = Delivery("m-1", "r-1", "sluice-pushes")
LEFT = timedelta(seconds=30)


@dataclass
class Rereading(Listing):
    """A stream whose objects can be read alone; ``error`` is what the vendor does instead of answering."""

    error: Exception | None = None
    asked: list[tuple[str, Budget]] = field(default_factory=list)

    def reread(self, object_id: str, budget: Budget) -> Record | None:
        self.asked.append((object_id, budget))
        if self.error is not None:
            raise self.error
        if object_id not in self.vendor.things:
            return None
        return thing(object_id, self.vendor.things[object_id], self.vendor.versions.get(object_id))

    def traffic(self) -> Traffic:
        return Traffic(requests=len(self.asked))


@dataclass
class Nobody:
    """No pause, unless there is one."""

    pause: Pause | None = None

    def board(self) -> Any:
        raise AssertionError("only pauses are asked for")

    def pause_of(self, key: StreamKey) -> Pause | None:
        return self.pause


@dataclass
class Opener:
    stream: Stream | Exception

    def open(self, key: StreamKey) -> Stream:
        if isinstance(self.stream, Exception):
            raise self.stream
        return self.stream


@dataclass
class ComeBacks:
    asked: list[tuple[Delivery, timedelta]] = field(default_factory=list)

    def come_back(self, delivery: Delivery, *, after: timedelta) -> bool:
        self.asked.append((delivery, after))
        return True


class Desk:
    """Everything around the applier, in memory. ``now`` may be moved."""

    def __init__(self) -> None:
        self.now = NOW
        self.vendor = Vendor(things={"a": 5}, versions={"a": 50})
        self.stream = Rereading(self.vendor)
        self.opened: Stream | Exception = self.stream
        self.commits = MemoryCommits(lambda: self.now)
        self.pushes: Any = MemoryPushes(self.commits)
        self.queue = MemoryPushQueue()
        self.messages = MemoryMessages()
        self.switches = Nobody()
        self.come_backs = ComeBacks()
        self.looked = Looked()
        self.inbox = MemoryInbox(self.commits.database)

    def apply(self, message: ApplyMessage, delivery: Delivery | None = None) -> ApplyReport:
        kit = Kit(
            inbox=self.inbox,
            pushes=self.pushes,
            queue=self.queue,
            messages=self.messages,
            deliveries=self.come_backs,
            switches=self.switches,
            streams=Opener(self.opened),
            looked=self.looked,
            clock=lambda: self.now,
            chance=lambda: 0.5,
        )
        return apply_push(message, self.now + LEFT, kit, delivery)

    def hint(self, object_id: str | None = "a", **other: Any) -> ApplyReport:
        return self.apply(hinting(object_id, **other))

    @property
    def rows(self) -> dict[str, int]:
        rows = self.commits.database.rows("things", KEY.client_id)
        return {name: row.values[0] for name, row in rows.items()}


def hinting(
    object_id: str | None = "a",
    *,
    event: str = "msg_1",
    received_at: datetime = NOW,
    attempt: int = 0,
) -> ApplyMessage:
    hint = Hint(event, KEY, object_id, "thing.changed", None)
    return ApplyMessage.asking_for(hint, received_at=received_at, attempt=attempt)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_hint_has_its_object_read_again_and_stored(desk: Desk) -> None:
    desk.now = NOW + timedelta(seconds=1.5)
    report = desk.hint()
    assert (report.outcome, report.key, report.topic) == (Outcome.WRITTEN, KEY, "thing.changed")
    assert (report.waited, report.traffic.requests) == (timedelta(seconds=1.5), 1)
    assert desk.rows == {"a": 5}
    assert desk.stream.closed == 1


def test_it_is_read_within_what_is_left_of_the_time_and_by_few_requests(desk: Desk) -> None:
    """So that storing it still fits; and one hint spends little of what all share."""
    desk.hint()
    [(_, budget)] = desk.stream.asked
    assert budget.fetch_until == NOW + LEFT - STORE_MARGIN
    assert budget.requests == MOST_REQUESTS


def test_an_object_that_did_not_change_or_is_older_than_what_is_stored_is_not_written(
    desk: Desk,
) -> None:
    desk.hint()
    desk.looked = Looked()
    assert desk.hint(event="msg_2").outcome is Outcome.UNCHANGED
    desk.looked, desk.vendor.things["a"], desk.vendor.versions["a"] = Looked(), 4, 40
    assert desk.hint(event="msg_3").outcome is Outcome.STALE
    assert desk.rows == {"a": 5}


def test_an_applied_delivery_is_not_even_read_again(desk: Desk) -> None:
    """A vendor sends it twice, or its message's worker died after the commit."""
    desk.hint()
    desk.looked, desk.vendor.things["a"], desk.vendor.versions["a"] = Looked(), 9, 90
    assert desk.hint().outcome is Outcome.REPEATED
    assert desk.rows == {"a": 5}
    assert len(desk.stream.asked) == 1


def test_a_delivery_that_was_put_off_is_applied_when_it_comes_again(desk: Desk) -> None:
    """Being noted is not being applied."""
    desk.stream.error = AccountBusy("no slot")
    assert desk.hint().outcome is Outcome.DEFERRED
    desk.stream.error = None
    assert desk.hint().outcome is Outcome.WRITTEN


@pytest.mark.parametrize("object_id", ["gone", None])
def test_a_delivery_of_which_nothing_is_stored_is_done_with_once_too(
    desk: Desk, object_id: str | None
) -> None:
    desk.hint(object_id)
    desk.looked = Looked()
    assert desk.hint(object_id).outcome is Outcome.REPEATED
    assert (len(desk.stream.asked), len(desk.messages.sent)) in ((1, 0), (0, 1))


def test_an_object_that_is_not_there_is_not_deleted(desk: Desk) -> None:
    """By one read that did not find it; a complete listing and its brake decide on that."""
    desk.hint()
    desk.looked = Looked()
    del desk.vendor.things["a"]
    assert desk.hint(event="msg_2").outcome is Outcome.ABSENT
    assert desk.rows == {"a": 5}
    assert not desk.commits.database.rows("things", "acme")["a"].deleted_at


def test_an_object_that_cannot_be_loaded_is_a_reject(desk: Desk) -> None:
    desk.vendor.things["a"] = "big"
    assert desk.hint().outcome is Outcome.REJECTED
    [reject] = desk.commits.database.rejects
    assert reject.record_id == "a"


def test_an_id_that_can_be_none_is_told_and_left(desk: Desk) -> None:
    desk.stream.error = RowRejected("an id is a whole number")
    assert desk.hint().outcome is Outcome.REJECTED


def test_a_pause_drops_the_hint(desk: Desk) -> None:
    """Polling brings it once the pause is over; the vendor is not asked meanwhile."""
    desk.switches.pause = Pause(Scope.parse("acme"), NOW, "ann")
    assert desk.hint().outcome is Outcome.PAUSED
    assert (desk.stream.asked, desk.queue.sent) == ([], [])


# --- hints that come together -------------------------------------------------------------------------


def test_hints_of_one_object_that_had_all_arrived_cost_one_request(desk: Desk) -> None:
    """Those received a moment before it was read, as far as two machines' clocks can be told apart."""
    desk.now = NOW + timedelta(seconds=3)
    assert desk.hint(received_at=NOW).outcome is Outcome.WRITTEN
    early = NOW + timedelta(seconds=2)
    assert desk.hint(event="msg_2", received_at=early).outcome is Outcome.COALESCED
    late = NOW + timedelta(seconds=2.5)
    assert desk.hint(event="msg_3", received_at=late).outcome is Outcome.UNCHANGED
    assert len(desk.stream.asked) == 2


def test_what_was_read_and_not_stored_covers_nothing(desk: Desk) -> None:
    desk.now = NOW + timedelta(seconds=3)
    desk.pushes = Failing(DatabaseUnavailable("away"))
    assert desk.hint().outcome is Outcome.DEFERRED
    desk.pushes = MemoryPushes(desk.commits)
    assert desk.hint(event="msg_2").outcome is Outcome.WRITTEN


def test_another_object_is_read_all_the_same(desk: Desk) -> None:
    desk.now = NOW + timedelta(seconds=3)
    desk.vendor.things["b"], desk.vendor.versions["b"] = 6, 60
    desk.hint()
    assert desk.hint("b", event="msg_2").outcome is Outcome.WRITTEN


def test_only_so_much_is_remembered(desk: Desk) -> None:
    for n in range(1100):
        desk.looked.note(Hint("e", KEY, str(n), "t", None), NOW)
    assert len(desk.looked.at) == 1000
    assert not desk.looked.covers(Hint("e", KEY, "0", "t", None), NOW - timedelta(hours=1))


# --- hints that name no object ------------------------------------------------------------------------


def test_a_hint_that_names_no_object_has_the_stream_looked_at(desk: Desk) -> None:
    """Ahead of ticks and backfills, and a moment later: so that one slice serves a burst."""
    assert desk.hint(None).outcome is Outcome.ASKED
    [sent] = desk.messages.sent
    assert (sent.message.key, sent.message.reason) == (KEY, "push")
    assert (sent.message.priority, sent.delay) == ("push", LOOK_AFTER)
    assert desk.stream.asked == []


def test_a_burst_of_them_asks_once_until_the_slice_may_have_begun(desk: Desk) -> None:
    assert desk.hint(None).outcome is Outcome.ASKED
    assert desk.hint(None, event="msg_2").outcome is Outcome.COALESCED
    desk.now = NOW + LOOK_AFTER
    assert desk.hint(None, event="msg_3", received_at=desk.now).outcome is Outcome.ASKED
    assert len(desk.messages.sent) == 2


def test_a_stream_without_point_reads_is_looked_at(desk: Desk) -> None:
    desk.opened = Listing(desk.vendor)
    assert desk.hint().outcome is Outcome.ASKED


def test_an_object_without_a_version_is_left_to_a_slice(desk: Desk) -> None:
    """Its slice's number stands in for one, and a push has none."""
    desk.vendor.versions.clear()
    assert desk.hint().outcome is Outcome.ASKED
    assert desk.rows == {}


# --- rows -------------------------------------------------------------------------------------------------


def test_a_pushed_row_is_stored_as_it_came(desk: Desk) -> None:
    event = PushEvent("msg_1", KEY, thing("b", 8, 80))
    report = desk.apply(ApplyMessage.asking_for(event, received_at=NOW))
    assert (report.outcome, report.object_id, report.topic) == (Outcome.WRITTEN, "b", None)
    assert desk.rows == {"b": 8}
    assert desk.stream.asked == []


# --- not now --------------------------------------------------------------------------------------------------


@dataclass
class Failing:
    error: Exception

    def apply(self, event: PushEvent, stream: Stream) -> Applied:
        raise self.error


def test_what_the_budget_has_no_room_for_comes_later_and_was_no_attempt(desk: Desk) -> None:
    """By a delay, not by the queue's receive count: after five receives it would be a dead letter."""
    desk.stream.error = AccountBusy("no slot", retry_after=timedelta(seconds=7))
    assert desk.hint(attempt=3).outcome is Outcome.DEFERRED
    [(_, delay)] = desk.queue.sent
    assert delay == timedelta(seconds=7)
    [message] = desk.queue.take_all()
    assert (message.attempt, message.received_at, message.news) == (3, NOW, hinting().news)


def test_what_the_vendor_cannot_serve_comes_later_and_was_an_attempt(desk: Desk) -> None:
    desk.stream.error = VendorUnavailable("503")
    assert desk.hint(attempt=3).outcome is Outcome.DEFERRED
    assert [message.attempt for message in desk.queue.take_all()] == [4]
    assert desk.stream.closed == 1


def test_after_many_attempts_a_hint_is_left_to_polling(desk: Desk) -> None:
    desk.stream.error = VendorUnavailable("503")
    assert desk.hint(attempt=MOST_ATTEMPTS).outcome is Outcome.GIVEN_UP
    assert desk.queue.sent == []


def test_an_old_hint_is_left_to_polling(desk: Desk) -> None:
    """However the budget stands: what polls bring by then is newer."""
    desk.stream.error = AccountBusy("no slot")
    desk.now = NOW + OLD
    assert desk.hint().outcome is Outcome.DEFERRED
    desk.now = NOW + OLD + timedelta(seconds=1)
    assert desk.hint().outcome is Outcome.GIVEN_UP


def test_a_database_that_is_away_for_long_makes_a_dead_letter(desk: Desk) -> None:
    desk.pushes = Failing(DatabaseUnavailable("away"))
    assert desk.hint(attempt=MOST_ATTEMPTS - 1).outcome is Outcome.DEFERRED
    with pytest.raises(DatabaseUnavailable):
        desk.hint(attempt=MOST_ATTEMPTS)


def test_a_bug_is_raised(desk: Desk) -> None:
    desk.pushes = Failing(InvariantBroken("a bug"))
    with pytest.raises(InvariantBroken):
        desk.hint()
    assert desk.stream.closed == 1


@pytest.mark.parametrize(
    "error", [StreamUnknown("not in the registry"), CredentialsRefused("401")], ids=lambda e: str(e)
)
def test_what_needs_a_person_is_told_and_dropped(desk: Desk, error: Exception) -> None:
    """The stream's own slices meet the same, and end a run as failed."""
    desk.opened = error
    report = desk.hint()
    assert (report.outcome, str(error) in report.detail) == (Outcome.FAILED, True)
    assert desk.queue.sent == []


def test_a_killed_appliers_message_comes_back_when_its_time_is_over(desk: Desk) -> None:
    desk.apply(hinting(), DELIVERY)
    assert desk.come_backs.asked == [(DELIVERY, LEFT)]


def test_the_message_is_told_to_come_back_before_anything_else(desk: Desk) -> None:
    asked: list[str] = []
    desk.come_backs.come_back = lambda *_, **__: asked.append("come back")  # type: ignore[method-assign, assignment]
    wrapped: Callable[[StreamKey], None] = desk.switches.pause_of

    def pause_of(key: StreamKey) -> None:
        asked.append("pause")
        wrapped(key)

    desk.switches.pause_of = pause_of  # type: ignore[method-assign]
    desk.apply(hinting(), DELIVERY)
    assert asked == ["come back", "pause"]
