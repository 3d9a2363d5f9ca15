"""Leases as people read them, and taking one away from whoever holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from ops.sheets import Sheet, column
from sluice.core.errors import SettingInvalid, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.ports import Messages, StaleLease
from sluice.core.steering.ports import Audit, Change

BREAK = "break lease"
LONGEST = timedelta(days=1)
"""No lease lasts nearly as long: what ends within it are all leases."""

MOST = 1000


class HeldLeases(Protocol):
    """Leases, as far as a person looks at them and frees one."""

    def stale(self, *, before: datetime, limit: int) -> Sequence[StaleLease]: ...
    def free(self, seen: StaleLease) -> bool: ...


@dataclass(frozen=True, slots=True)
class Broken:
    """What became of a lease: ``freed`` is False when its holder gave it back, or somebody took it, meanwhile."""

    lease: StaleLease
    freed: bool


def held_leases(leases: HeldLeases, now: datetime) -> Sequence[StaleLease]:
    """All that are held, those that ran out included, by their ends."""
    return leases.stale(before=now + LONGEST, limit=MOST)


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


def lease_json(lease: StaleLease, now: datetime) -> dict[str, Any]:
    """One lease, with whether its time is over."""
    return {
        "stream_key": str(lease.key),
        "state": _state(lease, now),
        "until": lease.until.isoformat(timespec="milliseconds"),
        "fencing_token": lease.fencing_token,
        "owner": lease.owner,
    }


def find_lease(leases: HeldLeases, key: StreamKey, now: datetime) -> StaleLease:
    """The lease held on a stream; SettingInvalid when there is none."""
    found = [lease for lease in held_leases(leases, now) if lease.key == key]
    if not found:
        raise SettingInvalid(f"no lease is held on {key}; `sluice leases` shows those that are")
    return found[0]


def check_over(lease: StaleLease, now: datetime, *, force: bool) -> None:
    """SettingInvalid while its worker may still be at work, unless that is wanted."""
    if force or lease.until <= now:
        return
    raise SettingInvalid(
        f"the lease of {lease.key} is held until {lease.until:%H:%M:%S} UTC, and its worker may be at work; wait for"
        " that, or say --force: no data is at risk, for the database refuses the old worker's commit, but what it"
        " read is read again"
    )


def break_lease(
    leases: HeldLeases,
    messages: Messages,
    audit: Audit,
    lease: StaleLease,
    *,
    actor: str,
    why: str,
) -> Broken:
    """Free it, if it is still as it was seen: audited first, then somebody is asked to go on, then it is freed.

    As cleanup does: killed in between, there is one message too many, and not one too few. Its holder, should it
    live, finds the database's fence raised by the next worker and commits nothing.
    """
    change = Change(actor, BREAK, str(lease.key), _said(lease), None, why)
    audit.record(change)
    try:
        messages.ask_for_slice(
            lease.key, reason="cleanup", priority=lease.priority, delay=timedelta(seconds=1)
        )
        freed = leases.free(lease)
    except SluiceError as error:
        audit.record(_failed(change, str(error)))
        raise
    if not freed:
        audit.record(_failed(change, "it was given back or taken anew meanwhile"))
    return Broken(lease, freed)


def broken_lines(done: Broken) -> Iterator[str]:
    """What it came to."""
    key = done.lease.key
    if done.freed:
        yield f"freed the lease of {key} (token {done.lease.fencing_token}); a slice is asked for"
    else:
        yield f"nothing was freed: the lease of {key} was given back or taken anew meanwhile"


def _failed(change: Change, why: str) -> Change:
    return replace(change, action=f"{BREAK} failed", after=change.before, why=why)


def _said(lease: StaleLease) -> str:
    return json.dumps(
        {
            "owner": lease.owner,
            "fencing_token": lease.fencing_token,
            "lease_until": lease.until.isoformat(timespec="seconds"),
        },
        sort_keys=True,
    )


def _state(lease: StaleLease, now: datetime) -> str:
    return "ran out" if lease.until < now else "held"
