"""What is told of queues, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.bridge.queues import LARGE, Message, QueueMetrics, oldest_age_s

NOW = 1_700_000_000.0


def test_the_oldest_message_counts_unless_it_is_poison() -> None:
    """Received more than three times it is left out, as on AWS; an empty queue has age 0."""
    messages = [Message(900.0, 4), Message(950.0, 3), Message(990.0, 0)]
    assert oldest_age_s(messages, 1000.0) == 50.0
    assert oldest_age_s([], 1000.0) == 0.0
    assert oldest_age_s([Message(1001.0, 0)], 1000.0) == 0.0


class Queues:
    """Two queues of SQS, of which a test says how many messages they hold."""

    def __init__(self) -> None:
        self.visible = {"slices": 0, "dead": 0}

    def list_queues(self) -> Any:
        return {"QueueUrls": [f"http://127.0.0.1/0/{name}" for name in self.visible]}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803
        counts = dict.fromkeys(AttributeNames, "0")
        counts["ApproximateNumberOfMessages"] = str(self.visible[QueueUrl.rsplit("/", 1)[-1]])
        return {"Attributes": counts}


@dataclass
class Aged(QueueMetrics):
    """Messages are all 50 s old."""

    def _messages(self, url: str) -> list[Message]:
        return [Message(NOW - 50, 0)]


def told(metrics: QueueMetrics, now: float) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for datum in metrics.datums(now):
        found.setdefault(dict(datum.dimensions)["QueueName"], {})[datum.name] = datum.values[0]
    return found


def test_queues_are_told_of_when_they_change_and_each_minute() -> None:
    queues = Queues()
    metrics = Aged(queues, "")
    first = told(metrics, NOW)
    assert first["dead"] == {
        "ApproximateNumberOfMessagesVisible": 0, "ApproximateNumberOfMessagesNotVisible": 0,
        "ApproximateNumberOfMessagesDelayed": 0, "ApproximateAgeOfOldestMessage": 0,
    }  # fmt: skip
    assert set(first) == {"slices", "dead"}
    assert told(metrics, NOW + 2) == {}
    queues.visible["dead"] = 1
    changed = told(metrics, NOW + 4)
    assert set(changed) == {"dead"}
    assert changed["dead"]["ApproximateNumberOfMessagesVisible"] == 1
    assert changed["dead"]["ApproximateAgeOfOldestMessage"] == 54
    assert set(told(metrics, NOW + 61)) == {"slices"}
    assert set(told(metrics, NOW + 65)) == {"dead"}


def test_a_large_queue_is_looked_into_once_a_minute_only() -> None:
    """Its messages come with their bodies."""
    queues = Queues()
    metrics = Aged(queues, "")
    ages = []
    for later, count in enumerate((LARGE + 1, LARGE + 2, LARGE + 3)):
        queues.visible["slices"] = count
        ages.append("ApproximateAgeOfOldestMessage" in told(metrics, NOW + 2 * later)["slices"])
    assert ages == [True, False, False]
