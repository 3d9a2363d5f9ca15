"""What an applier says of a push, what it asks of others on its behalf, and its numbers beside others'."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.core.errors import (
    AccountBusy,
    DatabaseUnavailable,
    NotFound,
    SluiceError,
    StateUnavailable,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.slices import Traffic
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Pause
from sluice.core.webhooks import Hint
from sluice.usecases.apply_hint import (
    LOOK_AFTER,
    LOOK_AGAIN,
    MOST_REMEMBERED,
    MOST_REQUESTS,
    OLD,
    STORE_MARGIN,
    ApplyReport,
    Outcome,
)
from sluice.usecases.waiting import LONGEST_DELAY, MOST_ATTEMPTS
from tests.memory.pushes import MemoryPushes
from tests.unit.usecases.hinting import KEY, NOW, Desk, Failing

LONGEST_AT_ONCE = timedelta(seconds=30)
"""An applier's invocation on AWS."""


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (VendorUnavailable("503"), Outcome.DEFERRED),
        (StateUnavailable("no book"), Outcome.DEFERRED),
        (NotFound("no such account"), Outcome.FAILED),
    ],
    ids=lambda each: type(each).__name__,
)
def test_why_it_was_not_applied_is_told_with_the_kind_of_error(
    desk: Desk, error: SluiceError, outcome: Outcome
) -> None:
    desk.stream.error = error
    report = desk.hint()
    assert (report.outcome, report.detail) == (outcome, f"{type(error).__name__}: {error}")


def test_what_is_given_up_says_why(desk: Desk) -> None:
    desk.stream.error = VendorThrottled("429", retry_after=timedelta(seconds=9))
    report = desk.hint(attempt=MOST_ATTEMPTS)
    assert (report.outcome, report.detail) == (Outcome.GIVEN_UP, "VendorThrottled: 429")


def test_whose_pause_it_was_is_told(desk: Desk) -> None:
    desk.switches.pause = Pause(Scope.parse("acme"), NOW, "ann")
    assert desk.hint().detail == "acme by ann"


def test_an_object_that_is_not_there_is_said_to_be_left_to_reconciling(desk: Desk) -> None:
    assert desk.hint("nobody").detail == "the vendor has no such object; left to reconciling"


def test_nothing_is_told_of_what_went_well(desk: Desk) -> None:
    assert desk.hint().detail == ""
    assert ApplyReport(Outcome.WRITTEN, KEY, "e1", timedelta(0)).detail == ""


def test_a_delivery_that_seems_to_come_from_the_future_waited_for_no_time(desk: Desk) -> None:
    assert desk.hint(received_at=NOW + timedelta(seconds=5)).waited == timedelta(0)


def test_what_the_reading_cost_is_told_also_when_it_was_stored_or_left(desk: Desk) -> None:
    assert desk.hint().traffic == Traffic(requests=1)
    assert desk.hint("nobody", event="msg_2").traffic == Traffic(requests=2)


def test_a_stream_that_failed_is_closed_with_its_traffic_counted(desk: Desk) -> None:
    desk.stream.error = VendorUnavailable("503")
    assert desk.hint().traffic == Traffic(requests=1)
    assert desk.stream.closed == 1


def test_without_an_inbox_what_comes_twice_is_read_again(desk: Desk) -> None:
    """And found out when it would be stored."""
    desk.inbox = None  # type: ignore[assignment]
    assert desk.hint().outcome is Outcome.WRITTEN
    assert desk.hint().outcome is Outcome.REPEATED
    assert desk.hint("nobody").outcome is Outcome.ABSENT
    assert len(desk.stream.asked) == 3


def test_one_row_is_asked_for(desk: Desk) -> None:
    desk.hint()
    [(_, budget)] = desk.stream.asked
    assert (budget.rows, budget.requests) == (1, MOST_REQUESTS)


def test_objects_without_versions_are_served_by_one_slice(desk: Desk) -> None:
    """Each is read, since only that tells; the slice that the first asked for sees the others, too."""
    desk.vendor.versions.clear()
    desk.vendor.things["b"] = 6
    first = desk.hint("a")
    assert (first.outcome, first.topic) == (Outcome.ASKED, "thing.changed")
    assert desk.hint("b", event="msg_2").outcome is Outcome.COALESCED
    assert ("acme", "shop", "msg_2") in desk.commits.database.inbox
    assert len(desk.messages.sent) == 1
    desk.now = NOW + LOOK_AFTER
    assert desk.hint("b", event="msg_3", received_at=desk.now).outcome is Outcome.ASKED
    assert len(desk.messages.sent) == 2


def test_what_another_reading_served_waits_for_no_database(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is owed, noted or not: it would end as a dead letter."""
    desk.hint(None)

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(desk.inbox, "note_done", away)
    assert desk.hint(None, event="msg_2").outcome is Outcome.COALESCED
    assert desk.queue.sent == []


def test_a_slice_that_is_asked_for_is_a_push_in_reason_and_in_priority(desk: Desk) -> None:
    desk.hint(None)
    [sent] = desk.messages.sent
    assert (sent.message.reason, sent.message.priority.value) == ("push", "push")


def test_a_hint_that_was_never_tried_is_not_given_up_for_its_attempts(desk: Desk) -> None:
    desk.stream.error = AccountBusy("no slot")
    assert desk.hint(attempt=MOST_ATTEMPTS).outcome is Outcome.DEFERRED


def test_without_a_delivery_nothing_is_told_to_come_back(desk: Desk) -> None:
    desk.hint()
    assert desk.come_backs.asked == []


def test_a_stream_is_not_even_opened_for_what_a_slice_will_see(desk: Desk) -> None:
    desk.hint(None)
    assert desk.hint(None, event="msg_2").outcome is Outcome.COALESCED
    assert desk.stream.closed == 1


def test_what_was_looked_at_again_is_forgotten_later(desk: Desk) -> None:
    def noted(object_id: str) -> Hint:
        hint = Hint("e", KEY, object_id, "t", None)
        desk.looked.note(hint, NOW)
        return hint

    first, second = noted("first"), noted("second")
    for number in range(MOST_REMEMBERED - 2):
        noted(str(number))
    noted("first")
    noted("another")
    long_ago = NOW - timedelta(hours=1)
    assert (desk.looked.covers(first, long_ago), desk.looked.covers(second, long_ago)) == (
        True, False,
    )  # fmt: skip


def test_what_our_own_stores_refuse_is_no_reason_to_give_a_hint_up(desk: Desk) -> None:
    """However old it is: what polling would bring is stored by the same database."""
    desk.pushes = Failing(DatabaseUnavailable("away"))
    desk.now = NOW + OLD * 2
    assert desk.hint().outcome is Outcome.DEFERRED
    desk.pushes = MemoryPushes(desk.commits)
    assert desk.hint().outcome is Outcome.WRITTEN


def test_the_numbers_fit_each_other() -> None:
    """The margin holds one small transaction and leaves most of an invocation to the vendor; a slice that is asked
    for begins before anybody wonders; a portion looks again as late as a queue can wait; a hint is given up after
    all of its attempts could have been made, and long before a day's reading."""
    assert timedelta(seconds=5) <= STORE_MARGIN < LONGEST_AT_ONCE / 3
    assert timedelta(seconds=1) <= LOOK_AFTER <= timedelta(seconds=5)
    assert LOOK_AGAIN == LONGEST_DELAY
    assert LONGEST_DELAY * 2 < OLD < timedelta(hours=3)
    assert 2 <= MOST_REQUESTS <= 5
