"""Leases and watermarks: one item per stream key, never deleted, without TTL.

The fencing token lives in the item and must only rise, so the item must never go away: a deleted
item would begin again at 1, and its holder would have to be lifted over the database's fence.

Attributes: ``stream_key``, ``fencing_token``, ``lease_owner``, ``lease_until`` (epoch ms),
``leased`` ("yes" while held: the index of held leases is sparse), ``base_seq`` (the seq that the
holder works on from), ``taken_from`` (who held it when it was taken, or "nobody"),
``delivery`` (the id of the message that the holder acts for), ``priority`` (that message's),
``watermark`` (JSON), ``seq``, ``has_more``, ``run_id``, ``continued_seq``,
``not_before`` (epoch ms), ``updated_at`` (epoch ms, the holder's clock).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sluice.core.errors import InvariantBroken
from sluice.core.keys import StreamKey
from sluice.core.ports import StaleLease
from sluice.core.priorities import Priority
from sluice.core.records import Cursor
from sluice.core.slices import Lease, LeaseHeld, Resting
from sluice.dynamo.items import (
    Item,
    Values,
    moment,
    number,
    read_moment,
    read_number,
    read_text,
    text,
)
from sluice.dynamo.table import Refused, Table, Written

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "leased-index"
LEASED = "yes"
NOBODY = "nobody"

NOBODYS = "attribute_not_exists(lease_owner)"
RAN_OUT = "lease_until <= :now"
OWNER_IS_ME = "lease_owner = :owner"
TOKEN_AS_MINE = "fencing_token = :token"  # noqa: S105  # a condition, not a credential
UNTIL_AS_SEEN = "lease_until = :until"

TO_ACQUIRE = f"{NOBODYS} OR {RAN_OUT} OR {OWNER_IS_ME}"
"""The last clause: botocore may resend a write whose answer was lost."""

ORPHANED = "delivery = :delivery AND lease_until <= :orphaned_by"
"""Its holder acted for the very message that we were given again, and its invocation is over."""

RESTED = "attribute_not_exists(not_before) OR not_before <= :now"

STILL_MINE = f"{TOKEN_AS_MINE} AND {OWNER_IS_ME}"
TO_RAISE = f"({STILL_MINE} AND fencing_token < :to) OR (fencing_token = :to AND {OWNER_IS_ME})"
"""Tokens only rise. The second half: a resent write finds its own result."""

NOBODY_ELSES = f"{TOKEN_AS_MINE} AND ({NOBODYS} OR {OWNER_IS_ME})"
STILL_AS_SEEN = f"{STILL_MINE} AND {UNTIL_AS_SEEN}"

GIVEN_BACK = "lease_owner, lease_until, leased"


@dataclass(frozen=True, slots=True)
class SeenLease:
    """A lease as a query saw it, to be freed only if it is still exactly so."""

    key: StreamKey
    owner: str
    fencing_token: int
    until: datetime
    priority: Priority


class DynamoLeaseStore:
    """Implements ``core.ports.Leases``. Raises StateUnavailable when the table cannot answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

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
        """A wrong clock can only take a lease too early or too late: the database's fence, not
        time, decides whose commit counts."""
        base = "if_not_exists(seq, :base)" if expect_seq is None else ":base"
        free = TO_ACQUIRE
        values: Values = {":delivery": text(delivery or NOBODY)}
        if delivery is not None and orphaned_by is not None:
            free = f"{free} OR ({ORPHANED})"
            values[":orphaned_by"] = moment(orphaned_by)
        answer = self._table.update(
            key,
            "SET lease_owner = :owner, lease_until = :until, leased = :yes, updated_at = :now,"
            f" base_seq = {base}, taken_from = if_not_exists(lease_owner, :nobody),"
            " delivery = :delivery, priority = :priority"
            " ADD fencing_token :one",
            {
                ":owner": text(owner),
                ":until": moment(until),
                ":now": moment(now),
                ":yes": text(LEASED),
                ":base": number(expect_seq or 0),
                ":one": number(1),
                ":nobody": text(NOBODY),
                ":priority": text(priority),
                **values,
            },
            condition=f"({free}) AND ({RESTED})" if heed_rest else free,
        )
        if not isinstance(answer, Refused):
            return _lease(key, answer.item)
        is_ours = delivery is not None and answer.item.get("delivery") == text(delivery)
        return _refusal(answer.item, orphaned_by if is_ours and orphaned_by else now)

    def raise_token(self, lease: Lease, to: int) -> Lease | None:
        answer = self._table.update(
            lease.key,
            "SET fencing_token = :to",
            {**_mine(lease), ":to": number(to)},
            condition=TO_RAISE,
        )
        return replace(lease, fencing_token=to) if isinstance(answer, Written) else None

    def save_watermark(
        self, lease: Lease, *, cursor: Cursor, seq: int, has_more: bool, run_id: str | None
    ) -> bool:
        """Also after cleanup took the lease away: what Postgres says stays true as long as nobody acquired
        it since. The token alone would not tell: after a restore it may have been given twice."""
        answer = self._table.update(
            lease.key,
            "SET watermark = :watermark, seq = :seq, has_more = :has_more, run_id = :run_id",
            {
                **_mine(lease),
                ":watermark": text(json.dumps(cursor, separators=(",", ":"), sort_keys=True)),
                ":seq": number(seq),
                ":has_more": {"BOOL": has_more},
                ":run_id": text(run_id) if run_id else {"NULL": True},
            },
            condition=NOBODY_ELSES,
        )
        return isinstance(answer, Written)

    def release(
        self,
        lease: Lease,
        *,
        continued_seq: int | None = None,
        not_before: datetime | None = None,
    ) -> bool:
        """A resent release finds the lease gone and says False although it was this one that gave
        it back: the answer is for logs, never for deciding what to do."""
        change, values = _release_of(continued_seq, not_before)
        answer = self._table.update(
            lease.key, change, {**_mine(lease), **values}, condition=STILL_MINE
        )
        return isinstance(answer, Written)

    def stale(self, *, before: datetime, limit: int) -> Sequence[SeenLease]:
        """From an index, which is eventually consistent: it may show a lease that was given back
        or taken anew since. ``free`` asks the table itself."""
        items = self._table.query(
            INDEX,
            "leased = :yes AND lease_until < :before",
            {":yes": text(LEASED), ":before": moment(before)},
            limit=limit,
        )
        return [_seen(item) for item in items]

    def free(self, seen: StaleLease) -> bool:
        values = {
            ":token": number(seen.fencing_token),
            ":owner": text(seen.owner),
            ":until": moment(seen.until),
        }
        answer = self._table.update(
            seen.key, f"REMOVE {GIVEN_BACK}", values, condition=STILL_AS_SEEN
        )
        return isinstance(answer, Written)


def _mine(lease: Lease) -> Values:
    return {":token": number(lease.fencing_token), ":owner": text(lease.owner)}


def _release_of(continued_seq: int | None, not_before: datetime | None) -> tuple[str, Values]:
    """The change and its values: an old ``not_before`` goes, unless a new one comes."""
    values: Values = {}
    sets = []
    if continued_seq is not None:
        sets.append("continued_seq = :continued_seq")
        values[":continued_seq"] = number(continued_seq)
    if not_before is not None:
        sets.append("not_before = :not_before")
        values[":not_before"] = moment(not_before)
    removed = GIVEN_BACK if not_before is not None else f"{GIVEN_BACK}, not_before"
    change = f"SET {', '.join(sets)} REMOVE {removed}" if sets else f"REMOVE {removed}"
    return change, values


def _lease(key: StreamKey, item: Item) -> Lease:
    return Lease(
        key=key,
        owner=read_text(item, "lease_owner"),
        fencing_token=read_number(item, "fencing_token"),
        until=_until(item),
        watermark=json.loads(read_text(item, "watermark")) if "watermark" in item else None,
        watermark_seq=read_number(item, "seq"),
        continued_seq=read_number(item, "continued_seq"),
        not_before=read_moment(item, "not_before"),
        took_over=read_text(item, "taken_from") != NOBODY,
    )


def _refusal(item: Item, ends_by: datetime) -> LeaseHeld | Resting:
    """Whichever of the two stands in the way. A lease that ends by then does not: then the vendor rests."""
    rest, until = read_moment(item, "not_before"), read_moment(item, "lease_until")
    if rest is not None and ("lease_owner" not in item or (until is not None and until <= ends_by)):
        return Resting(rest)
    return _held(item)


def _held(item: Item) -> LeaseHeld:
    return LeaseHeld(
        owner=read_text(item, "lease_owner"),
        until=_until(item),
        base_seq=read_number(item, "base_seq"),
        delivery=read_text(item, "delivery") if "delivery" in item else None,
    )


def _seen(item: Item) -> SeenLease:
    return SeenLease(
        key=StreamKey.parse(read_text(item, "stream_key")),
        owner=read_text(item, "lease_owner"),
        fencing_token=read_number(item, "fencing_token"),
        until=_until(item),
        priority=Priority(read_text(item, "priority")) if "priority" in item else Priority.SCHEDULE,
    )


def _until(item: Item) -> datetime:
    until = read_moment(item, "lease_until")
    if until is None:
        raise InvariantBroken(f"item {item.get('stream_key')} has an owner but no lease_until")
    return until
