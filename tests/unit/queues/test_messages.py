"""What is said to SQS: fairness, delays, and refusals that hide in an answer of success."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from sluice.core.errors import QueueUnavailable, SettingInvalid, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.messages import SliceMessage
from sluice.queues.messages import SqsMessages

KEY = StreamKey("acme", "cars", "cars")
URL = "http://127.0.0.1:9/000000000000/slices"
BACKFILLS_URL = "http://127.0.0.1:9/000000000000/backfills"


@pytest.fixture
def client() -> Any:
    made = boto3.client(
        "sqs",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        endpoint_url="http://127.0.0.1:9",
    )
    yield made
    made.close()


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        (timedelta(0), 0),
        (timedelta(seconds=-1), 0),
        (timedelta(milliseconds=1), 1),
        (timedelta(seconds=1.2), 2),
        (timedelta(seconds=900), 900),
        (timedelta(seconds=900.5), 900),
        (timedelta(days=400), 900),
    ],
)
def test_a_delay_is_whole_seconds_rounded_up_and_capped(
    client: Any, delay: timedelta, seconds: int
) -> None:
    """And every message carries its client, by whom SQS shares its deliveries."""
    with Stubber(client) as stub:
        stub.add_response(
            "send_message",
            {},
            {
                "QueueUrl": URL,
                "MessageBody": ANY,
                "DelaySeconds": seconds,
                "MessageGroupId": "acme",
            },
        )
        SqsMessages(client, URL).ask_for_slice(KEY, reason="deferred", delay=delay)
        stub.assert_no_pending_responses()


def test_a_batch_carries_each_messages_client(client: Any) -> None:
    sent: list[dict[str, Any]] = []
    client.meta.events.register("provide-client-params", lambda params, **_: sent.append(params))
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
        keys = [StreamKey(f"client-{n}", "cars", "cars") for n in range(12)]
        SqsMessages(client, URL).ask_for_slices(keys, reason="schedule")
    assert [len(params["Entries"]) for params in sent] == [10, 2]
    for entry in (entry for params in sent for entry in params["Entries"]):
        assert entry["MessageGroupId"] == json.loads(entry["MessageBody"])["client_id"]


def test_a_message_refused_within_a_batch_is_not_lost_in_silence(client: Any) -> None:
    """The call succeeds, the message does not; the batches after it are sent all the same."""
    refused = {"Id": "3", "Code": "InternalError", "Message": "try again", "SenderFault": False}
    with Stubber(client) as stub:
        stub.add_response("send_message_batch", {"Successful": [], "Failed": [refused]})
        stub.add_response("send_message_batch", {"Successful": [], "Failed": []})
        keys = [StreamKey(f"client-{n}", "cars", "cars") for n in range(12)]
        with pytest.raises(QueueUnavailable, match=r"1 of 12.*try again"):
            SqsMessages(client, URL).ask_for_slices(keys, reason="schedule")
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", SettingInvalid),
        ("AccessDenied", SettingInvalid),
        ("AccessDeniedException", SettingInvalid),
        ("RequestThrottled", QueueUnavailable),
        ("InternalFailure", QueueUnavailable),
    ],
)
@pytest.mark.parametrize("operation", ["send_message", "send_message_batch"])
def test_each_refusal_says_what_to_do_next(
    client: Any, operation: str, code: str, error: type[SluiceError]
) -> None:
    messages = SqsMessages(client, URL)
    with Stubber(client) as stub:
        stub.add_client_error(operation, code)
        send = {
            "send_message": lambda: messages.ask_for_slice(KEY, reason="manual"),
            "send_message_batch": lambda: messages.ask_for_slices([KEY], reason="schedule"),
        }[operation]
        with pytest.raises(error, match="queue slices") as raised:
            send()
    assert raised.value.__cause__ is not None


def test_no_answer_at_all_is_unavailable(client: Any) -> None:
    with pytest.raises(QueueUnavailable):
        SqsMessages(client, URL).ask_for_slice(KEY, reason="manual")


@pytest.mark.parametrize(("backfills_url", "url"), [(BACKFILLS_URL, BACKFILLS_URL), (None, URL)])
def test_a_backfill_carries_its_client_to_the_queue_of_its_own(
    client: Any, backfills_url: str | None, url: str
) -> None:
    """Where a deployment has none, to the one that there is."""
    with Stubber(client) as stub:
        wanted = {"QueueUrl": url, "MessageBody": ANY, "DelaySeconds": 0, "MessageGroupId": "acme"}
        stub.add_response("send_message", {}, wanted)
        SqsMessages(client, URL, backfills_url).ask_for_slice(
            KEY, reason="manual", priority=Priority.BACKFILL
        )
        stub.assert_no_pending_responses()


def test_a_queue_that_refuses_is_called_by_its_own_name(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("send_message", "AccessDenied")
        with pytest.raises(SettingInvalid, match="queue backfills: this role may not send"):
            SqsMessages(client, URL, BACKFILLS_URL).ask_for_slice(
                KEY, reason="manual", priority=Priority.BACKFILL
            )


def test_a_message_of_before_priorities_is_the_schedules() -> None:
    """It was queued before a deploy."""
    body = '{"client_id":"acme","source":"cars","stream":"cars","reason":"manual"}'
    message = SliceMessage.model_validate_json(body)
    assert (message.priority, message.waiting) == (Priority.SCHEDULE, None)


def test_what_a_newer_sender_adds_is_no_reason_to_fail() -> None:
    body = '{"client_id":"acme","source":"cars","stream":"cars","reason":"manual","mood":"good"}'
    assert SliceMessage.model_validate_json(body) == SliceMessage.asking_for(KEY, reason="manual")
