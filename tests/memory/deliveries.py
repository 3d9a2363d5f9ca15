"""What becomes of a message that was handed out, in memory: the same port as in SQS."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from sluice.core.slices import Delivery


@dataclass
class MemoryDeliveries:
    """``coming_back`` holds, by message, after how long it comes again; ``gone`` are acknowledged; ``calls`` cost."""

    calls: int = 0
    coming_back: dict[str, timedelta] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def come_back(self, delivery: Delivery, *, after: timedelta) -> bool:
        self.calls += 1
        if delivery.message_id in self.gone:
            return False
        self.coming_back[delivery.message_id] = after
        return True
