"""A queue of slices in memory: the same port as in SQS, held to the same contract suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.asked_days import AskedDays
from sluice.core.desk.admitting import Waiting
from sluice.core.keys import StreamKey
from sluice.core.priorities import Priority
from sluice.messages import SliceMessage

LONGEST_DELAY = timedelta(minutes=15)


@dataclass(frozen=True)
class Sent:
    """A message as it was sent, and for how long it stays out of sight."""

    message: SliceMessage
    delay: timedelta = timedelta(0)

    @property
    def is_backfill(self) -> bool:
        """Then it lies in the queue of backfills."""
        return self.message.priority is Priority.BACKFILL


@dataclass
class MemoryMessages:
    """``sent`` is everything sent so far, oldest first; ``take`` receives what is in sight."""

    sent: list[Sent] = field(default_factory=list)

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
        self.sent.append(Sent(message, min(max(delay, timedelta(0)), LONGEST_DELAY)))

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        for key in keys:
            self.ask_for_slice(key, reason=reason)

    def take(self) -> list[SliceMessage]:
        """Remove and return what is in sight now, of both queues; delayed messages stay."""
        taken = [sent.message for sent in self.sent if not sent.delay]
        self.sent = [sent for sent in self.sent if sent.delay]
        return taken

    def take_from(self, *, backfills: bool) -> list[SliceMessage]:
        """Remove and return what is in sight now in one of the two queues."""
        in_sight = [sent for sent in self.sent if not sent.delay and sent.is_backfill == backfills]
        self.sent = [sent for sent in self.sent if sent not in in_sight]
        return [sent.message for sent in in_sight]

    def take_all(self) -> list[SliceMessage]:
        """Remove and return every message, as if all delays had passed."""
        taken = [sent.message for sent in self.sent]
        self.sent = []
        return taken
