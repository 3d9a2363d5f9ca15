"""ShipBob through the deployed template: three merchants and the house that is charged for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.models import Kind
from sluice.core.keys import StreamKey
from tests.e2e.deployed import Deployed
from tests.e2e.shipbob_house import BILLED, HOUSE, LISTED, NAMES, SHIPBOB, House

KINDS: Mapping[str, Kind] = {
    "orders": "orders",
    "products": "products",
    "returns": "returns",
    "receiving_orders": "receivings",
    "transactions": "transactions",
}
RULES = {"shipment", "inventory", "return", "order", "receiving", "name", "internal", "nothing"}
TRACKED = "SELECT * FROM public.shipbob_tracking WHERE client_id = %s AND shipment_id = %s"
CHARGED = (
    "SELECT merchant_client_id, attributed_by, unattributed_reason"
    " FROM public.shipbob_transactions WHERE client_id = %s AND transaction_id = %s"
)
MERCHANT = "niva"


@pytest.fixture(scope="module")
def house(deployed: Deployed) -> Iterator[House]:
    with ShipBobControl(deployed.names["VENDOR_SHIPBOB_URL"]) as vendor:
        house = House(deployed, vendor)
        house.open()
        yield house


def test_everything_equals_the_vendors_truth(house: House) -> None:
    """Orders, shipments, timelines of what is under way, products, returns, receiving orders, charges and
    invoices, and whose each charge is, by every rule there is."""
    assert house.faults_at_first == []
    assert set(house.truth.rules()) == RULES
    for key in house.keys(*LISTED, "timelines", *BILLED):
        assert house.deployed.chain_faults(key) == [], key


@pytest.mark.long
def test_a_second_pass_writes_only_what_changed(house: House) -> None:
    """Everything is read again; what is written is what the vendor's truth says is new or other. And once
    more: then nothing is."""
    before = {stream: house.records(kind) for stream, kind in KINDS.items()}
    house.change(
        orders=6, late_orders=1, update=9, cancel=2, products=1, update_products=3, returns=2,
        receivings=2, charges=20, late_charges=2, invoice=True,
    )  # fmt: skip
    wanted = {
        (client, stream): written
        for stream, kind in KINDS.items()
        for client, written in _written(before[stream], house.records(kind)).items()
    }
    runs = house.read_everything()
    found = {
        (key.client_id, key.stream): (run["inserted"], run["updated"])
        for key, run in runs.items()
        if key.stream in KINDS
    }
    assert found == wanted
    assert [key for key, run in runs.items() if run["outcome"] != "completed"] == []
    assert house.faults() == []

    again = house.read_everything()
    idle = {key: (run["inserted"], run["updated"], run["deleted"]) for key, run in again.items()}
    assert set(idle.values()) == {(0, 0, 0)}, idle
    assert house.faults() == []


def _written(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[int, int]]:
    """New and changed records, by the client whose stream reads them: charges are all the house's."""
    clients = NAMES if set(after) <= set(NAMES) else {HOUSE: ""}
    counts = dict.fromkeys(clients, (0, 0))
    for merchant, records in after.items():
        client = merchant if merchant in clients else HOUSE
        known = before.get(merchant, {})
        fresh = len(set(records) - set(known))
        other = sum(known[each] != records[each] for each in set(records) & set(known))
        new, changed = counts[client]
        counts[client] = (new + fresh, changed + other)
    return counts


def test_changes_are_found_without_reading_everything(house: House) -> None:
    """A new order carries no last_update_at, and one under way has news of its tracking only: both come."""
    (order,) = house.change(orders=1, merchant=MERCHANT)["orders"]
    (scanned,) = house.change(scan=1, merchant=MERCHANT)["scan"]
    house.rest()
    runs = house.read("orders")
    mine = runs[StreamKey(MERCHANT, SHIPBOB, "orders")]
    assert (mine["inserted"], mine["outcome"]) == (1, "completed")
    assert mine["rows_read"] < len(house.records("orders")[MERCHANT]) / 2
    assert house.faults(without=["timelines"]) == []
    assert order in house.records("orders")[MERCHANT]
    assert scanned in house.records("shipments")[MERCHANT]


def test_an_order_that_vanished_is_removed_after_a_point_read(house: House) -> None:
    """Softly, with its shipments, and nobody asks for their timelines any more."""
    shipments = house.records("orders")[MERCHANT]
    (gone,) = house.change(remove_orders=1, merchant=MERCHANT)["remove_orders"]
    asked = house.vendor.stats().by_endpoint.get("order", 0)
    run = house.read("orders", full=True)[StreamKey(MERCHANT, SHIPBOB, "orders")]
    assert (run["outcome"], run["deleted"]) == ("completed", 1)
    assert house.vendor.stats().by_endpoint["order"] > asked
    order = house.row(
        "SELECT deleted_at FROM public.shipbob_orders WHERE client_id = %s AND order_id = %s",
        MERCHANT, gone,
    )  # fmt: skip
    assert order["deleted_at"] is not None
    for shipment in shipments[gone]["shipments"]:
        kept = house.row(
            "SELECT deleted_at FROM public.shipbob_shipments WHERE client_id = %s AND shipment_id = %s",
            MERCHANT, str(shipment["id"]),
        )  # fmt: skip
        tracked = house.row(TRACKED, MERCHANT, str(shipment["id"]))
        assert kept["deleted_at"] is not None
        assert (tracked["is_open"], tracked["due_at"]) == (False, None)
    assert house.faults(without=["timelines"]) == []


def test_a_delivery_without_its_event_ends_the_asking(house: House) -> None:
    """Only a status detail tells of it. No timeline opens the shipment again, and none is asked for."""
    (shipment,) = house.change(deliver_quietly=1, merchant=MERCHANT)["deliver_quietly"]
    house.read("orders", full=True)
    tracked = house.row(TRACKED, MERCHANT, shipment)
    assert tracked["delivered_at"] is not None
    assert (tracked["is_open"], tracked["due_at"]) == (False, None)

    house.read("timelines", full=True)
    assert house.row(TRACKED, MERCHANT, shipment) == tracked
    events = house.records("timelines")[MERCHANT][shipment]
    assert 609 not in {event["log_type_id"] for event in events}
    assert house.faults() == []


def test_a_charge_nobody_is_known_for_gets_its_client_when_its_order_can_be_read(
    house: House,
) -> None:
    """Until then it is listed with the reason; afterwards nothing has to be read of billing."""
    charge, *_ = house.change(held_back=1, merchant=MERCHANT)["charges"]
    house.rest()
    house.read("transactions")
    assert house.row(CHARGED, HOUSE, charge) == {
        "merchant_client_id": None, "attributed_by": None, "unattributed_reason": "unknown_shipment",
    }  # fmt: skip
    listed = house.row(
        "SELECT reason FROM sluice.shipbob_unattributed WHERE client_id = %s AND transaction_id = %s",
        HOUSE, charge,
    )  # fmt: skip
    assert listed["reason"] == "unknown_shipment"

    house.change(reveal=True, merchant=MERCHANT)
    house.read("orders", full=True)
    house.rest()
    house.read("transactions")
    assert house.row(CHARGED, HOUSE, charge) == {
        "merchant_client_id": MERCHANT, "attributed_by": "shipment", "unattributed_reason": None,
    }  # fmt: skip
    assert house.faults(without=["timelines"]) == []
