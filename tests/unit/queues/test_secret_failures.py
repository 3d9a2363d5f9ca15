"""A signing secret that cannot be read is told by the queue: seldom, and never at the cost of the answer."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.core.errors import QueueUnavailable, SecretMissing
from sluice.messages import SecretMessage
from sluice.observability.logs import logger
from sluice.queues import secret_failures
from sluice.queues.secret_failures import TOLD_EVERY, ToldSecretFailures

MISSING = SecretMissing("secret 'sluice/acme' is not there: canary-of-a-message")
TOLD = SecretMessage(
    secret_unreadable="sluice/acme",
    scope="acme#shop",
    why="SecretMissing",
    actor="function:webhook",
)


@dataclass
class Queue:
    sent: list[SecretMessage] = field(default_factory=list)
    is_away: bool = False

    def tell_of_secret(self, message: SecretMessage) -> None:
        if self.is_away:
            raise QueueUnavailable("throttled")
        self.sent.append(message)


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def failures(queue: Queue, clock: Clock) -> ToldSecretFailures:
    return ToldSecretFailures(queue, "function:webhook", clock)  # type: ignore[arg-type]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = logger.handlers[0].setStream(stream)  # type: ignore[attr-defined]
    yield stream
    logger.handlers[0].setStream(before or sys.stdout)  # type: ignore[attr-defined]


def test_a_storm_is_one_message_until_it_is_time_again(
    failures: ToldSecretFailures, queue: Queue, clock: Clock
) -> None:
    """Of each secret, and with the kind of error only."""
    for _ in range(5):
        failures.note("sluice/acme", "acme#shop", MISSING)
        failures.note("sluice/bolt", "bolt#shop", MISSING)
    assert [each.secret_unreadable for each in queue.sent] == ["sluice/acme", "sluice/bolt"]
    assert queue.sent[0] == TOLD
    clock.now += TOLD_EVERY
    failures.note("sluice/acme", "acme#shop", MISSING)
    assert len(queue.sent) == 3


def test_what_could_not_be_told_is_in_the_log_and_told_the_next_time(
    failures: ToldSecretFailures, queue: Queue, logged: io.StringIO
) -> None:
    queue.is_away = True
    failures.note("sluice/acme", "acme#shop", MISSING)
    line: dict[str, Any] = json.loads(logged.getvalue())
    assert (line["message"], line["why"]) == ("secret_failure_not_noted", "throttled")
    assert "canary" not in logged.getvalue()
    queue.is_away = False
    failures.note("sluice/acme", "acme#shop", MISSING)
    assert queue.sent == [TOLD]


def test_what_is_remembered_is_bounded(
    failures: ToldSecretFailures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_failures, "MOST_REMEMBERED", 2)
    for name in ("a", "b", "c"):
        failures.note(name, "acme#shop", MISSING)
    assert set(failures.told) == {"c"}


def test_the_message_is_found_among_others() -> None:
    """Also where a push says the same word; what only looks like it is none."""
    assert SecretMessage.found_in(TOLD.model_dump_json()) == TOLD
    assert SecretMessage.found_in('{"client_id": "acme"}') is None
    assert SecretMessage.found_in('{"portion": {"values": {"secret_unreadable": 1}}}') is None
    assert SecretMessage.found_in('"secret_unreadable" and no JSON') is None
