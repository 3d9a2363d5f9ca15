"""What cursors of ShipBob's listings claim to have read, and whether it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from local.vendors.shipbob.control import ShipBobControl
from ops.truth.shipbob import MERCHANTS, Stored
from sluice.core.keys import StreamKey
from sluice.sources.shipbob.cursor import ListingCursor
from tests.answers.ground import Rows

LOOKBACK = timedelta(minutes=15)
"""What is younger than that before a cursor may still come up."""

STREAMS = {"receivings": "receiving_orders"}
"""Streams that are called otherwise than the vendor's kind."""

CREATED = {
    "orders": "created_date",
    "products": "created_on",
    "returns": "insert_date",
    "receivings": "insert_date",
}
_CURSOR = "SELECT cursor FROM sluice.sync_commit WHERE stream_key = %s"
_VERSIONS = "SELECT order_id, version FROM public.shipbob_orders WHERE client_id = %s"


def cursor_of(rows: Rows, client_id: str, stream: str) -> ListingCursor:
    row = rows.execute(_CURSOR, (str(StreamKey(client_id, "shipbob", stream)),)).fetchone()
    return ListingCursor.read(row["cursor"] if row else {})


def live_ids(rows: Rows) -> Mapping[str, set[str]]:
    """By stream."""
    return {STREAMS.get(each.kind, each.kind): _ids(rows, each) for each in MERCHANTS}


def unlisted(control: ShipBobControl, rows: Rows, client_id: str) -> Iterator[str]:
    """What was there a while before the last complete listing began, and is not stored."""
    for each in MERCHANTS:
        listed_at = cursor_of(rows, client_id, STREAMS.get(each.kind, each.kind)).listed_at
        if listed_at is None:
            continue
        there = {
            str(line["id"])
            for line in control.truth(each.kind, client_id)
            if datetime.fromisoformat(line["record"][CREATED[each.kind]]) <= listed_at - LOOKBACK
        }
        if missing := sorted(there - _ids(rows, each)):
            yield f"{each.kind} were listed at {listed_at}, without {missing[:3]}"


def unread(control: ShipBobControl, rows: Rows, client_id: str) -> Iterator[str]:
    """An order to which something happened that a reading of changes claims to have seen, and that is stored as it was
    before."""
    cursor = cursor_of(rows, client_id, "orders")
    if cursor.listed_at is None or cursor.changes is None:
        return
    until = cursor.changes.through - LOOKBACK
    found = rows.execute(_VERSIONS, (client_id,)).fetchall()
    stored = {row["order_id"]: row["version"] / 1000 for row in found}
    for line in control.truth("orders", client_id):
        created, *later = _moments(line["record"])
        if created > until:
            continue
        newest = max([created, *(at for at in later if at <= until)])
        if stored.get(str(line["id"]), 0) < newest.timestamp() - 0.001:
            yield (
                f"changes of orders were read up to {cursor.changes.through}, and order {line['id']} of {newest} is"
                f" stored as of {stored.get(str(line['id']))}"
            )
            return


def _ids(rows: Rows, stored: Stored) -> set[str]:
    query = f"SELECT {stored.key} AS id FROM public.{stored.table} WHERE deleted_at IS NULL"
    return {row["id"] for row in rows.execute(query)}  # type: ignore[arg-type]


def _moments(order: Mapping[str, Any]) -> list[datetime]:
    """What a reading of changes can see of an order, its creation first."""
    told = [order["created_date"]]
    for shipment in order["shipments"]:
        told += [
            shipment[name] for name in ("created_date", "last_update_at", "last_tracking_update_at")
        ]
    return [datetime.fromisoformat(each) for each in told if each is not None]
