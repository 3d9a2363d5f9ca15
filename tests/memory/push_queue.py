"""A queue of pushes in memory: the same ports as in SQS, held to the same contract suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.webhooks import News
from sluice.messages import ApplyMessage

LONGEST_DELAY = timedelta(minutes=15)


@dataclass
class MemoryPushQueue:
    """``sent`` is everything sent so far, each with its delay; ``take`` receives what is in sight.

    Messages go through their JSON, as in SQS: what does not survive that must not survive here.
    """

    sent: list[tuple[str, timedelta]] = field(default_factory=list)
    fails: Exception | None = None

    def ask_to_apply(
        self,
        news: News,
        *,
        received_at: datetime,
        attempt: int = 0,
        delay: timedelta = timedelta(0),
    ) -> None:
        if self.fails is not None:
            raise self.fails
        message = ApplyMessage.asking_for(news, received_at=received_at, attempt=attempt)
        body = message.model_dump_json(exclude_none=True)
        self.sent.append((body, min(max(delay, timedelta(0)), LONGEST_DELAY)))

    def take(self) -> list[ApplyMessage]:
        """Remove and return what is in sight now; delayed messages stay."""
        taken = [body for body, delay in self.sent if not delay]
        self.sent = [each for each in self.sent if each[1]]
        return [ApplyMessage.model_validate_json(body) for body in taken]

    def take_all(self) -> list[ApplyMessage]:
        """Remove and return every message, as if all delays had passed."""
        taken, self.sent = self.sent, []
        return [ApplyMessage.model_validate_json(body) for body, _ in taken]
