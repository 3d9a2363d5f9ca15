"""Sending messages that ask for slices. Receiving is the event source's work.

Each message carries its client as MessageGroupId: on a standard queue that makes SQS share its
deliveries fairly among clients, without ordering anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice.core.errors import QueueUnavailable
from sluice.core.keys import StreamKey
from sluice.messages import SliceMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST_DELAY_S = 900
"""SQS takes no longer delay per message."""

BATCH = 10


@dataclass(frozen=True, slots=True)
class SqsMessages:
    """Implements ``core.ports.Messages``. Raises QueueUnavailable when SQS does not take one."""

    client: SQSClient
    queue_url: str

    def ask_for_slice(
        self,
        key: StreamKey,
        *,
        reason: str,
        expect_seq: int | None = None,
        attempt: int = 0,
        full_since: datetime | None = None,
        delay: timedelta = timedelta(0),
    ) -> None:
        message = SliceMessage.asking_for(
            key, reason=reason, expect_seq=expect_seq, attempt=attempt, full_since=full_since
        )
        with _translated():
            self.client.send_message(
                QueueUrl=self.queue_url,
                MessageBody=message.model_dump_json(exclude_none=True),
                DelaySeconds=_whole_seconds(delay),
                MessageGroupId=key.client_id,
            )

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        for batch in _batches(keys):
            self._send_batch(batch, reason)

    def _send_batch(self, keys: Sequence[StreamKey], reason: str) -> None:
        with _translated():
            answer = self.client.send_message_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {
                        "Id": str(number),
                        "MessageBody": SliceMessage.asking_for(key, reason=reason).model_dump_json(
                            exclude_none=True
                        ),
                        "MessageGroupId": key.client_id,
                    }
                    for number, key in enumerate(keys)
                ],
            )
        failed = answer.get("Failed", [])
        if failed:
            raise QueueUnavailable(
                f"SQS refused {len(failed)} of {len(keys)} messages: {failed[0].get('Code')}"
            )


def _batches(keys: Sequence[StreamKey]) -> Iterator[Sequence[StreamKey]]:
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


def _whole_seconds(delay: timedelta) -> int:
    """Rounded up: a vendor that asked for 1.2 s gets 2."""
    return min(max(-int(-delay.total_seconds() // 1), 0), LONGEST_DELAY_S)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise QueueUnavailable(f"queue: {error}") from error
