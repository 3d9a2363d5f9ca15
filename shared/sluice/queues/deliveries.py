"""What may be done with a message that was handed to us, besides acknowledging it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice.core.slices import Delivery
from sluice.queues.messages import translation

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_GONE = frozenset({"InvalidParameterValue", "ReceiptHandleIsInvalid", "MessageNotInflight"})
"""How SQS says that a message was acknowledged, or came into sight again, since it was handed to us."""


@dataclass(frozen=True, slots=True)
class SqsDeliveries:
    """Implements ``core.ports.Deliveries``. ``urls`` are those of the queues, by their names.

    Raises QueueUnavailable when SQS does not answer, SettingInvalid when a person must act.
    """

    client: SQSClient
    urls: Mapping[str, str]

    def come_back(self, delivery: Delivery, *, after: timedelta) -> bool:
        """In whole seconds, rounded up: not before ``after`` is over."""
        url = self.urls[delivery.queue]
        try:
            self.client.change_message_visibility(
                QueueUrl=url,
                ReceiptHandle=delivery.receipt,
                VisibilityTimeout=max(math.ceil(after.total_seconds()), 0),
            )
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and _code(error) in _GONE:
                return False
            raise translation(url, error) from error
        return True


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"].rsplit(".", 1)[-1]
