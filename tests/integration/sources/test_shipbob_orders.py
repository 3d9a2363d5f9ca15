"""ShipBob's listing streams through the engine, Postgres and the simulated vendor: what is read equals the truth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from local.postgres import Database
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.server import vendor_in_thread
from sluice.core.slices import Outcome
from tests.integration.sources.shipbob_orders_stand import MERCHANT, TABLES, Stand, standing

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WORLD = {"orders": 390, "products": 90, "returns": 60, "receivings": 180, "transactions": 0}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with vendor_in_thread() as url:
        yield url


@pytest.fixture
def control(base_url: str) -> Iterator[ShipBobControl]:
    """A vendor whose time stands, which answers as often as it is asked."""
    with ShipBobControl(base_url) as control:
        control.create_world(**WORLD, history_days=30, options={"rate_limit": None})
        control.hold_clock()
        yield control


@pytest.fixture
def stand(database: Database, control: ShipBobControl) -> Iterator[Stand]:
    with standing(database, control) as made:
        yield made


def instant(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def is_delivered(shipment: dict[str, Any]) -> bool:
    by_detail = any(each["id"] == 203 for each in shipment["status_details"])
    return by_detail or shipment["delivery_date"] is not None


@pytest.mark.parametrize("stream", TABLES)
def test_a_first_load_is_the_truth_and_the_next_one_costs_no_write(stand, stream):
    """Every row with its document, page by page; read again, none of them is written."""
    counts = stand.caught_up(stream)
    assert stand.table(stream) == stand.truth(stream)
    assert counts.inserted == len(stand.truth(stream)) > 20
    assert (counts.updated, counts.stale, counts.rejected, counts.deleted) == (0, 0, 0, 0)
    stand.ahead += 2 * HOUR  # ours alone: the vendor's things stay as they are
    again = stand.caught_up(stream)
    assert again.read >= again.unchanged >= counts.inserted
    assert (again.inserted, again.updated, again.rejected, again.deleted) == (0, 0, 0, 0)


def test_shipments_and_the_lines_of_both_are_unfolded(stand):
    """Each shipment once, with its columns; each line where it stands in its document."""
    stand.caught_up("orders")
    truth = stand.truth("shipments")
    found = stand.ask(
        "SELECT shipment_id, order_id, status, created_at, last_update_at, last_tracking_update_at,"
        " tracking_number, carrier, total_weight_oz, invoice_amount, delivered_at IS NOT NULL, fulfillment_center,"
        " status_details FROM shipbob_shipments WHERE client_id = %s AND deleted_at IS NULL"
    )
    assert {row[0]: row[1:] for row in found} == {
        number: (
            str(told["order_id"]),
            told["status"],
            instant(told["created_date"]),
            instant(told["last_update_at"]),
            instant(told["last_tracking_update_at"]),
            told["tracking"]["tracking_number"],
            told["tracking"]["carrier"],
            told["measurements"]["total_weight_oz"],
            decimal(told["invoice_amount"]),
            is_delivered(told),
            told["location"]["name"],
            told["status_details"],
        )
        for number, told in truth.items()
    }
    lines = stand.ask(
        "SELECT shipment_id, line, sku, inventory_id, quantity FROM shipbob_shipment_items WHERE client_id = %s"
    )
    assert sorted(lines) == sorted(
        (number, 1, product["sku"], str(item["id"]), item["quantity"])
        for number, told in truth.items()
        for product in told["products"]
        for item in product["inventory_items"]
    )
    ordered = stand.ask(
        "SELECT order_id, line, sku, quantity, unit_price FROM shipbob_order_items WHERE client_id = %s"
    )
    assert sorted(ordered) == sorted(
        (number, 1, product["sku"], product["quantity"], decimal(product["unit_price"]))
        for number, told in stand.truth("orders").items()
        for product in told["products"]
    )


def test_timelines_are_to_be_asked_of_what_is_on_its_way(stand):
    """Neither delivered nor cancelled, never checked yet, within the reach."""
    stand.caught_up("orders")
    truth = stand.truth("shipments")
    found = stand.ask(
        "SELECT shipment_id, is_open, due_at = '-infinity', tier, delivered_at IS NOT NULL, created_at"
        " FROM shipbob_tracking WHERE client_id = %s"
    )
    assert {row[0] for row in found} == set(truth)
    for number, is_open, is_due, tier, delivered, created_at in found:
        told = truth[number]
        wanted = not is_delivered(told) and told["status"] != "Cancelled"
        assert (is_open, is_due or False, delivered) == (wanted, wanted, is_delivered(told))
        assert (tier == 3) is wanted
        assert created_at == instant(told["created_date"])


def test_an_inventory_id_leads_to_its_product(stand):
    """One row for each id on a shelf; bundles have none."""
    stand.caught_up("products")
    found = stand.ask(
        "SELECT inventory_id, product_id FROM shipbob_inventory_items WHERE client_id = %s"
    )
    assert dict(found) == {
        str(variant["inventory"]["inventory_id"]): number
        for number, product in stand.truth("products").items()
        for variant in product["variants"]
        if variant["inventory"]["inventory_id"] is not None
    }


def test_a_new_order_is_found_though_it_was_never_updated(stand):
    """No window of updates has it; the window of creations does."""
    stand.caught_up("orders")
    made = stand.control.change(merchant=MERCHANT, orders=2).by["orders"]
    assert all(
        shipment["last_update_at"] is None
        for number in made
        for shipment in stand.truth("orders")[number]["shipments"]
    )
    stand.time_passes(MINUTE)
    counts = stand.caught_up("orders")
    assert (counts.inserted, counts.updated) == (2, 0)
    assert stand.table("orders") == stand.truth("orders")


@pytest.mark.parametrize("deed", ["update", "cancel", "hold", "exception", "scan", "deliver"])
def test_whatever_happens_to_a_shipment_is_found_by_the_next_poll(stand, deed):
    """Also what leaves last_update_at where it was, as long as its tracking was updated."""
    stand.caught_up("orders")
    before = stand.table("orders")
    stand.control.change(merchant=MERCHANT, **{deed: 3})
    stand.time_passes(MINUTE)
    counts = stand.caught_up("orders")
    assert stand.table("orders") == stand.truth("orders") != before
    assert counts.updated >= 1
    assert counts.read < len(before) / 2


def test_a_quiet_delivery_closes_its_shipment(stand):
    """Known by status detail 203 alone: it is never asked for its timeline again, and stays closed."""
    stand.caught_up("orders")
    met = stand.control.change(merchant=MERCHANT, deliver_quietly=3).by["deliver_quietly"]
    stand.time_passes(MINUTE)
    stand.caught_up("orders")
    query = (
        "SELECT shipment_id, is_open, due_at, tier FROM shipbob_tracking"
        " WHERE client_id = %s AND shipment_id = ANY(%s) AND delivered_at IS NOT NULL"
    )
    assert sorted(stand.ask(query, list(met))) == sorted((each, False, None, None) for each in met)
    stand.control.change(merchant=MERCHANT, update=60)
    stand.time_passes(MINUTE)
    stand.caught_up("orders")
    assert sorted(stand.ask(query, list(met))) == sorted((each, False, None, None) for each in met)


def test_a_cancelled_shipment_is_not_asked_for(stand):
    """Its tracking is closed; it was never delivered."""
    stand.caught_up("orders")
    met = stand.control.change(merchant=MERCHANT, cancel=2).by["cancel"]
    stand.time_passes(MINUTE)
    stand.caught_up("orders")
    found = stand.ask(
        "SELECT is_open, due_at, delivered_at FROM shipbob_tracking WHERE client_id = %s AND shipment_id = ANY(%s)",
        list(met),
    )
    assert found == [(False, None, None)] * 2


def test_orders_that_come_up_late_are_found(stand):
    """Ten minutes late by the next poll, which looks back; two hours late by the next complete listing."""
    stand.caught_up("orders")
    stand.control.change(merchant=MERCHANT, late_orders=2, late_by_s=600)
    stand.time_passes(MINUTE)
    assert stand.caught_up("orders").inserted == 2
    stand.control.change(merchant=MERCHANT, late_orders=2, late_by_s=7200)
    stand.time_passes(MINUTE)
    assert stand.caught_up("orders").inserted == 0
    stand.time_passes(HOUR)
    assert stand.caught_up("orders").inserted == 2
    assert stand.table("orders") == stand.truth("orders")


def test_a_vanished_order_is_deleted_after_its_point_read_with_all_that_hangs_below(stand):
    """The hourly listing lacks it, the vendor says 404, its shipments go too and are not tracked; all others stay."""
    stand.caught_up("orders")
    stand.control.clear_stats()
    removed = stand.control.change(merchant=MERCHANT, remove_orders=3).by["remove_orders"]
    stand.time_passes(MINUTE)
    assert stand.caught_up("orders").deleted == 0
    stand.time_passes(HOUR)
    assert stand.caught_up("orders").deleted == 3
    assert stand.table("orders") == stand.truth("orders")
    assert stand.control.stats().by_endpoint["order"] == 2 * 3
    shipments = stand.ask(
        "SELECT s.order_id, s.deleted_at IS NOT NULL, k.is_open, k.due_at IS NOT NULL FROM shipbob_shipments s"
        " JOIN shipbob_tracking k USING (client_id, shipment_id) WHERE client_id = %s"
    )
    for order_id, is_gone, is_open, is_due in shipments:
        assert is_gone == (order_id in removed)
        assert not (is_gone and (is_open or is_due))
    assert {row[0] for row in shipments} > set(removed)


def test_more_vanished_orders_than_the_brake_allows_stay(stand):
    """Twenty-one of a small account: nothing is removed, and the run says why."""
    stand.caught_up("orders")
    stand.control.change(merchant=MERCHANT, remove_orders=21)
    stand.time_passes(HOUR)
    reports = stand.run("orders")
    assert sum(report.counts.deleted for report in reports) == 0
    assert any("delete brake" in report.detail for report in reports)
    assert len(stand.table("orders")) == len(stand.truth("orders")) + 21


def test_orders_older_than_the_listing_reaches_are_left_alone(database, control):
    """A listing of ten days says nothing about what lies before: it is neither removed nor asked for."""
    with standing(database, control, reconcile_reach="P10D", page_size=250) as stand:
        stand.caught_up("orders")
        ten_days_ago, before = stand.now() - timedelta(days=10), stand.truth("orders")
        gone = stand.control.change(merchant=MERCHANT, remove_orders=15).by["remove_orders"]
        removed = {each: instant(before[each]["created_date"]) < ten_days_ago for each in gone}
        assert set(removed.values()) == {True, False}
        stand.time_passes(HOUR)
        stand.caught_up("orders")
        kept = {number for number, is_old in removed.items() if is_old}
        assert set(stand.table("orders")) == set(stand.truth("orders")) | kept


def test_a_full_read_reaches_back_as_far_as_the_history(database, control):
    """Rows that got lost before the reach of the listing come back when somebody asks for everything."""
    with standing(database, control, reconcile_reach="P2D") as stand:
        stand.caught_up("orders")
        stand.rows.execute("DELETE FROM shipbob_orders WHERE client_id = %s", [stand.client_id])
        stand.time_passes(HOUR)
        stand.caught_up("orders")
        assert set(stand.table("orders")) < set(stand.truth("orders"))
        stand.caught_up("orders", "manual", full_since=stand.now())
        assert stand.table("orders") == stand.truth("orders")


@pytest.mark.parametrize("stream", TABLES)
def test_a_token_that_lacks_the_scope_fails_or_removes_nothing(database, control, stream):
    """403 is a person's business. An empty list of an account that had rows is no proof that they are gone."""
    control.create_world(
        **WORLD, history_days=30, options={"rate_limit": None, "lacking_scope": "empty"}
    )
    control.hold_clock()
    with standing(database, control) as stand:
        stand.caught_up(stream)
        stand.rows.execute(  # few enough for the brake to let them go
            f"UPDATE {TABLES[stream][0]} SET deleted_at = now() WHERE ctid IN"
            f" (SELECT ctid FROM {TABLES[stream][0]} WHERE client_id = %s OFFSET 10)",
            [stand.client_id],
        )
        before = set(stand.table(stream))
        stand.token = "parent-token"
        stand.time_passes(2 * HOUR)
        assert stand.caught_up(stream).deleted == 0
        assert set(stand.table(stream)) == before != set()
        control.create_world(**WORLD, history_days=30, options={"rate_limit": None})
        stand.time_passes(2 * HOUR)
        failed = stand.run(stream)[-1]
        assert failed.outcome is Outcome.RUN_FAILED
        assert "403" in failed.detail


def test_other_goods_are_found_as_they_change(stand):
    """A new product, a changed one, a new return and receiving order, and those completed meanwhile."""
    for stream in ("products", "returns", "receiving_orders"):
        stand.caught_up(stream)
    stand.control.change(
        merchant=MERCHANT, products=2, update_products=2, returns=2, receivings=2, orders=1
    )
    stand.time_passes(20 * MINUTE)
    for stream in ("products", "returns", "receiving_orders"):
        counts = stand.caught_up(stream)
        assert counts.inserted == 2
        assert counts.read < len(stand.truth(stream))
    stand.time_passes(timedelta(days=6))
    for stream in ("products", "returns", "receiving_orders"):
        stand.caught_up(stream)
        assert stand.table(stream) == stand.truth(stream)
