"""The simulated ShipBob's world: made from a seed, living by its clock, changed on request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.shipbob.models import MerchantSpec, NewWorld
from tests.unit.local.shipbob_account import (
    KEYS,
    LONG_AGO,
    UNLIMITED,
    Vendor,
    ids,
    standing_vendor,
)

KINDS = ("orders", "shipments", "timelines", "products", "inventory", "returns", "receivings",
         "transactions", "invoices")  # fmt: skip
DAY_S = 24 * 3600.0


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor() as vendor:
        yield vendor


def everything(vendor: Vendor) -> list[dict[str, Any]]:
    return [line for kind in KINDS for line in vendor.truth(kind)]


def test_the_same_seed_makes_the_same_world(vendor):
    """And another one another; what is asked between changes nothing."""
    first = everything(vendor)
    vendor.all_orders()
    assert everything(vendor) == first
    vendor.create_world(options=UNLIMITED)
    assert everything(vendor) == first
    vendor.create_world(options=UNLIMITED, seed=2)
    assert everything(vendor) != first


def test_the_same_changes_lead_to_the_same_world(vendor):
    """Changes are drawn from the world's seed and their number, not from who asks."""
    worlds = []
    for _ in range(2):
        vendor.create_world(options=UNLIMITED)
        for _ in range(2):
            vendor.change(orders=3, late_orders=2, update=4, charges=5, returns=2, products=1)
        worlds.append(everything(vendor))
    assert worlds[0] == worlds[1]
    charges = [line["id"] for line in worlds[0] if "rule" in line]
    assert len(charges) == len(set(charges)) == 610


def test_sizes_are_what_was_asked_for(vendor):
    """Over all merchants."""
    summary = vendor.create_world(
        orders=40, products=9, returns=7, receivings=5, transactions=80, options=UNLIMITED
    )
    assert summary.counts | {"shipments": 0, "invoices": 0} == {
        "orders": 40, "shipments": 0, "products": 9, "returns": 7, "receivings": 5,
        "transactions": 80, "invoices": 0, "held_back": 0, "removed_orders": 0,
    }  # fmt: skip
    assert summary.merchants == {**{key: f"{key}-token" for key in KEYS}, "parent": "parent-token"}


def test_an_empty_world_answers(vendor):
    """Nothing anywhere is a listing without rows, not an error."""
    vendor.create_world(
        orders=0, products=0, returns=0, receivings=0, transactions=0, options=UNLIMITED
    )
    assert vendor.orders() == []
    assert vendor.query(from_date=LONG_AGO)["items"] == []
    assert vendor.query(from_date=LONG_AGO)["next"] is None
    vendor.change(charges=20)
    assert {line["merchant"] for line in vendor.truth("transactions")} <= {"internal", *KEYS}


def test_a_shipment_lives_by_the_vendors_clock(vendor):
    """Its timeline only grows; it is labelled, shipped, delivered without anybody's doing."""
    made = [int(text) for text in vendor.change(merchant="acme", orders=60).by["orders"]]
    seen: dict[int, list[Any]] = {}
    statuses = set()
    for _ in range(25):
        for line in vendor.truth("timelines", "acme"):
            before = seen.get(line["id"], [])
            assert line["record"][: len(before)] == before
            seen[line["id"]] = line["record"]
        orders = vendor.all_orders(IDs=",".join(map(str, made)))
        statuses |= {each["status"] for order in orders for each in order["shipments"]}
        vendor.advance_clock(DAY_S / 2)
    assert statuses == {
        "Processing", "LabeledCreated", "Completed", "Exception", "OnHold", "Cancelled"
    }  # fmt: skip


@pytest.mark.parametrize("moves", [False, True])
def test_on_its_way_a_shipment_keeps_its_last_update(vendor, moves):
    """By nature it is the moment of shipping, whatever the carrier tells afterwards."""
    vendor.create_world(options={**UNLIMITED, "tracking_moves_last_update": moves})
    shipments = [line["record"] for line in vendor.truth("shipments")]
    delivered = [each for each in shipments if each["delivery_date"]]
    assert delivered
    for each in delivered:
        assert (
            each["last_update_at"] == each["delivery_date" if moves else "actual_fulfillment_date"]
        )
        assert each["last_tracking_update_at"] == each["delivery_date"]
    out = [s for s in shipments if any(d["id"] == 202 for d in s["status_details"])]
    assert out
    assert all((s["last_update_at"] == s["last_tracking_update_at"]) is moves for s in out)


def test_some_deliveries_show_as_a_detail_only(vendor):
    """A share of ten in a hundred by nature: 203 without event 609 and without a delivery date."""
    vendor.create_world(orders=1500, options=UNLIMITED)
    timelines = {line["id"]: line["record"] for line in vendor.truth("timelines")}
    shipments = {line["id"]: line["record"] for line in vendor.truth("shipments")}
    delivered = {
        n for n, s in shipments.items() if any(d["id"] == 203 for d in s["status_details"])
    }
    loud = {n for n, events in timelines.items() if any(e["log_type_id"] == 609 for e in events)}
    assert loud < delivered
    quiet = delivered - loud
    assert 0.06 < len(quiet) / len(delivered) < 0.14
    assert all(shipments[n]["delivery_date"] is None for n in quiet)
    assert all(shipments[n]["delivery_date"] for n in loud)
    assert all(shipments[n]["status"] == "Completed" for n in delivered)


@pytest.mark.parametrize(("share", "found"), [(0.0, {False}), (1.0, {True})])
def test_the_share_of_quiet_deliveries_can_be_set(vendor, share, found):
    """None or all of them."""
    vendor.create_world(options={**UNLIMITED, "quiet_delivery_share": share})
    shipments = [line["record"] for line in vendor.truth("shipments")]
    delivered = [s for s in shipments if any(d["id"] == 203 for d in s["status_details"])]
    assert {s["delivery_date"] is None for s in delivered} == found


@pytest.mark.parametrize("odd", [True, False])
def test_timelines_carry_ids_that_nobody_documented(vendor, odd):
    """A reader must take them as ordinary."""
    vendor.create_world(options={**UNLIMITED, "odd_timeline_ids": odd})
    met = {e["log_type_id"] for line in vendor.truth("timelines") for e in line["record"]}
    known = {601, 602, 603, 604, 605, 607, 608, 609, 611, 118, 106, 107}
    assert bool(met - known) is odd
    assert known <= met | {106, 107}


def test_changes_meet_what_they_say(vendor):
    """Each in the answers at once, with its moment."""
    vendor.create_world(orders=900, history_days=6, options=UNLIMITED)
    met = vendor.change(
        merchant="niva", update=3, cancel=2, hold=2, exception=2, deliver=2, deliver_quietly=2
    ).by
    now = "2027-01-15T08:00:00.000Z"

    def states(name: str) -> list[Any]:
        return [vendor.ask(f"/shipment/{text}", "niva").json() for text in met[name]]

    assert {s["last_update_at"] for s in states("update")} == {now}
    assert {s["status"] for s in states("cancel")} == {"Cancelled"}
    assert {s["status"] for s in states("hold")} == {"OnHold"}
    assert {s["status"] for s in states("exception")} == {"Exception"}
    assert {s["delivery_date"] for s in states("deliver")} == {now}
    assert {s["delivery_date"] for s in states("deliver_quietly")} == {None}
    everyone = [text for texts in met.values() for text in texts]
    assert len(everyone) == len(set(everyone)) == 13
    vendor.advance_clock(60 * DAY_S)
    assert {s["status"] for s in states("cancel")} == {"Cancelled"}


def test_late_orders_are_dated_back_and_appear_now(vendor):
    """A window read before them has missed them."""
    before = vendor.all_orders()
    (made,) = vendor.change(merchant="acme", late_orders=1, late_by_s=600).by["late_orders"]
    late = vendor.orders(IDs=made)[0]
    assert late["created_date"] == "2027-01-15T07:50:00.000Z"
    assert set(ids(vendor.all_orders())) - set(ids(before)) == {int(made)}
    assert vendor.all_orders(StartDate="2027-01-15T07:59:00Z") == []


def test_orders_vanish_without_trace(vendor):
    """404, in no listing, and the truth says which."""
    (gone,) = vendor.change(merchant="acme", remove_orders=1).by["remove_orders"]
    assert vendor.ask(f"/order/{gone}").status_code == 404
    assert int(gone) not in ids(vendor.all_orders())
    assert int(gone) not in ids(vendor.all_orders(LastUpdateStartDate=LONG_AGO))
    assert vendor.removed_orders() == {"acme": [int(gone)], "acme-pets": [], "niva": []}


def test_numbers_of_different_things_never_meet(vendor):
    """A credit's bare number leads to one thing only."""
    vendor.create_world(orders=500, options=UNLIMITED)
    numbers = [line["id"] for kind in KINDS[:2] for line in vendor.truth(kind)]
    numbers += [line["id"] for kind in ("products", "returns", "receivings", "invoices", "inventory")
                for line in vendor.truth(kind)]  # fmt: skip
    assert len(numbers) == len(set(numbers))


def test_a_shipment_holds_what_is_its_merchants(vendor):
    """Inventory ids in shipments and receiving orders are of products of the same merchant."""
    owner = {line["id"]: line["merchant"] for line in vendor.truth("inventory")}
    for line in vendor.truth("shipments"):
        held = [each["id"] for row in line["record"]["products"] for each in row["inventory_items"]]
        assert {owner[number] for number in held} == {line["merchant"]}
    for line in vendor.truth("receivings"):
        held = [each["inventory_id"] for each in line["record"]["inventory_quantities"]]
        assert {owner[number] for number in held} == {line["merchant"]}


def test_a_held_clock_keeps_everything_as_it_is():
    """So a copy can be compared with the truth; afterwards time goes on."""
    with standing_vendor(history_days=3) as vendor:
        held = vendor.hold_clock()
        vendor.advance_clock(DAY_S)
        assert vendor.now_s() == held + DAY_S
        assert vendor.hold_clock(hold=False) == held + DAY_S


@pytest.mark.parametrize(
    "wanted",
    [
        {"merchants": [{"key": "a"}, {"key": "a", "token": "b"}]},
        {"merchants": [{"key": "parent"}]},
        {"merchants": [{"key": "a", "token": "parent-token"}]},
        {"merchants": []},
        {"colour": "blue"},
        {"options": {"colour": "blue"}},
    ],
)
def test_a_world_that_makes_no_sense_is_refused(wanted):
    """Two merchants of one token would read each other."""
    with pytest.raises(ValidationError):
        NewWorld.model_validate(wanted)


def test_a_change_asks_for_no_more_than_there_is(vendor):
    """It says what is missing; an unknown merchant is named."""
    vendor.create_world(orders=0, products=0, transactions=0, options=UNLIMITED)
    for wanted in ({"update": 1}, {"remove_orders": 1}, {"update_products": 1}, {"returns": 1}):
        with pytest.raises(ControlRefusedError, match=r"add (orders|products)"):
            vendor.change(**wanted)
    with pytest.raises(ControlRefusedError, match="no merchant 'nobody'"):
        vendor.change(merchant="nobody", orders=1)


def test_merchants_can_be_named(vendor):
    """Any number of them, with tokens of their own."""
    specs = (MerchantSpec(key="one", token="t1"), MerchantSpec(key="two-three"))
    summary = vendor.create_world(NewWorld(merchants=specs, orders=20))
    assert summary.merchants == {
        "one": "t1",
        "two-three": "two-three-token",
        "parent": "parent-token",
    }
    owners = {line["merchant"] for line in vendor.truth("orders")}
    assert owners == {"one", "two-three"}
