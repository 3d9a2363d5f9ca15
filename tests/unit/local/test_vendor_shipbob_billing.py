"""Billing of the simulated ShipBob: charges by cursor, invoices, and whose each charge is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.local.shipbob_account import (
    KEYS,
    LONG_AGO,
    UNLIMITED,
    Vendor,
    standing_vendor,
    truth_ids,
)

DAY_S = 24 * 3600.0


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with standing_vendor() as vendor:
        yield vendor


def test_a_child_may_be_given_its_own_billing(vendor):
    """Its own charges and no invoices, since those mix all merchants."""
    vendor.create_world(options={**UNLIMITED, "child_billing": True})
    wanted = {"from_date": LONG_AGO, "page_size": 1000}
    found = vendor.ask("/transactions:query", "acme", method="POST", json=wanted).json()["items"]
    own = {line["id"] for line in vendor.truth("transactions", "acme")}
    assert {each["transaction_id"] for each in found} == own != set()
    assert vendor.ask("/invoices", "acme").json()["items"] == []


def test_transactions_come_by_cursor_and_a_cursor_ignores_the_body(vendor):
    """Size, order and filters travel in the cursor."""
    charges = vendor.query(from_date=LONG_AGO, page_size=70, transaction_fees=["Shipping"])
    assert len(charges["items"]) == 70
    ignored = {"page_size": 3, "transaction_fees": ["Payment"], "sort_order": "Ascending"}
    second = vendor.query(charges["next"], **ignored)
    assert len(second["items"]) == 70
    assert {each["transaction_fee"] for each in second["items"]} == {"Shipping"}
    seen = {each["transaction_id"] for each in charges["items"] + second["items"]}
    assert len(seen) == 140
    assert vendor.query(second["prev"])["items"] == charges["items"]
    assert vendor.query(second["first"])["items"] == charges["items"]
    assert vendor.query(charges["last"])["next"] is None


def test_all_transactions_are_the_ledger(vendor):
    """Each once, newest first by default, oldest first where asked."""
    found = vendor.all_transactions()
    assert {each["transaction_id"] for each in found} == truth_ids(vendor, "transactions")
    assert len(found) == 600
    ascending = vendor.all_transactions(sort_order="Ascending")
    assert ascending == found[::-1]
    assert len(vendor.query()["items"]) <= 100


def test_without_a_date_the_last_seven_days_are_told(vendor):
    """By day: a charge lies at its day's midnight, so a window from noon misses today's."""
    dates = {each["charge_date"] for each in vendor.query(page_size=1000)["items"]}
    assert min(dates) == "2027-01-09"
    vendor.change(charges=3)
    assert [
        each["charge_date"] for each in vendor.query(from_date="2027-01-15T00:00:00Z")["items"]
    ].count("2027-01-15") >= 3
    assert vendor.query(from_date="2027-01-15T00:00:01Z")["items"] == []


def test_charges_may_be_dated_by_the_moment(vendor):
    """The other reading of the contract."""
    vendor.create_world(options={**UNLIMITED, "charge_dates": "moment"})
    vendor.change(charges=3)
    found = vendor.query(from_date="2027-01-15T07:59:59Z")["items"]
    assert [each["charge_date"] for each in found] == ["2027-01-15T08:00:00.000Z"] * 3


@pytest.mark.parametrize(
    "body",
    [{"page_size": 0}, {"page_size": 1001}, {"page_size": "9"}, {"colour": 1}, {"sort_order": "up"},
     {"from_date": "x"}],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(vendor, body):
    """400, also for a cursor that is none."""
    answer = vendor.ask("/transactions:query", "parent", method="POST", json=body)
    assert answer.status_code == 400


def test_a_cursor_that_is_none_is_refused(vendor):
    """Nonsense, one that was changed on the way, and a sound one of another address."""
    cursor = vendor.query(from_date=LONG_AGO, page_size=10)["next"]
    other = vendor.ask("/invoices", "parent", FromDate=LONG_AGO, PageSize=1).json()["next"]
    for wrong in ("e30=", "%%", "é", cursor[:-4], cursor[:20] + "AAAA" + cursor[24:], other):
        answer = vendor.ask("/transactions:query", "parent", method="POST", json={}, Cursor=wrong)
        assert answer.status_code == 400, wrong
    assert vendor.query(cursor)["items"]


def test_transactions_can_be_narrowed(vendor):
    """Each filter alone."""
    every = vendor.all_transactions()
    for name, field in (
        ("reference_types", "reference_type"),
        ("transaction_types", "transaction_type"),
        ("transaction_fees", "transaction_fee"),
        ("reference_ids", "reference_id"),
    ):
        value = every[5][field]
        expected = [each for each in every if each[field] == value]
        assert vendor.all_transactions(**{name: [value]}) == expected
    for told in (True, False):
        expected = [each for each in every if each["invoiced_status"] is told]
        assert vendor.all_transactions(invoiced_status=told) == expected != []


def test_an_invoice_mixes_all_merchants_and_leaves_charges_out(vendor):
    """Its own address tells fewer than the query does; never attribute by invoice."""
    vendor.create_world(transactions=3000, options=UNLIMITED)
    owner = {line["id"]: line["merchant"] for line in vendor.truth("transactions")}
    found = vendor.ask("/invoices", "parent", InvoiceTypes="Shipping").json()["items"]
    number = max(found, key=lambda invoice: invoice["amount"])["invoice_id"]
    whole = vendor.all_transactions(invoice_ids=[str(number)])
    path = f"/invoices/{number}/transactions"
    told = vendor.ask(path, "parent", PageSize=1000).json()["items"]
    assert {each["transaction_id"] for each in told} < {each["transaction_id"] for each in whole}
    assert {owner[each["transaction_id"]] for each in whole} >= set(KEYS)


def test_invoices_default_to_a_month_and_come_by_cursor(vendor):
    """Older ones must be asked for."""
    recent = vendor.ask("/invoices", "parent", PageSize=1000).json()["items"]
    assert min(each["invoice_date"] for each in recent) >= "2026-12-16"
    page = vendor.ask("/invoices", "parent", FromDate=LONG_AGO, PageSize=20).json()
    listed = page["items"]
    while page["next"]:
        page = vendor.ask("/invoices", "parent", Cursor=page["next"], PageSize=1).json()
        listed += page["items"]
    assert {each["invoice_id"] for each in listed} == truth_ids(vendor, "invoices")


def test_billing_knows_an_order_before_it_can_be_read(vendor):
    """Its charge refers to a shipment that is absent, until it is revealed."""
    (order,) = vendor.change(merchant="niva", held_back=1).by["held_back"]
    charge = next(each for each in vendor.query()["items"] if each["charge_date"] == "2027-01-15")
    path = f"/shipment/{charge['reference_id']}"
    assert vendor.ask(path, "niva").status_code == 404
    assert vendor.change(reveal=True).by == {"reveal": (order,)}
    assert vendor.ask(path, "niva").json()["order_id"] == int(order)


def test_a_shipment_is_not_charged_for_before_it_is(vendor):
    """Its day or later."""
    made = {
        str(line["id"]): line["record"]["created_date"][:10] for line in vendor.truth("shipments")
    }
    for line in vendor.truth("transactions"):
        row = line["record"]
        if row["reference_type"] == "Shipment":
            assert row["charge_date"] >= made[row["reference_id"]]


def test_late_charges_are_dated_back(vendor):
    """And lie among older ones."""
    (made,) = vendor.change(late_charges=1, late_by_s=3 * DAY_S).by["late_charges"]
    found = [
        each for each in vendor.query(page_size=1000)["items"] if each["transaction_id"] == made
    ]
    assert [each["charge_date"] for each in found] == ["2027-01-12"]


def test_charges_come_onto_invoices_later(vendor):
    """A charge's row changes: null until it is invoiced."""
    vendor.change(charges=4)
    open_ones = vendor.all_transactions(invoiced_status=False)
    assert {each["invoice_id"] for each in open_ones} == {None}
    made = vendor.change(invoice=True).by["invoice"]
    closed = {each["transaction_id"]: each for each in vendor.all_transactions()}
    numbers = {str(closed[each["transaction_id"]]["invoice_id"]) for each in open_ones}
    assert numbers == set(made)
    assert vendor.all_transactions(invoiced_status=False) == []


def test_invoices_add_up(vendor):
    """An invoice is the sum of its charges with their tax, and the balance runs."""
    lines = [line["record"] for line in vendor.truth("transactions")]
    balance = 0.0
    for invoice in (line["record"] for line in vendor.truth("invoices")):
        mine = [each for each in lines if each["invoice_id"] == invoice["invoice_id"]]
        taxes = sum(tax["tax_amount"] for each in mine for tax in each["taxes"]
                    if each["transaction_fee"] != "WRO Receiving Fee")  # fmt: skip
        assert invoice["amount"] == pytest.approx(sum(each["amount"] for each in mine) + taxes)
        balance += invoice["amount"]
        assert invoice["running_balance"] == pytest.approx(balance)


@pytest.mark.parametrize("with_tax", [True, False])
def test_receiving_fees_are_told_with_their_tax(vendor, with_tax):
    """Others never are."""
    options = {**UNLIMITED, "receiving_fees_with_tax": with_tax}
    vendor.create_world(transactions=4000, options=options)
    lines = [line["record"] for line in vendor.truth("transactions")]
    taxed = [each for each in lines if each["taxes"]]
    rates: dict[bool, set[int]] = {True: set(), False: set()}
    for each in (each for each in taxed if abs(each["amount"]) > 5):
        share = round(100 * each["taxes"][0]["tax_amount"] / each["amount"])
        rates[each["transaction_fee"] == "WRO Receiving Fee"].add(share)
    assert rates == {True: {9 if with_tax else 10}, False: {10}}


def test_a_shipment_may_be_charged_for_shipping_twice(vendor):
    """A reshipment with a label of its own, or a voided label charged again under the same one."""
    vendor.create_world(orders=3000, transactions=2500, options=UNLIMITED)
    labels: dict[str, list[str]] = {}
    for line in vendor.truth("transactions"):
        if line["record"]["transaction_fee"] == "Shipping":
            row = line["record"]
            labels.setdefault(row["reference_id"], []).append(
                row["additional_details"]["TrackingId"]
            )
    twice = [each for each in labels.values() if len(each) > 1]
    assert twice
    assert {len(set(each)) for each in twice} == {1, 2}


def attributed(vendor: Vendor) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Each charge with the client that the documented rules find, written anew from the contract."""
    shipments = {str(n["id"]): n["merchant"] for n in vendor.truth("shipments")}
    returned = {str(n["id"]): n["merchant"] for n in vendor.truth("returns")}
    received = {str(n["id"]): n["merchant"] for n in vendor.truth("receivings")}
    shelves = {str(n["id"]): n["merchant"] for n in vendor.truth("inventory")}
    orders = {}
    for line in vendor.truth("orders"):
        orders[str(line["id"])] = orders[line["record"]["order_number"]] = line["merchant"]
    names = sorted((("Acme", "acme"), ("Acme Pets", "acme-pets"), ("Нива & Söhne", "niva")),
                   key=lambda pair: -len(pair[0]))  # fmt: skip

    def found(row: dict[str, Any]) -> str | None:
        kind = (row["reference_type"] or "").replace(" ", "")
        details, number = row["additional_details"] or {}, row["reference_id"]
        comment = details.get("Comment", "")
        if kind in {"FC", "LPNReference"}:
            middle = re.match(r"\d+-(\d+)-", number)
            return shelves.get(details.get("InventoryId") or (middle[1] if middle else ""))
        if kind == "TicketNumber":
            return next((key for name, key in names if name in comment), None)
        if kind == "Return":
            ordered = re.search(r"#\d+|\d{9}", comment)
            return returned.get(number) or orders.get(ordered[0] if ordered else "")
        if kind == "Default" and row["transaction_type"] != "Credit":
            return "internal"
        return {**shipments, **returned, **received}.get(number)

    for line in vendor.truth("transactions"):
        yield line, found(line["record"])


def test_the_documented_rules_find_every_charges_client(vendor):
    """Of each reference type; what no rule finds is marked so, and nothing is found wrongly."""
    vendor.create_world(transactions=5000, options=UNLIMITED)
    rules: Counter[str] = Counter()
    kinds: set[str] = set()
    for line, key in attributed(vendor):
        expected = None if line["rule"] == "nothing" else line["merchant"]
        assert key == expected, line
        rules[line["rule"]] += 1
        kinds.add(line["record"]["reference_type"])
    assert set(rules) == {
        "shipment", "inventory", "return", "order", "receiving", "name", "internal", "nothing"
    }  # fmt: skip
    assert kinds == {
        "Shipment", "FC", "Return", "WRO", "URO", "Default", "Ticket Number", "TicketNumber",
        "LPN Reference", "Transfer Plan",
    }  # fmt: skip
