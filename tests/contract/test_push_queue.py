"""What every queue of pushes must keep to: a message says what was meant, waits as told, and comes back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.records import PushEvent
from sluice.core.webhooks import Hint, News
from sluice.messages import ApplyMessage
from sluice.queues.pushes import SqsPushQueue
from tests.memory.push_queue import MemoryPushQueue
from tests.memory.streams import thing

KEY = StreamKey("acme", "parcels", "parcels")
NOW = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
HINT = Hint("msg_1", KEY, "p-17", "parcel.moved", NOW - timedelta(seconds=5))
ROW = PushEvent("msg_2", KEY, thing("p-18", 7, 42), gone=True)


@dataclass
class Queue:
    """A queue of pushes, and a way to receive all that is in sight."""

    pushes: Any
    take: Callable[[], list[ApplyMessage]]


@pytest.fixture(params=["memory", "sqs"])
def queue(request: pytest.FixtureRequest) -> Queue:
    if request.param == "memory":
        memory = MemoryPushQueue()
        return Queue(memory, memory.take)
    client = request.getfixturevalue("new_client")("sqs")
    url = client.create_queue(QueueName=f"pushes-{uuid.uuid4()}")["QueueUrl"]
    return Queue(SqsPushQueue(client, url), lambda: _receive(client, url))


def _receive(client: Any, url: str) -> list[ApplyMessage]:
    found: list[ApplyMessage] = []
    while got := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in got:
            found.append(ApplyMessage.model_validate_json(message["Body"]))
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.mark.parametrize(
    "news", [HINT, Hint("msg_3", KEY, None, "parcels.moved", None), ROW], ids=["hint", "any", "row"]
)
def test_what_was_pushed_arrives_as_it_was_meant(queue: Queue, news: News) -> None:
    """To the byte of a row, and to the fraction of a second of each moment."""
    queue.pushes.ask_to_apply(news, received_at=NOW)
    [message] = queue.take()
    assert (message.news, message.received_at, message.attempt) == (news, NOW, 0)
    assert message.key == KEY


def test_a_delayed_push_is_out_of_sight(queue: Queue) -> None:
    queue.pushes.ask_to_apply(HINT, received_at=NOW, attempt=3, delay=timedelta(seconds=60))
    assert queue.take() == []


def test_a_push_that_was_put_off_says_how_often(queue: Queue) -> None:
    queue.pushes.ask_to_apply(HINT, received_at=NOW, attempt=3)
    assert [message.attempt for message in queue.take()] == [3]


def test_a_longer_delay_than_sqs_takes_is_capped(queue: Queue) -> None:
    queue.pushes.ask_to_apply(HINT, received_at=NOW, attempt=1, delay=timedelta(hours=2))
    assert queue.take() == []


def test_a_queue_that_is_gone_needs_a_person(new_client: Callable[[str], Any]) -> None:
    pushes = SqsPushQueue(new_client("sqs"), "http://127.0.0.1:1/000000000000/gone")
    with pytest.raises(SettingInvalid, match="it is not there"):
        pushes.ask_to_apply(HINT, received_at=NOW)
