"""What SQS says to a message's coming back, sorted by what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sluice.core.errors import QueueUnavailable, SettingInvalid, SluiceError
from sluice.core.slices import Delivery
from sluice.queues.deliveries import SqsDeliveries

URL = "http://127.0.0.1:9/000000000000/slices"
DELIVERY = Delivery("m1", "a receipt", "slices")


@pytest.fixture
def client() -> Iterator[Any]:
    made = boto3.client(
        "sqs",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        endpoint_url="http://127.0.0.1:9",
    )
    yield made
    made.close()


def come_back(client: Any, after: timedelta) -> bool:
    return SqsDeliveries(client, {"slices": URL}).come_back(DELIVERY, after=after)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [(timedelta(seconds=59.2), 60), (timedelta(seconds=60), 60), (timedelta(seconds=-3), 0)],
)
def test_seconds_are_whole_and_rounded_up(client: Any, after: timedelta, seconds: int) -> None:
    with Stubber(client) as stub:
        stub.add_response(
            "change_message_visibility",
            {},
            {"QueueUrl": URL, "ReceiptHandle": "a receipt", "VisibilityTimeout": seconds},
        )
        assert come_back(client, after)


@pytest.mark.parametrize(
    "code",
    [
        "InvalidParameterValue",
        "ReceiptHandleIsInvalid",
        "AWS.SimpleQueueService.MessageNotInflight",
    ],
)
def test_a_message_that_is_gone_is_no_fault(client: Any, code: str) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("change_message_visibility", code)
        assert not come_back(client, timedelta(seconds=1))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ServiceUnavailable", QueueUnavailable),
        ("RequestThrottled", QueueUnavailable),
        ("AccessDenied", SettingInvalid),
    ],
)
def test_all_else_is_told(client: Any, code: str, error: type[SluiceError]) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("change_message_visibility", code)
        with pytest.raises(error, match="queue slices"):
            come_back(client, timedelta(seconds=1))
