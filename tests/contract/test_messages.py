"""What every implementation of ``core.ports.Messages`` must keep to: in memory, in a simulated universe and in SQS."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.core.asked_days import AskedDays
from sluice.core.desk.admitting import Waiting
from sluice.core.keys import StreamKey
from sluice.core.ports import Messages
from sluice.core.priorities import Priority
from sluice.messages import SliceMessage
from sluice.queues.messages import SqsMessages
from tests.memory.messages import MemoryMessages
from tests.simulation.queue import SliceQueue

KEY = StreamKey("acme", "cars", "cars")


@dataclass
class Queue:
    """Both queues, and a way to receive all that is in sight of each."""

    messages: Messages
    take: Callable[[], list[SliceMessage]]
    take_backfills: Callable[[], list[SliceMessage]]


class SimulatedQueues:
    """The universes' one queue, whose workers take fresh slices and backfills alike: the priority tells them apart."""

    def __init__(self) -> None:
        now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.messages = SliceQueue(Random(1), lambda: now)  # noqa: S311  # repeatable
        self.taken: list[SliceMessage] = []

    def take(self, *, backfills: bool) -> list[SliceMessage]:
        while waiting := self.messages.receive():
            self.messages.acknowledge(waiting)
            self.taken.append(waiting.message)
        found = [m for m in self.taken if (m.priority is Priority.BACKFILL) == backfills]
        self.taken = [message for message in self.taken if message not in found]
        return found


@pytest.fixture(params=["memory", "simulation", "sqs"])
def queue(request: pytest.FixtureRequest) -> Queue:
    if request.param == "memory":
        memory = MemoryMessages()
        return Queue(
            memory,
            lambda: memory.take_from(backfills=False),
            lambda: memory.take_from(backfills=True),
        )
    if request.param == "simulation":
        simulated = SimulatedQueues()
        return Queue(
            simulated.messages,
            lambda: simulated.take(backfills=False),
            lambda: simulated.take(backfills=True),
        )
    client = request.getfixturevalue("new_client")("sqs")
    url, backfills = (
        client.create_queue(QueueName=f"{name}-{uuid.uuid4()}")["QueueUrl"]
        for name in ("slices", "backfills")
    )
    return Queue(
        SqsMessages(client, url, backfills),
        lambda: _receive(client, url),
        lambda: _receive(client, backfills),
    )


def _receive(client: Any, url: str) -> list[SliceMessage]:
    found: list[SliceMessage] = []
    while got := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in got:
            found.append(SliceMessage.model_validate_json(message["Body"]))
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_a_message_arrives_as_it_was_meant(queue: Queue) -> None:
    """With everything a continuation of a full read says."""
    since = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    queue.messages.ask_for_slice(
        KEY, reason="continuation", expect_seq=0, attempt=2, held=3, full_since=since
    )
    (message,) = queue.take()
    assert (message.key, message.reason) == (KEY, "continuation")
    assert (message.expect_seq, message.attempt, message.full_since) == (0, 2, since)
    assert message.held == 3


def test_days_that_are_asked_for_arrive(queue: Queue) -> None:
    """With when they were asked for, which tells a repetition; a backfill."""
    asked = AskedDays(date(2026, 2, 1), date(2026, 2, 7), datetime(2026, 3, 1, 12, 30, 0, 5, UTC))
    queue.messages.ask_for_slice(KEY, reason="manual", days=asked, priority=Priority.BACKFILL)
    (message,) = queue.take_backfills()
    assert message.asked_days == asked


def test_what_is_not_said_is_not_assumed(queue: Queue) -> None:
    """A manual message expects no seq, asks for no full read, is the first attempt and waited for no lease."""
    queue.messages.ask_for_slice(KEY, reason="manual")
    (message,) = queue.take()
    assert message == SliceMessage.asking_for(KEY, reason="manual")
    assert (message.expect_seq, message.full_since, message.asked_days) == (None, None, None)
    assert (message.attempt, message.held) == (0, 0)


def test_a_message_is_the_schedules_unless_it_says_otherwise(queue: Queue) -> None:
    """Whatever its reason."""
    queue.messages.ask_for_slice(KEY, reason="continuation")
    (message,) = queue.take()
    assert (message.priority, message.ticket, message.waiting) == (Priority.SCHEDULE, None, None)


def test_a_message_carries_its_priority_its_ticket_and_its_turn(queue: Queue) -> None:
    """What a refused message brings to the desk when it comes back; also the microsecond."""
    waiting = Waiting(datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC), turn=7)
    queue.messages.ask_for_slice(
        KEY, reason="continuation", priority=Priority.MANUAL, ticket="t", waiting=waiting
    )
    (message,) = queue.take()
    assert message.priority is Priority.MANUAL
    assert (message.ticket, message.waiting) == ("t", waiting)


@pytest.mark.parametrize("priority", Priority)
def test_a_backfill_goes_to_the_queue_of_its_own_and_nothing_else_does(
    queue: Queue, priority: Priority
) -> None:
    """Also its continuations and deferrals: the priority decides, not the reason."""
    queue.messages.ask_for_slice(KEY, reason="deferred", priority=priority)
    is_backfill = priority is Priority.BACKFILL
    assert [m.priority for m in queue.take_backfills()] == [priority] * is_backfill
    assert [m.priority for m in queue.take()] == [priority] * (not is_backfill)


def test_a_delayed_backfill_is_out_of_sight(queue: Queue) -> None:
    delay = timedelta(minutes=2)
    queue.messages.ask_for_slice(KEY, reason="manual", priority=Priority.BACKFILL, delay=delay)
    assert queue.take_backfills() == []


def test_an_unknown_priority_is_a_bug_found_at_once(queue: Queue) -> None:
    with pytest.raises(ValidationError):
        queue.messages.ask_for_slice(KEY, reason="manual", priority="whim")
    assert queue.take() == []


def test_a_partition_is_part_of_the_key(queue: Queue) -> None:
    key = StreamKey("acme", "events", "events", "2026-03-01")
    queue.messages.ask_for_slice(key, reason="schedule")
    assert [message.key for message in queue.take()] == [key]


def test_a_delayed_message_is_out_of_sight(queue: Queue) -> None:
    queue.messages.ask_for_slice(KEY, reason="deferred", delay=timedelta(minutes=2))
    assert queue.take() == []


def test_a_delay_beyond_the_queues_limit_is_capped(queue: Queue) -> None:
    """A vendor that asks for a day is asked again after 15 minutes; nothing fails."""
    queue.messages.ask_for_slice(KEY, reason="deferred", delay=timedelta(days=1))
    assert queue.take() == []


def test_a_negative_delay_is_none(queue: Queue) -> None:
    """A moment that has passed meanwhile."""
    queue.messages.ask_for_slice(KEY, reason="deferred", delay=timedelta(seconds=-3))
    assert len(queue.take()) == 1


@pytest.mark.parametrize("many", [0, 1, 10, 11, 25])
def test_many_streams_are_asked_for_once_each(queue: Queue, many: int) -> None:
    """Also past the ten that one call takes."""
    keys = [StreamKey(f"client-{n}", "cars", "cars") for n in range(many)]
    queue.messages.ask_for_slices(keys, reason="schedule")
    got = queue.take()
    assert sorted(str(message.key) for message in got) == sorted(map(str, keys))
    assert {message.reason for message in got} <= {"schedule"}


def test_an_unknown_reason_is_a_bug_found_at_once(queue: Queue) -> None:
    with pytest.raises(ValidationError):
        queue.messages.ask_for_slice(KEY, reason="whim")
    assert queue.take() == []
