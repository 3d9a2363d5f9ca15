"""Compare what is stored of ShipBob with what the simulated one knows to be true. For the demo and tests.

The vendor's clock should stand still meanwhile: parcels go on while it runs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import INTERNAL, Kind
from ops.truth.cars import Compared, Difference, difference, streamed

Connection = psycopg.Connection[Any]
Document = dict[str, Any]
TRACKED_FOR = timedelta(days=45)
DELIVERED = 203
"""The status detail of a delivery."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the vendor's objects of a kind lie: the table and the column with the vendor's id."""

    kind: Kind
    table: str
    key: str


MERCHANTS = (
    Stored("orders", "shipbob_orders", "order_id"),
    Stored("products", "shipbob_products", "product_id"),
    Stored("returns", "shipbob_returns", "return_id"),
    Stored("receivings", "shipbob_receiving_orders", "receiving_order_id"),
)
TRANSACTIONS = Stored("transactions", "shipbob_transactions", "transaction_id")
INVOICES = Stored("invoices", "shipbob_invoices", "invoice_id")


@dataclass(frozen=True, slots=True)
class Truth:
    """The vendor's truth beside our tables. ``merchants`` leads from a client to the vendor's key of it;
    ``parent`` is the client whose token has the billing, and its own charges' client."""

    vendor: ShipBobControl
    connection: Connection
    merchants: Mapping[str, str]
    parent: str

    def compare(self) -> Iterator[Compared]:
        """Everything that the streams keep, field by field."""
        for client_id in self.merchants:
            for stored in MERCHANTS:
                yield Compared(client_id, stored.kind, self.documents(client_id, stored))
            yield Compared(client_id, "shipments", self.shipments(client_id))
            yield Compared(client_id, "timelines", self.timelines(client_id))
        for stored in (TRANSACTIONS, INVOICES):
            yield Compared(self.parent, stored.kind, self.documents(self.parent, stored))
        yield Compared(self.parent, "attribution", self.attribution())

    def documents(self, client_id: str, stored: Stored) -> Difference:
        """Each live row's document against the object, whole."""
        expected = {str(line["id"]): line["record"] for line in self._lines(stored.kind, client_id)}
        query = sql.SQL(
            "SELECT {key} AS id, document::text AS document FROM public.{table}"
            " WHERE client_id = %s AND deleted_at IS NULL"
        ).format(key=sql.Identifier(stored.key), table=sql.Identifier(stored.table))
        rows = streamed(self.connection, query, (client_id,))
        return difference(expected, ((row["id"], json.loads(row["document"])) for row in rows))

    def shipments(self, client_id: str) -> Difference:
        """What an order's document was unfolded to, against the vendor's shipments."""
        lines = self._lines("shipments", client_id)
        expected = {str(line["id"]): _shipment(line["record"]) for line in lines}
        rows = streamed(self.connection, _SHIPMENTS, (client_id,))
        return difference(expected, ((row.pop("shipment_id"), row) for row in rows))

    def timelines(self, client_id: str) -> Difference:
        """Of each parcel that is under way, what happened to it so far. Timelines that were read before it
        arrived may lie beside them; they are left out here."""
        under_way = self._under_way(client_id)
        lines = self._lines("timelines", client_id)
        expected = {
            str(line["id"]): _events(line["record"]) for line in lines if line["id"] in under_way
        }
        rows = streamed(self.connection, _TIMELINES, (client_id,))
        found = ((row["shipment_id"], _events(json.loads(row["events"]))) for row in rows)
        return difference(expected, (each for each in found if each[0] in expected))

    def attribution(self) -> Difference:
        """Whose each charge is, and by which rule; a charge that nothing leads to is nobody's."""
        clients = {key: client for client, key in self.merchants.items()} | {INTERNAL: self.parent}
        expected = {
            line["id"]: _owner(line, clients) for line in self._lines("transactions", self.parent)
        }
        rows = streamed(self.connection, _ATTRIBUTED, (self.parent,))
        return difference(expected, ((row["id"], (row["client"], row["rule"])) for row in rows))

    def rules(self) -> Counter[str]:
        """How many charges each rule leads to a client, as the vendor knows."""
        return Counter(line["rule"] for line in self._lines("transactions", self.parent))

    def _under_way(self, client_id: str) -> set[int]:
        """Shipments neither delivered nor cancelled, of an age at which their timelines are read."""
        since = datetime.fromtimestamp(self.vendor.now_s(), UTC) - TRACKED_FOR
        return {
            line["id"]
            for line in self._lines("shipments", client_id)
            if _is_open(line["record"])
            and datetime.fromisoformat(line["record"]["created_date"]) > since
        }

    def _lines(self, kind: Kind, client_id: str) -> Iterator[Document]:
        merchant = None if client_id == self.parent else self.merchants[client_id]
        return self.vendor.truth(kind, merchant)


_SHIPMENTS = """
SELECT shipment_id, order_id, status, created_at, last_update_at, tracking_number, carrier, delivered_at
  FROM public.shipbob_shipments WHERE client_id = %s AND deleted_at IS NULL
"""
_TIMELINES = """
SELECT shipment_id, (document -> 'events')::text AS events
  FROM public.shipbob_timelines WHERE client_id = %s AND deleted_at IS NULL
"""
_ATTRIBUTED = """
SELECT transaction_id AS id, merchant_client_id AS client, coalesce(attributed_by, 'nothing') AS rule
  FROM public.shipbob_transactions WHERE client_id = %s AND deleted_at IS NULL
"""


def _shipment(record: Document) -> Document:
    """What the typed columns should say, worked out here anew and not by the code under test."""
    return {
        "order_id": str(record["order_id"]),
        "status": record["status"],
        "created_at": _instant(record["created_date"]),
        "last_update_at": _instant(record["last_update_at"]),
        "tracking_number": record["tracking"]["tracking_number"],
        "carrier": record["tracking"]["carrier"],
        "delivered_at": _instant(_delivered(record)),
    }


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _delivered(record: Document) -> str | None:
    """When a parcel arrived. Of some only a status detail tells, and the last news of it is the time."""
    told: str | None = record["delivery_date"]
    if told is None and any(detail["id"] == DELIVERED for detail in record["status_details"]):
        told = record["last_tracking_update_at"]
    return told


def _is_open(record: Document) -> bool:
    return _delivered(record) is None and record["status"] != "Cancelled"


def _events(events: Iterable[Document]) -> list[str]:
    """A timeline has no order that anybody promised."""
    return sorted(json.dumps(event, sort_keys=True) for event in events)


def _owner(line: Document, clients: Mapping[str, str]) -> tuple[str | None, str]:
    nobody = line["rule"] == "nothing"
    return (None if nobody else clients[line["merchant"]], line["rule"])
