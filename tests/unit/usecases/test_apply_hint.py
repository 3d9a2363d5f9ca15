"""Applying pushes: a hint has its object read again, within the budget, and nothing else is believed of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.errors import (
    AccountBusy,
    DatabaseUnavailable,
    RowRejected,
)
from sluice.core.records import PushEvent
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause
from sluice.core.webhooks import Hint
from sluice.messages import ApplyMessage
from sluice.usecases.apply_hint import (
    LOOK_AFTER,
    MOST_REQUESTS,
    STORE_MARGIN,
    Looked,
    Outcome,
)
from tests.memory.pushes import MemoryPushes
from tests.memory.streams import Listing, thing
from tests.unit.usecases.hinting import (
    KEY,
    LEFT,
    NOW,
    Desk,
    Failing,
)


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


def test_a_delivery_is_noted_with_its_topic(desk: Desk) -> None:
    """So that one that falls silent is missed."""
    desk.hint()
    assert [(entry.event_id, entry.topic) for entry in desk.inbox.received] == [
        ("msg_1", "thing.changed")
    ]


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
    assert ("acme", "shop", "msg_2") in desk.commits.database.inbox, "nothing of it is owed"
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
    assert ("acme", "shop", "msg_2") in desk.commits.database.inbox
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
