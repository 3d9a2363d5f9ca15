"""What AWS/SQS says of queues: how many messages, and how old the oldest is.

The embedded SQS answers the counts as AWS does. An age it has no attribute for; but it lets one look at a queue's
messages without receiving them, with the time each was sent, and that is what the age is worked out from.
"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.bridge.datums import Datum

EVERY_S = 60.0
"""As often as AWS; sooner where a count has changed."""
LARGE = 2_000
"""The messages of a larger queue are looked at once a minute only: they come with their bodies."""
POISON_RECEIVES = 3
"""A message received more often is left out of the age, as on AWS, where it goes to the back of its queue."""

_COUNTS = {
    "ApproximateNumberOfMessages": "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}


class Message(NamedTuple):
    """A message in a queue: when it was sent (Unix seconds), and how often it was received since."""

    sent_at: float
    receives: int


@dataclass(slots=True)
class _Known:
    counts: Mapping[str, int] = field(default_factory=dict)
    told_at: float = 0.0
    aged_at: float = 0.0


@dataclass(slots=True)
class QueueMetrics:
    """All queues of one embedded AWS, told of every ``every_s`` seconds and when they change."""

    sqs: Any
    endpoint: str
    every_s: float = EVERY_S
    _known: dict[str, _Known] = field(default_factory=dict)

    def datums(self, now: float) -> Iterator[Datum]:
        """What is to be told now; nothing of a queue that was told of lately and has not changed."""
        for url in self.sqs.list_queues().get("QueueUrls", []):
            known = self._known.setdefault(url, _Known())
            counts = self._counts(url)
            due = now - known.told_at >= self.every_s
            if not due and counts == known.counts:
                continue
            known.counts, known.told_at = counts, now
            measured = {_COUNTS[name]: (float(count), "Count") for name, count in counts.items()}
            if sum(counts.values()) <= LARGE or now - known.aged_at >= EVERY_S:
                known.aged_at = now
                age = oldest_age_s(self._messages(url) if any(counts.values()) else (), now)
                measured["ApproximateAgeOfOldestMessage"] = (age, "Seconds")
            yield from _of_queue(url, measured, now)

    def _counts(self, url: str) -> Mapping[str, int]:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))
        return {name: int(answer["Attributes"][name]) for name in _COUNTS}

    def _messages(self, url: str) -> Sequence[Message]:
        """By the embedded AWS's own window, which changes nothing."""
        query = urllib.parse.urlencode({"QueueUrl": url})
        window = f"{self.endpoint}/_ministack/sqs/messages?{query}"
        with urllib.request.urlopen(window, timeout=30) as answer:  # noqa: S310  # loopback
            regions = json.load(answer)["messages"].values()
        return [
            Message(float(message["SentTimestamp"]), int(message["ReceiveCount"]))
            for region in regions
            for queues in region.values()
            for messages in queues.values()
            for message in messages
        ]


def oldest_age_s(messages: Iterable[Message], now: float | None = None) -> float:
    """Seconds since the oldest was sent, delayed ones and those in work included; 0 where there is none."""
    moment = time.time() if now is None else now
    sent = [message.sent_at for message in messages if message.receives <= POISON_RECEIVES]
    return max(moment - min(sent), 0.0) if sent else 0.0


def _of_queue(url: str, measured: Mapping[str, tuple[float, str]], now: float) -> Iterator[Datum]:
    dimensions = (("QueueName", url.rsplit("/", 1)[-1]),)
    for name, (value, unit) in measured.items():
        yield Datum("AWS/SQS", name, dimensions, int(now * 1000), (value,), unit)
