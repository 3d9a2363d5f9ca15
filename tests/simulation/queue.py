"""The queue of a universe: messages that are late, come again, come twice, and at last are dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sluice.core.keys import StreamKey
from sluice.core.slices import Delivery
from sluice.messages import SliceMessage
from tests.memory.messages import MemoryMessages

VISIBILITY = timedelta(minutes=6)
MOST_RECEIVES = 5
LATE = [timedelta(seconds=late) for late in (0, 0, 10, 90)]
"""How late a message in sight may be received. Also saves turns: who waits in line asks every few seconds."""


@dataclass(eq=False)
class Waiting:
    """A message in the queue, out of sight until ``visible_at``; it keeps its id when it comes again."""

    message: SliceMessage
    visible_at: datetime
    message_id: str
    receives: int = 0

    @property
    def is_dead(self) -> bool:
        """Received too often: cleanup or a tick takes up its work."""
        return self.receives > MOST_RECEIVES


class SliceQueue:
    """Implements the ports ``Messages`` and ``Deliveries``. Which message in sight is given out, is drawn."""

    def __init__(self, random: Random, clock: Callable[[], datetime]) -> None:
        self.waiting: list[Waiting] = []
        self._random, self._clock = random, clock
        self._sent = 0

    def ask_for_slice(
        self, key: StreamKey, *, delay: timedelta = timedelta(0), **more: Any
    ) -> None:
        memory = MemoryMessages()
        memory.ask_for_slice(key, delay=delay, **more)
        (sent,) = memory.sent
        self._sent += 1
        visible_at = self._clock() + sent.delay
        self.waiting.append(Waiting(sent.message, visible_at, f"message {self._sent}"))

    def ask_for_slices(self, keys: Sequence[StreamKey], *, reason: str) -> None:
        for key in keys:
            self.ask_for_slice(key, reason=reason)

    def come_back(self, delivery: Delivery, *, after: timedelta) -> bool:
        for waiting in self.waiting:
            if waiting.message_id == delivery.message_id:
                waiting.visible_at = self._clock() + after
                return True
        return False

    def receive(self) -> Waiting | None:
        """A message in sight, if there is one; out of sight from here on. A dead one is gone for good."""
        in_sight = [each for each in self.waiting if each.visible_at <= self._clock()]
        if not in_sight:
            return None
        chosen = self._random.choice(in_sight)
        chosen.visible_at = self._clock() + VISIBILITY
        chosen.receives += 1
        if chosen.is_dead:
            self.acknowledge(chosen)
        return chosen

    def acknowledge(self, done: Waiting) -> None:
        self.waiting = [other for other in self.waiting if other is not done]

    def duplicate(self) -> SliceMessage | None:
        """One of its messages comes twice, now or later."""
        if not self.waiting:
            return None
        chosen = self._random.choice(self.waiting)
        late = self._clock() + timedelta(seconds=self._random.choice([0, 30, 900]))
        self.waiting.append(Waiting(chosen.message, late, chosen.message_id))
        return chosen.message

    def next_given_out_at(self) -> datetime | None:
        """When what is in sight first is received: then, or later."""
        first = min((each.visible_at for each in self.waiting), default=None)
        return None if first is None else first + self._random.choice(LATE)
