"""Sending messages that ask for slices. Receiving is the event source's work.

Each message carries its client as MessageGroupId: on a standard queue that makes SQS share its
deliveries fairly among clients, without ordering anything. Backfills have a queue of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sluice.core.asked_days import AskedDays
from sluice.core.desk.admitting import Waiting
from sluice.core.errors import QueueUnavailable, SettingInvalid, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.core.spreading import Spread
from sluice.messages import SliceMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef

LONGEST_DELAY = timedelta(minutes=15)
"""SQS takes no longer delay per message."""

BATCH = 10
"""SQS takes no more messages in one call."""

_REMEDIES = {
    "AWS.SimpleQueueService.NonExistentQueue": "it is not there; deploy template.yaml again",
    "QueueDoesNotExist": "it is not there; deploy template.yaml again",
    "AccessDenied": "this role may not send to it; see the function's role in template.yaml",
    "AccessDeniedException": "this role may not send to it; see the function's role in template.yaml",
}


@dataclass(frozen=True, slots=True)
class SqsMessages:
    """Implements ``core.ports.Messages``. Without a ``backfill_queue_url``, backfills go to the one queue.

    Raises QueueUnavailable when SQS does not take a message, SettingInvalid when a person must act.
    """

    client: SQSClient
    queue_url: str
    backfill_queue_url: str | None = None
    spread: Spread = map
    """How many batches are sent at once."""

    def ask_for_slice(
        self,
        key: StreamKey,
        *,
        reason: str,
        expect_seq: int | None = None,
        attempt: int = 0,
        held: int = 0,
        full_since: datetime | None = None,
        days: AskedDays | None = None,
        priority: str = Priority.SCHEDULE,
        ticket: str | None = None,
        waiting: Waiting | None = None,
        delay: timedelta = timedelta(0),
    ) -> None:
        message = SliceMessage.asking_for(
            key,
            reason=reason,
            expect_seq=expect_seq,
            attempt=attempt,
            held=held,
            full_since=full_since,
            days=days,
            priority=priority,
            ticket=ticket,
            waiting=waiting,
        )
        queue_url = self._queue_of(message)
        with _translated(queue_url):
            self.client.send_message(
                QueueUrl=queue_url,
                MessageBody=_body(message),
                DelaySeconds=delay_s(delay),
                MessageGroupId=key.client_id,
            )

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        """Every batch is sent before a refused message is complained of: one client's must not keep
        the others waiting."""
        answers = self.spread(lambda batch: self._send_batch(batch, reason), _batches(keys))
        refused = [failure for failures in answers for failure in failures]
        if refused:
            why = refused[0].get("Message") or refused[0]["Code"]
            raise QueueUnavailable(f"SQS refused {len(refused)} of {len(keys)} messages: {why}")

    def _send_batch(
        self, keys: Sequence[StreamKey], reason: str
    ) -> Sequence[BatchResultErrorEntryTypeDef]:
        """SQS answers for each message alone, and 200 also when it refused some of them."""
        with _translated(self.queue_url):
            answer = self.client.send_message_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {
                        "Id": str(place),
                        "MessageBody": _body(SliceMessage.asking_for(key, reason=reason)),
                        "MessageGroupId": key.client_id,
                    }
                    for place, key in enumerate(keys)
                ],
            )
        return answer.get("Failed", [])

    def _queue_of(self, message: SliceMessage) -> str:
        if message.priority is Priority.BACKFILL:
            return self.backfill_queue_url or self.queue_url
        return self.queue_url


@contextmanager
def _translated(queue_url: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translation(queue_url, error) from error


def _body(message: SliceMessage) -> str:
    return message.model_dump_json(exclude_none=True)


def _batches(keys: Sequence[StreamKey]) -> Iterator[Sequence[StreamKey]]:
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


def delay_s(delay: timedelta) -> int:
    """Whole seconds, rounded up: a vendor that asked for 1.2 s gets 2."""
    wanted = min(max(delay, timedelta(0)), LONGEST_DELAY)
    return math.ceil(wanted.total_seconds())


def translation(queue_url: str, error: ClientError | BotoCoreError) -> SluiceError:
    name = queue_url.rsplit("/", 1)[-1]
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in _REMEDIES:
        return SettingInvalid(f"queue {name}: {_REMEDIES[code]} ({code})")
    return QueueUnavailable(f"queue {name}: {error}")
