"""A queue of slices in memory: the same port as in SQS, held to the same contract suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.keys import StreamKey
from sluice.messages import SliceMessage

LONGEST_DELAY = timedelta(minutes=15)


@dataclass(frozen=True)
class Sent:
    """A message as it was sent, and for how long it stays out of sight."""

    message: SliceMessage
    delay: timedelta = timedelta(0)


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
        full_since: datetime | None = None,
        delay: timedelta = timedelta(0),
    ) -> None:
        message = SliceMessage.asking_for(
            key, reason=reason, expect_seq=expect_seq, attempt=attempt, full_since=full_since
        )
        self.sent.append(Sent(message, min(max(delay, timedelta(0)), LONGEST_DELAY)))

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        for key in keys:
            self.ask_for_slice(key, reason=reason)

    def take(self) -> list[SliceMessage]:
        """Remove and return what is in sight now; delayed messages stay."""
        taken = [sent.message for sent in self.sent if not sent.delay]
        self.sent = [sent for sent in self.sent if sent.delay]
        return taken

    def take_all(self) -> list[SliceMessage]:
        """Remove and return every message, as if all delays had passed."""
        taken = [sent.message for sent in self.sent]
        self.sent = []
        return taken
