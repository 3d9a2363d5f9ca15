"""A message that is not acknowledged comes again when it was told to: in memory, in a simulated universe and in SQS."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from sluice.core.keys import StreamKey
from sluice.core.slices import Delivery
from sluice.queues.deliveries import SqsDeliveries
from tests.memory.deliveries import MemoryDeliveries
from tests.simulation.queue import SliceQueue

Client = Callable[[str], Any]


class SqsQueue:
    """A queue with a long visibility timeout and one message, received. It rounds up to whole seconds."""

    comes_after = timedelta(seconds=0.9)

    def __init__(self, client: Any) -> None:
        name = f"slices-{uuid.uuid4()}"
        self.client = client
        self.url = client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "360"})[
            "QueueUrl"
        ]
        self.deliveries = SqsDeliveries(client, {name: self.url})
        client.send_message(QueueUrl=self.url, MessageBody="{}")
        found = self._received()
        self.delivery = Delivery(found["MessageId"], found["ReceiptHandle"], name)

    def receive(self) -> str | None:
        """The id of the message, when it is in sight."""
        found: str | None = self._received().get("MessageId")
        return found

    def acknowledge(self) -> None:
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=self.delivery.receipt)

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    def pass_time(self) -> None:
        time.sleep(0.05)

    def _received(self) -> dict[str, Any]:
        messages = self.client.receive_message(QueueUrl=self.url).get("Messages", [{}])
        found: dict[str, Any] = messages[0]
        return found


class SimulatedQueue:
    """A universe's queue with one message, received, in a time of its own."""

    comes_after = timedelta(seconds=0.2)

    def __init__(self) -> None:
        self.passed = timedelta(0)
        began = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.deliveries = SliceQueue(Random(1), lambda: began + self.passed)  # noqa: S311  # repeatable
        self.deliveries.ask_for_slice(StreamKey("acme", "cars", "cars"), reason="schedule")
        received = self.deliveries.receive()
        assert received is not None
        self.received = received
        self.delivery = Delivery(received.message_id, "receipt")

    def receive(self) -> str | None:
        found = self.deliveries.receive()
        return found.message_id if found else None

    def acknowledge(self) -> None:
        self.deliveries.acknowledge(self.received)

    def now(self) -> timedelta:
        return self.passed

    def pass_time(self) -> None:
        self.passed += timedelta(seconds=0.05)


@pytest.fixture(params=["simulation", "sqs"])
def queue(request: pytest.FixtureRequest) -> SqsQueue | SimulatedQueue:
    if request.param == "simulation":
        return SimulatedQueue()
    return SqsQueue(request.getfixturevalue("new_client")("sqs"))


def test_it_comes_again_as_itself_and_not_before_its_time(queue: SqsQueue | SimulatedQueue) -> None:
    """Its receiver's time must be over."""
    asked = queue.now()
    assert queue.deliveries.come_back(queue.delivery, after=timedelta(seconds=0.2))
    assert queue.receive() is None
    while not (found := queue.receive()):
        assert queue.now() - asked < timedelta(seconds=5)
        queue.pass_time()
    assert queue.now() - asked >= queue.comes_after
    assert found == queue.delivery.message_id


def test_one_that_was_acknowledged_does_not(queue: SqsQueue | SimulatedQueue) -> None:
    """A late duplicate of a message that somebody finished: that is no fault."""
    queue.acknowledge()
    assert not queue.deliveries.come_back(queue.delivery, after=timedelta(0))
    assert queue.receive() is None


def test_in_memory_alike() -> None:
    deliveries = MemoryDeliveries(gone={"m2"})
    assert deliveries.come_back(Delivery("m1", "r"), after=timedelta(seconds=3))
    assert not deliveries.come_back(Delivery("m2", "r"), after=timedelta(seconds=3))
    assert deliveries.coming_back == {"m1": timedelta(seconds=3)}
