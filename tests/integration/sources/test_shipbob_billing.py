"""A parent's charges and invoices through the engine, Postgres and the simulated vendor: what is read is the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from local.postgres import Database, Postgres
from local.vendors.loopback.clock import VendorClock
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.faults import FaultKind
from local.vendors.shipbob.models import THREE
from local.vendors.shipbob.server import vendor_in_thread
from sluice.core.slices import Outcome
from sluice.sources.connections import VendorConnections
from tests.integration.sources.shipbob_orders_stand import Stand, standing
from tests.shipbob_ledger import (
    HOUSE,
    LOOKUPS,
    own_database,
    reference_of,
    store_references,
    truth_of,
)
from tests.unit.sources.shipbob.billing_vendor import Billing, Document, charge

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WORLD = {"orders": 260, "products": 40, "returns": 30, "receivings": 20, "transactions": 900}
BILLING = {
    "merchants": {each.key: {"names": [each.called]} for each in THREE},
    "internal": HOUSE,
}


LATER = datetime(2036, 5, 14, 9, 30, tzinfo=UTC)
"""The vendor's day, and ours: the same on every day, since whom a fault hits depends on the dates asked for."""


@pytest.fixture
def base_url() -> Iterator[str]:
    with vendor_in_thread(VendorClock(LATER.timestamp)) as url:
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
    more = {"billing": BILLING, "billing_page_size": 40, "slice_rows": 300}
    with standing(database, control, token="parent-token", **more) as made:
        yield made


def charges(stand: Stand) -> dict[str, Any]:
    """The documents of the live charges, by id."""
    found = stand.ask(
        "SELECT transaction_id, document FROM shipbob_transactions WHERE client_id = %s AND deleted_at IS NULL"
    )
    return dict(found)


def clients(stand: Stand) -> dict[str, tuple[str | None, str | None]]:
    """By charge its client and the rule that found it."""
    found = stand.ask(
        "SELECT transaction_id, merchant_client_id, attributed_by FROM shipbob_transactions WHERE client_id = %s"
    )
    return {row[0]: (row[1], row[2]) for row in found}


def true_clients(stand: Stand) -> dict[str, tuple[str | None, str | None]]:
    return {line["id"]: truth_of(line) for line in stand.control.truth("transactions")}


def references_arrive(stand: Stand, *kinds: str) -> None:
    """What the merchants' own streams would store."""
    for kind in kinds or LOOKUPS:
        store_references(
            stand.rows, [reference_of(kind, each) for each in stand.control.truth(kind)]
        )


def kinds_of(stand: Stand, since_seq: int = 0) -> list[str]:
    """The steps of the transactions stream's slices."""
    found = stand.ask(
        "SELECT c.kind FROM sluice.commit_log c JOIN sluice.sync_commit s USING (stream_key)"
        " WHERE s.client_id = %s AND c.seq > %s ORDER BY c.seq",
        since_seq,
    )
    return [row[0] for row in found]


def test_a_first_load_is_the_ledger_with_every_charge_attributed(stand: Stand) -> None:
    """Every charge with its document and its client; read again, none of them is written."""
    references_arrive(stand)
    counts = stand.caught_up("transactions")
    assert charges(stand) == stand.truth("transactions", None)
    assert clients(stand) == true_clients(stand)
    assert counts.inserted == WORLD["transactions"]
    assert (counts.updated, counts.stale, counts.rejected, counts.deleted) == (0, 0, 0, 0)
    assert "attribute" in kinds_of(stand)
    stand.time_passes(25 * HOUR)
    again = stand.caught_up("transactions")
    assert again.read > WORLD["transactions"]
    assert (again.inserted, again.updated, again.deleted) == (0, 0, 0)
    assert clients(stand) == true_clients(stand)
    assert {"charges", "recent", "again"} <= set(kinds_of(stand))


def test_amounts_are_the_numbers_that_were_written(stand: Stand) -> None:
    """To the last cent, and the sum of all, as only exact decimals add up."""
    stand.caught_up("transactions")
    truth = stand.truth("transactions", None)
    found = stand.ask(
        "SELECT transaction_id, amount, tax_amount FROM shipbob_transactions WHERE client_id = %s"
    )
    for number, amount, tax in found:
        assert amount == Decimal(str(truth[number]["amount"]))
        told = [Decimal(str(each["tax_amount"])) for each in truth[number]["taxes"]]
        assert tax == (sum(told) if told else None)
    assert sum(row[1] for row in found) == sum(
        Decimal(str(each["amount"])) for each in truth.values()
    )


def test_new_and_late_charges_come_with_the_next_read(stand: Stand) -> None:
    """A late one is dated before what was read already."""
    stand.caught_up("transactions")
    stand.time_passes(HOUR)
    made = stand.control.change(charges=7, late_charges=5, late_by_s=20 * 3600.0).by
    stand.time_passes(timedelta(minutes=5))
    stand.caught_up("transactions")
    found = charges(stand)
    assert len(made["charges"]) == 7
    assert {*made["charges"], *made["late_charges"]} <= found.keys()
    assert found == stand.truth("transactions", None)


def test_a_charge_that_is_invoiced_changes_and_keeps_its_client(stand: Stand) -> None:
    """Weeks later, too: what was read before is read again every day."""
    references_arrive(stand)
    stand.caught_up("transactions")
    stand.control.change(invoice=True)
    stand.time_passes(25 * HOUR)
    counts = stand.caught_up("transactions")
    assert counts.updated > 0
    assert charges(stand) == stand.truth("transactions", None)
    assert all(row["invoiced_status"] for row in charges(stand).values())
    assert clients(stand) == true_clients(stand)


def test_what_has_no_client_gets_one_when_its_reference_arrives(stand: Stand) -> None:
    """Within minutes, whichever comes first; the list of the others says why."""
    stand.caught_up("transactions")
    found = clients(stand)
    assert {rule for _, rule in found.values()} == {"internal", "name", None}
    reasons = {
        row[0]
        for row in stand.ask("SELECT reason FROM sluice.shipbob_unattributed WHERE client_id = %s")
    }
    assert {"unknown_shipment", "unknown_inventory", "nobody_named", "no_rule"} <= reasons
    for kind in LOOKUPS:
        references_arrive(stand, kind)
        stand.time_passes(timedelta(minutes=6))
        stand.caught_up("transactions")
    assert clients(stand) == true_clients(stand)


def test_a_charge_of_an_order_held_back_is_attributed_once_it_is_read(stand: Stand) -> None:
    """Billed before the order can be read."""
    references_arrive(stand)
    held = stand.control.change(held_back=4).by
    stand.caught_up("transactions")
    unknown = {key for key, (client, rule) in clients(stand).items() if client is None}
    missing = {key for key, value in true_clients(stand).items() if value[0] is not None} & unknown
    assert missing, held
    before = {line["id"] for line in stand.control.truth("shipments")}
    stand.control.change(reveal=True)
    fresh = [line for line in stand.control.truth("shipments") if line["id"] not in before]
    store_references(stand.rows, [reference_of("shipments", line) for line in fresh])
    stand.time_passes(timedelta(minutes=6))
    stand.caught_up("transactions")
    assert clients(stand) == true_clients(stand)


# --- removal, with a vendor in memory, whose charges can vanish ------------------------------------------


@pytest.fixture
def vanishing(stand: Stand) -> Iterator[tuple[Stand, Billing]]:
    """The same parent before another vendor: 120 charges of the last two days, and older ones."""
    vendor = Billing(stand.now)

    def dated(number: int, days_ago: int) -> Document:
        return charge(number, charge_date=(stand.now() - days_ago * DAY).date().isoformat())

    vendor.charges = [dated(n, 1 + n % 2) for n in range(120)] + [
        dated(n, 20) for n in range(500, 520)
    ]
    connections = VendorConnections(
        sleep=lambda _: None, clock=stand.now, make_transport=vendor.transport
    )
    settings = {**stand.settings, "base_url": "https://api.shipbob.com"}
    yield replace(stand, settings=settings, connections=connections), vendor
    connections.close()


def removed(stand: Stand) -> set[str]:
    found = stand.ask(
        "SELECT transaction_id FROM shipbob_transactions WHERE client_id = %s AND deleted_at IS NOT NULL"
    )
    return {row[0] for row in found}


def test_a_charge_that_vanished_is_removed_within_the_hour(
    vanishing: tuple[Stand, Billing],
) -> None:
    """A recent one, after a complete listing and a look for it by name. An older one stays: nobody listed its
    days to find removals. What comes back is alive again, and has its client still."""
    stand, vendor = vanishing
    store_references(stand.rows, [("shipments", "acme", "7", None)])
    stand.caught_up("transactions")
    recent, old = vendor.charges.pop(7), vendor.charges.pop(-1)
    stand.time_passes(HOUR)
    assert stand.caught_up("transactions").deleted == 1
    assert removed(stand) == {recent["transaction_id"]}
    assert old["transaction_id"] in charges(stand)
    vendor.charges.append(recent)
    stand.time_passes(HOUR)
    stand.caught_up("transactions")
    assert removed(stand) == set()
    assert clients(stand)[recent["transaction_id"]] == ("acme", "shipment")


def test_charges_that_a_listing_lacked_and_the_vendor_still_has_stay(
    vanishing: tuple[Stand, Billing],
) -> None:
    """A complete listing may have been cut: each is looked for by its reference."""
    stand, vendor = vanishing
    stand.caught_up("transactions")
    held = vendor.charges[:10]

    def spoil(asked: Document, _before: int) -> httpx.Response | None:
        if "reference_ids" in asked:
            return None
        cut = replace(vendor, charges=[each for each in vendor.charges if each not in held])
        return cut.right(":query", asked)

    vendor.spoil = spoil
    stand.time_passes(HOUR)
    assert stand.caught_up("transactions").deleted == 0
    assert len(charges(stand)) == 140


def test_a_parent_whose_billing_is_empty_of_a_sudden_loses_nothing(
    vanishing: tuple[Stand, Billing],
) -> None:
    """A token that may not see billing any more may get empty lists."""
    stand, vendor = vanishing
    stand.caught_up("transactions")
    vendor.charges.clear()
    stand.time_passes(HOUR)
    stand.caught_up("transactions")
    assert removed(stand) == set()


def test_many_charges_gone_at_once_trip_the_brake(vanishing: tuple[Stand, Billing]) -> None:
    """More than 20 of the days listed: nothing is removed, and the run says so."""
    stand, vendor = vanishing
    stand.caught_up("transactions")
    del vendor.charges[:30]
    stand.time_passes(HOUR)
    reports = stand.run("transactions")
    assert removed(stand) == set()
    assert any("brake" in report.detail for report in reports)


# --- faults ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(postgres_server: Postgres, migrated: Database) -> Iterator[Database]:
    with own_database(postgres_server, migrated) as database:
        yield database


@pytest.fixture
def faulty(shared: Database, control: ShipBobControl) -> Iterator[Stand]:
    """A parent with a small ledger in small pages, in a database that several tests share."""
    control.create_world(orders=60, transactions=240, history_days=20, options={"rate_limit": None})
    control.hold_clock()
    more = {"billing": BILLING, "billing_page_size": 15, "slice_rows": 100, "history": "P20D"}
    with standing(shared, control, token="parent-token", **more) as made:
        yield made


def equals_truth(stand: Stand, stream: str) -> bool:
    table, key = f"shipbob_{stream}", f"{stream.removesuffix('s')}_id"
    found = stand.ask(f"SELECT {key}, document, deleted_at FROM {table} WHERE client_id = %s")
    assert all(row[2] is None for row in found)
    return {row[0]: row[1] for row in found} == stand.truth(stream, None)


OTHERS = {"lost_push", "doubled_push", "late_push", "poison_rows", "unauthorized", "forbidden"}
FAULTS = [(kind.value, "transactions") for kind in FaultKind if kind not in OTHERS | {"slow"}]
# Invoices are read by the same code: of them those faults only that depend on what the pages are.
FAULTS += [(kind, "invoices") for kind in ("missing_rows", "repeated_page", "cursor_loop")]


@pytest.mark.parametrize(("kind", "stream"), FAULTS)
def test_a_fault_in_a_fifth_of_the_answers_loses_nothing(
    faulty: Stand, stream: str, kind: str
) -> None:
    """The table equals the truth, or the run failed and says so; and once the vendor is well it is equal."""
    some: dict[str, Any] = {"probability": 0.2, "seed": 3}
    if stream == "invoices":  # of few pages: two answers of theirs
        faulty.settings = {**faulty.settings, "billing_page_size": 4}
        some = {"skip": 1, "limit": 2}
    faulty.control.set_fault(kind, endpoints=[stream], **some)
    reports = faulty.run(stream)
    served = sum(faulty.control.stats().faults.values())
    faulty.control.clear_faults()
    assert served > 0
    assert equals_truth(faulty, stream) or reports[-1].outcome is Outcome.RUN_FAILED
    faulty.time_passes(25 * HOUR)
    faulty.caught_up(stream)
    assert equals_truth(faulty, stream)


@pytest.mark.parametrize("seed", [1, 8, 13])
def test_no_charge_is_removed_by_a_vendor_that_contradicts_itself(faulty: Stand, seed: int) -> None:
    """Two fifths of its pages come empty, some twice in a row: both listings may lack a charge then."""
    faulty.control.set_fault("empty_page", endpoints=["transactions"], probability=0.4, seed=seed)
    for _ in range(3):
        faulty.run("transactions")
        faulty.time_passes(25 * HOUR)
    faulty.control.clear_faults()
    assert removed(faulty) == set()
    faulty.caught_up("transactions")
    assert equals_truth(faulty, "transactions")


def test_rows_that_cannot_be_kept_are_set_aside_and_the_rest_loads(faulty: Stand) -> None:
    """They lie among the rejects, and load once the vendor mends them."""
    faulty.control.set_fault("poison_rows", probability=0.1, seed=3, endpoints=["transactions"])
    counts = faulty.caught_up("transactions")
    assert counts.rejected > 0
    assert 0 < len(charges(faulty)) < 240
    assert charges(faulty).items() <= faulty.truth("transactions", None).items()
    faulty.control.clear_faults()
    faulty.time_passes(25 * HOUR)
    faulty.caught_up("transactions")
    assert equals_truth(faulty, "transactions")
    open_rejects = "SELECT 1 FROM sluice.rejects WHERE client_id = %s AND resolved_at IS NULL AND record_id IS NOT NULL"
    assert faulty.ask(open_rejects) == []
