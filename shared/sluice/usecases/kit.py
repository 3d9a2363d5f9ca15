"""What a slice runs with: ports, sources of time, ids and chance, and its margins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sluice.core.budget import Clock
from sluice.core.keys import StreamKey
from sluice.core.ports import Commits, Deliveries, Leases, Messages, Streams
from sluice.core.removal import USUAL_BRAKE, Brake
from sluice.core.steering.ports import Switches
from sluice.usecases.admission import ClientDesks

MERGE_MARGIN = timedelta(seconds=15)
"""Kept free at the end of an invocation for merge, commit, watermark, continuation and release."""

LEASE_MARGIN = timedelta(seconds=30)
"""The lease outlives the invocation's deadline by this much: a bounded slice never renews."""


@dataclass(frozen=True, slots=True)
class Kit:
    """The ports and the sources of time, ids and chance that a slice runs with, and its margins."""

    leases: Leases
    commits: Commits
    messages: Messages
    deliveries: Deliveries
    desks: ClientDesks
    switches: Switches
    streams: Streams
    clock: Clock
    new_id: Callable[[], str]
    chance: Callable[[], float]
    merge_margin: timedelta = MERGE_MARGIN
    lease_margin: timedelta = LEASE_MARGIN
    brake_of: Callable[[StreamKey], Brake] = lambda _: USUAL_BRAKE
    """How much one listing of a stream may remove. Raises as opening the stream does."""
