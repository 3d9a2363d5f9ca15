"""Batches of messages sent at once: as many as there are threads, and a refusal is still heard."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from sluice.core.errors import QueueUnavailable
from sluice.core.keys import StreamKey
from sluice.queues.messages import SqsMessages

KEYS = [StreamKey(f"client-{number}", "cars", "cars") for number in range(40)]


@dataclass
class Meeting:
    """A queue whose calls wait for one another: four at once, or the test fails."""

    refuses: str = ""
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(4, timeout=10))
    sent: list[str] = field(default_factory=list)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803  # SQS's names
        self.barrier.wait()
        self.sent += [entry["MessageGroupId"] for entry in Entries]
        refused = [each["Id"] for each in Entries if each["MessageGroupId"] == self.refuses]
        return {"Failed": [{"Id": one, "Code": "Busy", "SenderFault": False} for one in refused]}


def test_batches_are_sent_at_once() -> None:
    queue: Any = Meeting()
    with ThreadPoolExecutor(4) as pool:
        SqsMessages(queue, "slices", spread=pool.map).ask_for_slices(KEYS, reason="schedule")
    assert sorted(queue.sent) == sorted(key.client_id for key in KEYS)


def test_a_message_refused_in_any_of_them_is_complained_of() -> None:
    queue: Any = Meeting(refuses="client-27")
    with ThreadPoolExecutor(4) as pool, pytest.raises(QueueUnavailable, match=r"1 of 40.*Busy"):
        SqsMessages(queue, "slices", spread=pool.map).ask_for_slices(KEYS, reason="schedule")
    assert len(queue.sent) == 40
