"""A poisoned message on the deployed template, from the queue to its end by a person's hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ops.dead_letters.letters import DeadLetters, DeadQueue, Wanted, send_all_back
from ops.dead_letters.why import logged_failure
from ops.target import Target, find_target
from tests.e2e.deployed import Deployed, until

POISON = json.dumps({"client_id": "poisoned", "source": "cars", "stream": "cars", "reason": "none"})


@pytest.fixture
def target(deployed: Deployed) -> Target:
    return find_target(None, environment={}, env_file=deployed.stack.places.env)


@contextmanager
def hasty(deployed: Deployed) -> Iterator[None]:
    """Five receives, six minutes apart, are half an hour: here a second is between them."""
    sqs, queue = deployed.aws("sqs"), deployed.names["SLUICE_QUEUE_URL"]
    patient = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=patient["Attributes"])


@pytest.mark.long
def test_a_poisoned_message_is_found_understood_sent_back_and_thrown_away(
    deployed: Deployed, target: Target
) -> None:
    """What the worker said of it is found in its log; sent back, it dies again and lies there anew."""
    letters = DeadLetters.of(target, DeadQueue.SLICES)

    def ours() -> list[str]:
        return [each.id for each in letters.listed(Wanted(), most=100) if each.body == POISON]

    with hasty(deployed):
        deployed.aws("sqs").send_message(
            QueueUrl=deployed.names["SLUICE_QUEUE_URL"],
            MessageBody=POISON,
            MessageGroupId="poisoned",
        )
        first = until(ours, "the message is a dead letter")
        (letter,) = letters.listed(Wanted(ids=first), most=2)
        why = logged_failure(target.aws("logs"), target.stack, letter)
        assert why is not None
        assert why.startswith("ValidationError")
        sent = send_all_back(letters, Wanted(ids=first), most=10, told=lambda _: None)
        assert dict(sent) == {"sluice-slices": 1}
        again = until(ours, "it is a dead letter again")
    with letters.held(Wanted(ids=again), most=10) as found:
        for each in found:
            letters.delete(each)
    assert ours() == []
