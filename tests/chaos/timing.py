"""The suite's scaled time: a Lambda's minute is two seconds here, and its lease of 90 s is three."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields, replace
from datetime import timedelta

# CONNECT_TIMEOUT_S below 2 is rounded up to 2 by libpq.


@dataclass(frozen=True, slots=True)
class Times:
    """How long things take. ``clean_up_every_s`` and ``tick_every_s`` are the schedule's periods,
    ``cadence_s`` is how often a stream is due. ``longest_delay`` is what the queue's 15 minutes are
    here, below ``silence`` as those are: a worker whose clock is ahead by ten lets others wait for as long."""

    invocation: timedelta = timedelta(seconds=2)
    merge_margin: timedelta = timedelta(milliseconds=600)
    lease_margin: timedelta = timedelta(seconds=1)
    grace: timedelta = timedelta(milliseconds=300)
    silence: timedelta = timedelta(seconds=5)
    message_counts_for: timedelta = timedelta(seconds=8)
    plan_margin: timedelta = timedelta(milliseconds=600)
    clean_up_every_s: float = 0.8
    tick_every_s: float = 1.0
    cadence_s: int = 2
    visibility_s: int = 5
    longest_delay: timedelta = timedelta(seconds=3.75)
    statement: timedelta = timedelta(seconds=3)
    lock: timedelta = timedelta(seconds=2)
    idle: timedelta = timedelta(seconds=3)
    server_wait_s: float = 1.0
    connect_s: int = 2
    wait_scale: float = 0.1

    def slower(self, factor: float) -> Times:
        """Everything takes so many times as long, for a machine that is busy with other things."""
        longer = {
            each.name: math.ceil(value * factor) if isinstance(value, int) else value * factor
            for each in fields(self)
            if each.name != "wait_scale" and (value := getattr(self, each.name)) is not None
        }
        return replace(self, **longer)

    @property
    def lease_s(self) -> float:
        """From a lease's beginning to its lapse."""
        return (self.invocation + self.lease_margin).total_seconds()

    @property
    def bound_s(self) -> float:
        """Lease, grace and one period of cleanup: when a dead worker's stream is free at the latest."""
        return self.lease_s + self.grace.total_seconds() + self.clean_up_every_s


SLOWER = float(os.environ.get("SLUICE_CHAOS_SLOWER", "1"))
"""On a machine that others keep busy, no invocation may end within two seconds: then nothing is ever done."""

TIMES = Times().slower(SLOWER)
