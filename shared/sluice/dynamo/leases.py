"""Leases and watermarks: one item per stream key, never deleted, without TTL.

The fencing token lives in the item and must only rise, so the item must never go away: a deleted
item would start again at 1 and its holder would be refused by the database for ever.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sluice.core.keys import StreamKey
from sluice.core.records import Cursor
from sluice.core.slices import Lease, LeaseHeld
from sluice.dynamo.items import (
    Item,
    condition_failed,
    moment,
    number,
    read_moment,
    read_number,
    text,
    translated,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "leased-index"
LEASED = "yes"

FREE = "attribute_not_exists(lease_owner)"
RAN_OUT = "lease_until <= :now"
ALREADY_MINE = "lease_owner = :owner"
TOKEN_IS_MINE = "fencing_token = :token"
LEASE_IS_MINE = f"{TOKEN_IS_MINE} AND {ALREADY_MINE}"
AS_SEEN = f"{LEASE_IS_MINE} AND lease_until = :until"


@dataclass(frozen=True, slots=True)
class SeenLease:
    """A lease as a query saw it, to be freed only if it is still exactly so."""

    key: StreamKey
    owner: str
    fencing_token: int
    until: datetime


@dataclass(frozen=True, slots=True)
class DynamoLeaseStore:
    """Implements ``core.ports.Leases``. Raises StateUnavailable when the table cannot answer."""

    client: DynamoDBClient
    table: str

    def acquire(
        self, key: StreamKey, owner: str, *, now: datetime, until: datetime
    ) -> Lease | LeaseHeld:
        try:
            item = self._update(
                key,
                "SET lease_owner = :owner, lease_until = :until, leased = :yes,"
                " base_seq = if_not_exists(seq, :zero) ADD fencing_token :one",
                # The last clause: botocore may resend a write whose answer was lost.
                f"{FREE} OR {RAN_OUT} OR {ALREADY_MINE}",
                {
                    ":owner": text(owner),
                    ":until": moment(until),
                    ":now": moment(now),
                    ":yes": text(LEASED),
                    ":zero": number(0),
                    ":one": number(1),
                },
            )
        except ClientError as error:
            return _held(condition_failed(error), until)
        return _lease(key, owner, until, item)

    def raise_token(self, lease: Lease, to: int) -> Lease | None:
        values = {**_mine(lease), ":to": number(to)}
        if self._update_if(lease.key, "SET fencing_token = :to", LEASE_IS_MINE, values):
            return replace(lease, fencing_token=to)
        return None

    def save_watermark(
        self, lease: Lease, *, cursor: Cursor, seq: int, has_more: bool, run_id: str | None
    ) -> bool:
        values: dict[str, Any] = {
            ":token": number(lease.fencing_token),
            ":watermark": text(json.dumps(cursor, separators=(",", ":"), sort_keys=True)),
            ":seq": number(seq),
            ":more": {"BOOL": has_more},
            ":run": text(run_id) if run_id else {"NULL": True},
        }
        change = "SET watermark = :watermark, seq = :seq, has_more = :more, run_id = :run"
        return self._update_if(lease.key, change, TOKEN_IS_MINE, values)

    def release(
        self,
        lease: Lease,
        *,
        continued_seq: int | None = None,
        not_before: datetime | None = None,
    ) -> bool:
        sets, removes = [], ["lease_owner", "lease_until", "leased"]
        values: dict[str, Any] = _mine(lease)
        if continued_seq is not None:
            sets.append("continued_seq = :continued")
            values[":continued"] = number(continued_seq)
        if not_before is not None:
            sets.append("not_before = :not_before")
            values[":not_before"] = moment(not_before)
        else:
            removes.append("not_before")
        change = (f"SET {', '.join(sets)} " if sets else "") + f"REMOVE {', '.join(removes)}"
        return self._update_if(lease.key, change, LEASE_IS_MINE, values)

    def stale(self, *, before: datetime, limit: int) -> Sequence[SeenLease]:
        """From an index, which may lag behind the table; ``free`` checks against the table itself."""
        with translated(self.table):
            answer = self.client.query(
                TableName=self.table,
                IndexName=INDEX,
                KeyConditionExpression="leased = :yes AND lease_until < :before",
                ExpressionAttributeValues={":yes": text(LEASED), ":before": moment(before)},
                Limit=limit,
            )
        return [_seen(item) for item in answer["Items"]]

    def free(self, seen: SeenLease) -> bool:
        values = {
            ":token": number(seen.fencing_token),
            ":owner": text(seen.owner),
            ":until": moment(seen.until),
        }
        return self._update_if(seen.key, "REMOVE lease_owner, lease_until, leased", AS_SEEN, values)

    def _update_if(
        self, key: StreamKey, change: str, condition: str, values: dict[str, Any]
    ) -> bool:
        try:
            self._update(key, change, condition, values)
        except ClientError as error:
            condition_failed(error)
            return False
        return True

    def _update(
        self, key: StreamKey, change: str, condition: str, values: dict[str, Any]
    ) -> Item:
        with translated(self.table):
            answer = self.client.update_item(
                TableName=self.table,
                Key={"stream_key": text(str(key))},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        return answer["Attributes"]  # type: ignore[return-value]


def _mine(lease: Lease) -> dict[str, Any]:
    return {":token": number(lease.fencing_token), ":owner": text(lease.owner)}


def _lease(key: StreamKey, owner: str, until: datetime, item: Item) -> Lease:
    watermark = item.get("watermark")
    return Lease(
        key=key,
        owner=owner,
        fencing_token=read_number(item, "fencing_token"),
        until=until,
        watermark=json.loads(watermark["S"]) if watermark else None,
        watermark_seq=read_number(item, "seq"),
        continued_seq=read_number(item, "continued_seq"),
        not_before=read_moment(item, "not_before"),
    )


def _held(item: Item, fallback: datetime) -> LeaseHeld:
    """The loser learns the holder from the refused write itself, without a second read."""
    return LeaseHeld(
        owner=item["lease_owner"]["S"] if "lease_owner" in item else "unknown",
        until=read_moment(item, "lease_until") or fallback,
        base_seq=read_number(item, "base_seq"),
    )


def _seen(item: Item) -> SeenLease:
    until = read_moment(item, "lease_until")
    if until is None:
        raise KeyError("lease_until")
    return SeenLease(
        StreamKey.parse(item["stream_key"]["S"]),
        item["lease_owner"]["S"],
        read_number(item, "fencing_token"),
        until,
    )
