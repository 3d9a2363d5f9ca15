"""A message that is not acknowledged comes again when it was told to: in memory and in SQS."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sluice.core.slices import Delivery
from sluice.queues.deliveries import SqsDeliveries
from tests.memory.deliveries import MemoryDeliveries

Client = Callable[[str], Any]


class SqsQueue:
    """A queue with a long visibility timeout and one message, received."""

    def __init__(self, client: Any) -> None:
        name = f"slices-{uuid.uuid4()}"
        self.client = client
        self.url = client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "360"})[
            "QueueUrl"
        ]
        self.deliveries = SqsDeliveries(client, {name: self.url})
        client.send_message(QueueUrl=self.url, MessageBody="{}")
        self.message_id, receipt = self.receive()
        self.delivery = Delivery(self.message_id, receipt, name)

    def receive(self) -> tuple[str, str]:
        answer = self.client.receive_message(QueueUrl=self.url)
        found = answer.get("Messages", [{"MessageId": "", "ReceiptHandle": ""}])[0]
        return found["MessageId"], found["ReceiptHandle"]


@pytest.fixture
def queue(new_client: Client) -> SqsQueue:
    return SqsQueue(new_client("sqs"))


def test_it_comes_again_as_itself_and_not_before_its_time(queue: SqsQueue) -> None:
    """In whole seconds, rounded up: its receiver's time must be over."""
    asked = time.monotonic()
    assert queue.deliveries.come_back(queue.delivery, after=timedelta(seconds=0.2))
    assert queue.receive()[0] == ""
    while not (found := queue.receive())[0]:
        assert time.monotonic() - asked < 5
        time.sleep(0.05)
    assert time.monotonic() - asked >= 0.9
    assert found[0] == queue.message_id


def test_one_that_was_acknowledged_does_not(queue: SqsQueue) -> None:
    """A late duplicate of a message that somebody finished: that is no fault."""
    queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=queue.delivery.receipt)
    assert not queue.deliveries.come_back(queue.delivery, after=timedelta(0))
    assert queue.receive()[0] == ""


def test_in_memory_alike() -> None:
    deliveries = MemoryDeliveries(gone={"m2"})
    assert deliveries.come_back(Delivery("m1", "r"), after=timedelta(seconds=3))
    assert not deliveries.come_back(Delivery("m2", "r"), after=timedelta(seconds=3))
    assert deliveries.coming_back == {"m1": timedelta(seconds=3)}
