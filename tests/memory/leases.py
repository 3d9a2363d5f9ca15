"""Leases in memory: the same port as in DynamoDB, held to the same contract suite."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sluice.core.keys import StreamKey
from sluice.core.ports import StaleLease
from sluice.core.priorities import Priority
from sluice.core.records import Cursor
from sluice.core.slices import Lease, LeaseHeld, Resting


@dataclass
class StateItem:
    """What is remembered of one stream; fields as in the state table."""

    fencing_token: int = 0
    owner: str | None = None
    until: datetime | None = None
    base_seq: int = 0
    watermark: Cursor | None = None
    seq: int = 0
    has_more: bool = False
    run_id: str | None = None
    continued_seq: int = 0
    not_before: datetime | None = None
    delivery: str | None = None
    updated_at: datetime | None = None
    priority: Priority = Priority.SCHEDULE

    def give_back(self) -> None:
        self.owner = self.until = None


@dataclass(frozen=True)
class SeenLease:
    key: StreamKey
    owner: str
    fencing_token: int
    until: datetime
    priority: Priority


class MemoryLeases:
    """``items`` may be looked into, and set back to play a restored backup."""

    def __init__(self) -> None:
        self.items: dict[StreamKey, StateItem] = {}
        self._lock = threading.Lock()

    def acquire(
        self,
        key: StreamKey,
        owner: str,
        *,
        now: datetime,
        until: datetime,
        expect_seq: int | None = None,
        heed_rest: bool = False,
        delivery: str | None = None,
        orphaned_by: datetime | None = None,
        priority: Priority = Priority.SCHEDULE,
    ) -> Lease | LeaseHeld | Resting:
        with self._lock:
            item = self.items.setdefault(key, StateItem())
            ends_by = now
            if delivery is not None and item.delivery == delivery and orphaned_by is not None:
                ends_by = max(now, orphaned_by)
            if item.owner not in (None, owner) and item.until is not None and item.until > ends_by:
                return LeaseHeld(str(item.owner), item.until, item.base_seq, item.delivery)
            if heed_rest and item.not_before is not None and item.not_before > now:
                return Resting(item.not_before)
            took_over = item.owner is not None
            item.fencing_token += 1
            item.updated_at, item.priority = now, priority
            item.owner, item.until, item.delivery = owner, until, delivery
            item.base_seq = item.seq if expect_seq is None else expect_seq
            return Lease(
                key,
                owner,
                item.fencing_token,
                until,
                item.watermark,
                item.seq,
                item.continued_seq,
                item.not_before,
                took_over,
            )

    def raise_token(self, lease: Lease, to: int) -> Lease | None:
        with self._lock:
            item = self.items.get(lease.key, StateItem())
            resent = item.owner == lease.owner and item.fencing_token == to
            if not resent and not (_is(item, lease) and to > lease.fencing_token):
                return None
            item.fencing_token = to
            return replace(lease, fencing_token=to)

    def save_watermark(
        self, lease: Lease, *, cursor: Cursor, seq: int, has_more: bool, run_id: str | None
    ) -> bool:
        with self._lock:
            item = self.items.get(lease.key, StateItem())
            if item.fencing_token != lease.fencing_token or item.owner not in (None, lease.owner):
                return False
            item.watermark, item.seq, item.has_more, item.run_id = cursor, seq, has_more, run_id
            return True

    def release(
        self,
        lease: Lease,
        *,
        continued_seq: int | None = None,
        not_before: datetime | None = None,
    ) -> bool:
        with self._lock:
            item = self.items.get(lease.key, StateItem())
            if not _is(item, lease):
                return False
            item.give_back()
            item.not_before = not_before
            if continued_seq is not None:
                item.continued_seq = continued_seq
            return True

    def stale(self, *, before: datetime, limit: int) -> Sequence[SeenLease]:
        with self._lock:
            seen = [
                SeenLease(key, item.owner, item.fencing_token, item.until, item.priority)
                for key, item in self.items.items()
                if item.owner is not None and item.until is not None and item.until < before
            ]
        return sorted(seen, key=lambda lease: lease.until)[:limit]

    def free(self, seen: StaleLease) -> bool:
        with self._lock:
            item = self.items.get(seen.key, StateItem())
            if not _is(item, seen) or item.until != seen.until:
                return False
            item.give_back()
            return True


def _is(item: StateItem, lease: Lease | StaleLease) -> bool:
    return item.owner == lease.owner and item.fencing_token == lease.fencing_token
