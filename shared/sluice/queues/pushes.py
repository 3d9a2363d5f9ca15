"""The queue of what pushes brought, apart from slices: a push waits for no slice, and no slice for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice.core.webhooks import News
from sluice.messages import ApplyMessage, SecretMessage
from sluice.queues.messages import delay_s, translation

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class SqsPushQueue:
    """Implements ``usecases.receive_webhook.PushQueue`` and ``usecases.apply_push.AsksAgain``.

    Each message carries its client as MessageGroupId, so that SQS shares deliveries fairly among clients.
    Raises QueueUnavailable when it is not certain that SQS has the message, SettingInvalid when a person
    must act.
    """

    client: SQSClient
    queue_url: str

    def ask_to_apply(
        self,
        news: News,
        *,
        received_at: datetime,
        attempt: int = 0,
        delay: timedelta = timedelta(0),
    ) -> None:
        """Send one message; ``delay`` is capped at the queue's 15 minutes."""
        message = ApplyMessage.asking_for(news, received_at=received_at, attempt=attempt)
        self._send(message, news.key.client_id, delay)

    def tell_of_secret(self, message: SecretMessage) -> None:
        """Send one message, in the group of the client that it is about."""
        self._send(message, message.scope.partition("#")[0], timedelta(0))

    def _send(self, message: ApplyMessage | SecretMessage, group: str, delay: timedelta) -> None:
        try:
            self.client.send_message(
                QueueUrl=self.queue_url,
                MessageBody=message.model_dump_json(exclude_none=True),
                DelaySeconds=delay_s(delay),
                MessageGroupId=group,
            )
        except (ClientError, BotoCoreError) as error:
            raise translation(self.queue_url, error) from error
