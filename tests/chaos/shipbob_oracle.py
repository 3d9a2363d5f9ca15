"""What must hold of ShipBob's streams once everything is calm and the vendor's time stands still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import psycopg

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import INTERNAL
from ops.truth.shipbob import INVOICES, MERCHANTS, TRANSACTIONS, Truth
from sluice.core.keys import StreamKey
from sluice.sources.shipbob.cursor import ListingCursor
from sluice.sources.shipbob.invoices import InvoicesCursor
from sluice.sources.shipbob.timelines import TimelinesCursor
from sluice.sources.shipbob.transactions_cursor import TransactionsCursor
from tests.chaos import shipbob_derived
from tests.chaos.shipbob_world import PARENT
from tests.shipbob_ledger import Reference
from tests.shipbob_rules import expected, known_by

Rows = psycopg.Connection[dict[str, Any]]

_REFERENCES = """
SELECT 'shipments' AS kind, client_id, shipment_id AS id, NULL AS number FROM public.shipbob_shipments
 UNION ALL SELECT 'inventory', client_id, inventory_id, NULL FROM public.shipbob_inventory_items
 UNION ALL SELECT 'returns', client_id, return_id, NULL FROM public.shipbob_returns
 UNION ALL SELECT 'receivings', client_id, receiving_order_id, NULL FROM public.shipbob_receiving_orders
 UNION ALL SELECT 'orders', client_id, order_id, order_number FROM public.shipbob_orders
"""
_CHARGES = """
SELECT transaction_id AS id, merchant_client_id AS client, attributed_by AS rule, unattributed_reason AS reason
  FROM public.shipbob_transactions WHERE client_id = %s AND deleted_at IS NULL
"""
_PUT_AWAY = {
    "shipbob_orders": "SELECT client_id, order_id AS id FROM public.shipbob_orders WHERE deleted_at IS NOT NULL",
    "shipbob_products": "SELECT client_id, product_id AS id FROM public.shipbob_products WHERE deleted_at IS NOT NULL",
    "shipbob_returns": "SELECT client_id, return_id AS id FROM public.shipbob_returns WHERE deleted_at IS NOT NULL",
    "shipbob_receiving_orders": "SELECT client_id, receiving_order_id AS id FROM public.shipbob_receiving_orders"
    " WHERE deleted_at IS NOT NULL",
    "shipbob_transactions": "SELECT client_id, transaction_id AS id FROM public.shipbob_transactions"
    " WHERE deleted_at IS NOT NULL",
}


class World(Protocol):
    """What is asked of the world that is judged. ``names``: its merchants, each a client of ours by that name."""

    control: ShipBobControl

    @property
    def names(self) -> Sequence[str]: ...

    def settings_of(self, client_id: str) -> Mapping[str, Any]: ...


def faults(world: World, rows: Rows, since: datetime) -> Iterator[str]:
    """Everything that is wrong, one line each. ``since`` is when the full reads were asked for."""
    truth = Truth(world.control, rows, {each: each for each in world.names}, PARENT)
    for client_id in world.names:
        for stored in MERCHANTS:
            yield from _differing(client_id, stored.kind, truth.documents(client_id, stored))
        yield from _differing(client_id, "shipments", truth.shipments(client_id))
        yield from _differing(client_id, "timelines", truth.timelines(client_id))
        yield from shipbob_derived.faults(rows, client_id, since)
    for stored in (TRANSACTIONS, INVOICES):
        yield from _differing(PARENT, stored.kind, truth.documents(PARENT, stored))
    yield from live_rows_put_away(world, rows)
    yield from _attribution_faults(world, rows)


def live_rows_put_away(world: World, rows: Rows) -> Iterator[str]:
    """Rows removed that the vendor still has. Only orders ever vanish there; whoever is asked second knows more."""
    found = {table: rows.execute(query).fetchall() for table, query in _PUT_AWAY.items()}
    gone = {
        (client_id, str(order_id))
        for client_id, ids in world.control.removed_orders().items()
        for order_id in ids
    }
    for table, put_away in found.items():
        for row in put_away:
            if table != "shipbob_orders" or (row["client_id"], row["id"]) not in gone:
                yield f"{table}: {row['client_id']} {row['id']} was removed, and the vendor has it"


def unread(key: StreamKey, cursor: Mapping[str, Any], since: datetime) -> str | None:
    """Why a full read that was asked for at ``since`` was not made; None when it was."""
    match key.stream:
        case "timelines":
            at = TimelinesCursor.read(cursor).full_since
        case "transactions":
            read = TransactionsCursor.read(cursor)
            done = read.again is not None and read.again.through is None and read.again.full
            at = read.again.began_at if read.again is not None and done else None
        case "invoices":
            at = InvoicesCursor.read(cursor).full_at
        case _:
            at = ListingCursor.read(cursor).full_at
    if at is None or at < since:
        return f"{key}: a full read was asked for at {since} and the last began {at}"
    return None


def _differing(client_id: str, kind: str, difference: Any) -> Iterator[str]:
    if not difference.equal:
        yield f"{client_id}#shipbob {kind}: {difference}"


def _attribution_faults(world: World, rows: Rows) -> Iterator[str]:
    """Each charge has the client that the rules find by what lies in our tables, and never one that is not the
    vendor's truth. A charge whose reference could never be read has none, or the one it had."""
    merchants = set(world.names)
    listed: list[Reference] = [
        (row["kind"], row["client_id"], row["id"], row["number"])
        for row in rows.execute(_REFERENCES).fetchall()
    ]
    known = known_by(listed, merchants)
    names = {settings["names"][0]: each for each, settings in _names(world).items()}
    found = {row["id"]: row for row in rows.execute(_CHARGES, (PARENT,)).fetchall()}
    for line in world.control.truth("transactions"):
        row = found.get(line["id"])
        if row is None:
            continue  # the comparison of documents has said so
        owner = PARENT if line["merchant"] == INTERNAL else line["merchant"]
        client, rule, reason = expected(line["record"], known, names, PARENT)
        if row["client"] not in (None, owner) or (row["client"] is None) != (client is None):
            yield (
                f"charge {line['id']} ({line['rule']}) belongs to {owner}; stored as {row['client']} by"
                f" {row['rule']} ({row['reason']}), and the rules say {client} by {rule} ({reason})"
            )


def _names(world: World) -> Mapping[str, Any]:
    named: Mapping[str, Any] = world.settings_of(PARENT)["billing"]["merchants"]
    return named
