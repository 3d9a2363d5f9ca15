"""How many messages lie in each queue. Receives none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice.core.errors import QueueUnavailable
from sluice.core.overview.picture import DEAD_LETTERS, DEAD_PUSHES, QueueView

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DEAD = (DEAD_LETTERS, DEAD_PUSHES)


@dataclass(frozen=True, slots=True)
class SqsDepths:
    """Implements ``usecases.overview.CountsQueues``. ``urls`` by the names that people know queues by."""

    client: SQSClient
    urls: Mapping[str, str]

    def depths(self) -> Sequence[QueueView]:
        """Approximate, as all counts of SQS are. Raises QueueUnavailable."""
        return [self._depth(name, url) for name, url in self.urls.items()]

    def _depth(self, name: str, url: str) -> QueueView:
        try:
            answer = self.client.get_queue_attributes(
                QueueUrl=url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesDelayed",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise QueueUnavailable(f"queue of {name}: {code}") from error
        except BotoCoreError as error:
            raise QueueUnavailable(f"queue of {name}: {error}") from error
        found = answer["Attributes"]
        return QueueView(
            name=name,
            waiting=int(found.get("ApproximateNumberOfMessages", "0")),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", "0")),
            in_flight=int(found.get("ApproximateNumberOfMessagesNotVisible", "0")),
            dead=name in DEAD,
        )
