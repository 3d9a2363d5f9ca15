"""Leases as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ops.sheets import Sheet, column
from sluice.core.ports import StaleLease


def lease_sheet(held: Sequence[StaleLease], now: datetime) -> Sheet:
    """Who works on what, and until when; one that ran out is freed by the next cleanup."""
    columns = [
        column("stream", [str(lease.key) for lease in held], 0, left=True),
        column("state", [_state(lease, now) for lease in held], 1, left=True),
        column("until", [f"{lease.until:%H:%M:%S}" for lease in held], 1),
        column("token", [str(lease.fencing_token) for lease in held], 1),
        column("owner", [lease.owner for lease in held], 2, left=True),
    ]
    return Sheet("leases (UTC)", columns)


def _state(lease: StaleLease, now: datetime) -> str:
    return "ran out" if lease.until < now else "held"
