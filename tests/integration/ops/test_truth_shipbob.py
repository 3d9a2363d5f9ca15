"""The comparison with ShipBob's truth finds every way in which what is stored can be wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from local.postgres import Database
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import INTERNAL
from local.vendors.shipbob.server import vendor_in_thread
from ops.truth.shipbob import INVOICES, MERCHANTS, TRANSACTIONS, Stored, Truth

HOUSE = "house"
KEYS = ("acme", "acme-pets", "niva")
Rows = psycopg.Connection[dict[str, Any]]
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Copy:
    """A database filled from the vendor's truth by this test and not by Sluice."""

    rows: Rows
    truth: Truth

    def faults(self) -> list[str]:
        return [f"{c.client_id} {c.kind}" for c in self.truth.compare() if not c.found.equal]


@pytest.fixture(scope="module")
def vendor() -> Iterator[ShipBobControl]:
    with vendor_in_thread() as base, ShipBobControl(base) as control:
        control.create_world(seed=3, orders=60, transactions=200)
        control.hold_clock()
        yield control


@pytest.fixture
def copy(database: Database, vendor: ShipBobControl) -> Iterator[Copy]:
    """Equal to the vendor in everything."""
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as rows:
        truth = Truth(vendor, rows, {key: key for key in KEYS}, HOUSE)
        for key in KEYS:
            for stored in MERCHANTS:
                _fill(rows, stored, key, vendor.truth(stored.kind, key))
            _fill_shipments(rows, key, vendor.truth("shipments", key))
            _fill_timelines(rows, key, vendor.truth("timelines", key))
        for stored in (TRANSACTIONS, INVOICES):
            _fill(rows, stored, HOUSE, vendor.truth(stored.kind))
        _attribute(rows, vendor.truth("transactions"))
        yield Copy(rows, truth)


def _fill(rows: Rows, stored: Stored, client: str, lines: Iterator[Line]) -> None:
    query = (
        f"INSERT INTO public.{stored.table} (client_id, {stored.key}, content_hash, version, document)"
        " VALUES (%s, %s, gen_random_uuid(), 1, %s)"
    )
    values = [(client, str(line["id"]), json.dumps(line["record"])) for line in lines]
    rows.cursor().executemany(query.encode(), values)


def _fill_shipments(rows: Rows, client: str, lines: Iterator[Line]) -> None:
    values = [(client, str(line["id"]), *_shipment(line["record"])) for line in lines]
    rows.cursor().executemany(
        "INSERT INTO public.shipbob_shipments (client_id, shipment_id, order_id, status, created_at,"
        " last_update_at, tracking_number, carrier, delivered_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        values,
    )


def _shipment(record: Line) -> tuple[Any, ...]:
    arrived = record["delivery_date"]
    if record["status_details"] and record["status_details"][0]["id"] == 203:
        arrived = arrived or record["last_tracking_update_at"]
    return (
        str(record["order_id"]), record["status"], record["created_date"], record["last_update_at"],
        record["tracking"]["tracking_number"], record["tracking"]["carrier"], arrived,
    )  # fmt: skip


def _fill_timelines(rows: Rows, client: str, lines: Iterator[Line]) -> None:
    """In another order than the vendor's, which promises none."""
    values = [
        (client, str(line["id"]), json.dumps({"events": line["record"][::-1]})) for line in lines
    ]
    rows.cursor().executemany(
        "INSERT INTO public.shipbob_timelines (client_id, shipment_id, content_hash, version, document)"
        " VALUES (%s, %s, gen_random_uuid(), 1, %s)",
        values,
    )


def _attribute(rows: Rows, lines: Iterator[Line]) -> None:
    values = [
        (HOUSE if line["merchant"] == INTERNAL else line["merchant"], line["rule"], line["id"])
        for line in lines
        if line["rule"] != "nothing"
    ]
    rows.cursor().executemany(
        "UPDATE public.shipbob_transactions SET merchant_client_id = %s, attributed_by = %s"
        " WHERE transaction_id = %s",
        values,
    )


def test_an_equal_copy_is_equal(copy: Copy) -> None:
    """Whatever kinds there are, none of them is empty."""
    assert copy.faults() == []
    assert min(compared.found.truth for compared in copy.truth.compare()) > 0


@pytest.mark.parametrize("stored", MERCHANTS, ids=lambda stored: stored.kind)
@pytest.mark.parametrize(
    "change",
    ["deleted_at = now()", "document = document || '{\"id\": 0}'", "client_id = 'another'"],
)
def test_a_wrong_row_of_any_kind_is_found(copy: Copy, stored: Stored, change: str) -> None:
    """Gone, other, or somebody else's; of each client alone."""
    query = (
        f"UPDATE public.{stored.table} SET {change} WHERE client_id = 'niva' AND {stored.key} ="
        f" (SELECT min({stored.key}) FROM public.{stored.table} WHERE client_id = 'niva')"
    )
    copy.rows.execute(query.encode())
    assert copy.faults() == [f"niva {stored.kind}"]


@pytest.mark.parametrize(
    "change",
    [
        "deleted_at = now()", "order_id = '1'", "status = 'None'", "created_at = now()",
        "last_update_at = now()", "tracking_number = 'x'", "carrier = 'x'", "delivered_at = now()",
    ],
)  # fmt: skip
def test_a_shipment_unfolded_wrongly_is_found(copy: Copy, change: str) -> None:
    """In each column that is compared."""
    query = (
        f"UPDATE public.shipbob_shipments SET {change} WHERE shipment_id = {_least_of('shipments')}"
    )
    copy.rows.execute(query.encode())
    assert copy.faults() == ["acme shipments"]


def _least_of(table: str) -> str:
    return f"(SELECT min(shipment_id) FROM public.shipbob_{table} WHERE client_id = 'acme')"


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM public.shipbob_timelines",
        "UPDATE public.shipbob_timelines SET document = '{\"events\": []}'",
    ],
)
def test_a_timeline_of_what_is_under_way_must_be_there_and_right(copy: Copy, change: str) -> None:
    """Of what arrived nobody asks any more, and none need be there."""
    copy.rows.execute(change.encode())
    assert copy.faults() == [f"{key} timelines" for key in KEYS]


def test_a_timeline_of_what_arrived_need_not_be_there(copy: Copy) -> None:
    now = datetime.fromtimestamp(copy.truth.vendor.now_s()).astimezone()
    gone = copy.rows.execute(
        "DELETE FROM public.shipbob_timelines t USING public.shipbob_shipments s"
        " WHERE s.client_id = t.client_id AND s.shipment_id = t.shipment_id"
        "   AND s.delivered_at <= %s RETURNING t.shipment_id",
        (now,),
    ).fetchall()
    assert gone
    assert copy.faults() == []


@pytest.mark.parametrize("stored", [TRANSACTIONS, INVOICES], ids=lambda stored: stored.kind)
def test_billing_that_lacks_a_row_is_found(copy: Copy, stored: Stored) -> None:
    query = (
        f"DELETE FROM public.{stored.table} WHERE {stored.key} ="
        f" (SELECT max({stored.key}) FROM public.{stored.table})"
    )
    copy.rows.execute(query.encode())
    lacks = [f"{HOUSE} {stored.kind}"]
    assert copy.faults() == ([*lacks, f"{HOUSE} attribution"] if stored is TRANSACTIONS else lacks)


@pytest.mark.parametrize(
    ("which", "change"),
    [
        ("attributed_by = 'shipment'", "merchant_client_id = 'another'"),
        ("attributed_by = 'shipment'", "attributed_by = 'name'"),
        ("attributed_by = 'shipment'", "merchant_client_id = NULL, attributed_by = NULL"),
        ("attributed_by IS NULL", "merchant_client_id = 'acme', attributed_by = 'name'"),
    ],
)
def test_a_charge_of_somebody_else_is_found(copy: Copy, which: str, change: str) -> None:
    """Whose it is, by what, and that nobody's is nobody's."""
    query = (
        f"UPDATE public.shipbob_transactions SET {change} WHERE transaction_id ="
        f" (SELECT min(transaction_id) FROM public.shipbob_transactions WHERE {which})"
    )
    copy.rows.execute(query.encode())
    assert copy.faults() == [f"{HOUSE} attribution"]


def test_a_client_without_rows_lacks_everything(database: Database, vendor: ShipBobControl) -> None:
    """Not equal because there was nothing to compare."""
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as rows:
        truth = Truth(vendor, rows, {key: key for key in KEYS}, HOUSE)
        faults = [compared.found.faults for compared in truth.compare()]
    assert min(faults) > 0
