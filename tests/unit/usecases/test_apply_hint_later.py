"""Applying pushes that cannot be applied now: later, as a dead letter, by polling, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sluice.core.errors import (
    AccountBusy,
    CredentialsRefused,
    DatabaseUnavailable,
    InvariantBroken,
    StreamUnknown,
    VendorUnavailable,
)
from sluice.core.keys import StreamKey
from sluice.usecases.apply_hint import (
    OLD,
    Outcome,
)
from sluice.usecases.waiting import MOST_ATTEMPTS
from tests.unit.usecases.hinting import (
    DELIVERY,
    LEFT,
    NOW,
    Desk,
    Failing,
    hinting,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


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
