"""Attribution of charges, rule by rule: what it must find, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from local.postgres import Database, Postgres
from sluice.sources.shipbob import attribution
from tests.shipbob_ledger import (
    MERCHANTS,
    PARENT,
    Connection,
    attribute,
    attributed,
    charge,
    derived,
    ledger,
    own_database,
    standing,
    store,
    store_charges,
    store_references,
)

EVERY_TYPE = {
    "Shipment", "FC", "Return", "WRO", "URO", "Default", "Ticket Number", "TicketNumber", "LPN Reference",
    "Transfer Plan",
}  # fmt: skip


@pytest.fixture(scope="module")
def ledgers(postgres_server: Postgres, migrated: Database) -> Iterator[Database]:
    with own_database(postgres_server, migrated) as database:
        yield database


@pytest.fixture
def rows(ledgers: Database) -> Iterator[Connection]:
    """The owner's connection to empty tables."""
    with psycopg.connect(ledgers.owner_url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE shipbob_transactions, shipbob_shipments, shipbob_inventory_items, shipbob_returns,"
            " shipbob_receiving_orders, shipbob_orders"
        )
        yield connection


def test_a_known_client_survives_that_its_reference_is_gone(rows: Connection) -> None:
    """Neither a pass nor another reading of the charge makes a known client unknown, full or not."""
    store_references(rows, [("shipments", "acme", "1", None)])
    store(rows, charge())
    attribute(rows)
    rows.execute("DELETE FROM shipbob_shipments")
    store(rows, charge(invoiced_status=True, invoice_id=7), seq=2)
    assert attribute(rows)["written"] == 0
    assert attribute(rows, again=True)["written"] == 0
    assert standing(rows) == ("acme", "shipment", None)


def test_a_known_client_is_not_overwritten_but_where_all_are_attributed_again(
    rows: Connection,
) -> None:
    """Its reference is another's now: that counts when a person asks for a full read, and is told."""
    store_references(rows, [("shipments", "acme", "1", None)])
    store(rows, charge())
    attribute(rows)
    rows.execute("UPDATE shipbob_shipments SET client_id = 'niva'")
    assert attribute(rows)["looked_at"] == 0
    assert standing(rows)[0] == "acme"
    told = attribute(rows, again=True)
    assert (told["corrected"], told["attributed"], told["written"]) == (1, 0, 1)
    assert standing(rows) == ("niva", "shipment", None)


def test_what_a_person_decided_is_not_looked_at(rows: Connection) -> None:
    """``hand`` stands, also where all are attributed again."""
    store_references(rows, [("shipments", "acme", "1", None)])
    store(rows, charge())
    rows.execute(
        "UPDATE shipbob_transactions SET merchant_client_id = 'niva', attributed_by = 'hand'"
    )
    assert attribute(rows, again=True)["looked_at"] == 0
    assert standing(rows)[0] == "niva"


def test_an_id_at_two_clients_is_nobodys_until_one_is_left(rows: Connection) -> None:
    """Money is not guessed; the reason says so, and the next pass tries again."""
    store_references(rows, [("shipments", "acme", "1", None), ("shipments", "niva", "1", None)])
    store(rows, charge())
    assert attribute(rows)["because_ambiguous"] == 1
    assert standing(rows) == (None, None, "ambiguous")
    assert attribute(rows, again=True)["written"] == 0
    rows.execute("DELETE FROM shipbob_shipments WHERE client_id = 'acme'")
    attribute(rows)
    assert standing(rows) == ("niva", "shipment", None)


def test_other_parents_merchants_are_not_looked_at(rows: Connection) -> None:
    """An id of somebody whom these settings do not name is unknown, and makes nothing ambiguous."""
    store_references(rows, [("shipments", "stranger", "1", None)])
    store(rows, charge())
    attribute(rows)
    assert standing(rows) == (None, None, "unknown_shipment")
    store_references(rows, [("shipments", "acme", "1", None)])
    attribute(rows)
    assert standing(rows) == ("acme", "shipment", None)


def test_other_parents_charges_are_left_alone(rows: Connection) -> None:
    """A pass is of one parent."""
    store_references(rows, [("shipments", "acme", "1", None)])
    store(rows, charge())
    rows.execute("UPDATE shipbob_transactions SET client_id = 'another'")
    assert attribute(rows)["looked_at"] == 0


def test_an_invoice_says_nothing(rows: Connection) -> None:
    """A charge on the very invoice of a known one stays unknown."""
    store_references(rows, [("shipments", "acme", "1", None)])
    store(
        rows,
        charge(invoice_id=7, invoiced_status=True),
        charge(transaction_id="T2", reference_id="2", invoice_id=7, invoiced_status=True),
    )
    attribute(rows)
    assert standing(rows, "T2") == (None, None, "unknown_shipment")


def test_charges_that_are_gone_are_not_attributed(rows: Connection) -> None:
    """Nor counted among those that nobody is known for."""
    store_references(rows, [("shipments", "acme", "1", None)])
    store(rows, charge())
    rows.execute("UPDATE shipbob_transactions SET deleted_at = now()")
    assert attribute(rows)["looked_at"] == 0
    assert rows.execute("SELECT count(*) FROM sluice.shipbob_unattributed").fetchone() == (0,)


@pytest.mark.parametrize(
    ("comment", "client"),
    [
        ("Ticket of Acme: damaged", "acme"),
        ("Ticket of Acme Pets: damaged", "acme-pets"),
        ("ticket of ACME-PETS", "acme-pets"),
        ("Acmepets and Acmes", None),
        ("Acme told us that Acme Pets pays", None),
        ("für НИВА & SÖHNE.", "niva"),
        ("Acme", "acme"),
    ],
)
def test_the_longest_name_at_word_boundaries_counts(
    rows: Connection, comment: str, client: str | None
) -> None:
    """Names begin one another. Two clients named side by side are ambiguous."""
    details = {"additional_details": {"comment": comment}}
    store(rows, charge(reference_type="Ticket Number", **details))
    attribute(rows)
    assert standing(rows)[0] == client


@pytest.mark.parametrize(
    "comment",
    [
        "Came back, order 10000007", "order #10000007", "see #1007", "order no. 1007", "Order: 1007",
        "came back: 10000007",
    ],
)  # fmt: skip
def test_a_return_is_found_by_the_order_in_its_comment(rows: Connection, comment: str) -> None:
    """By its id or its number, with or without the number's own sign."""
    store_references(rows, [("orders", "acme", "10000007", "#1007")])
    details = {"additional_details": {"Comment": comment}}
    store(rows, charge(reference_type="Return", reference_id="5", **details))
    attribute(rows)
    assert standing(rows) == ("acme", "order", None)


@pytest.mark.parametrize(
    "comment", ["2 parts of 1007 came back", "in order of 1007", "disorder 1007"]
)
def test_a_number_that_is_no_order_finds_none(rows: Connection, comment: str) -> None:
    """Short numbers stand for much: alone they name no order."""
    store_references(rows, [("orders", "acme", "10000007", "1007"), ("orders", "niva", "2", "2")])
    details = {"additional_details": {"Comment": comment}}
    store(rows, charge(reference_type="Return", reference_id="5", **details))
    attribute(rows)
    assert standing(rows) == (None, None, "unknown_return")


def test_the_list_of_the_unattributed_says_why(rows: Connection) -> None:
    """Not tried yet, or the reason."""
    store(rows, charge())
    reasons = (
        "SELECT transaction_id, reason, age < interval '1 minute' FROM sluice.shipbob_unattributed"
    )
    assert rows.execute(reasons).fetchall() == [("T1", "not_tried", True)]
    attribute(rows)
    assert rows.execute(reasons).fetchall() == [("T1", "unknown_shipment", True)]


def test_the_application_may_attribute(rows: Connection, ledgers: Database) -> None:
    """Its role has every right that the statement needs, may read the list, and may not delete."""
    store_references(rows, [("shipments", "acme", "1", None)])
    with psycopg.connect(ledgers.app_url, autocommit=True) as application:
        store(application, charge(), charge(transaction_id="T2", reference_id="2"))
        assert attribute(application)["attributed"] == 1
        left = application.execute("SELECT transaction_id FROM sluice.shipbob_unattributed")
        assert left.fetchall() == [("T2",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("DELETE FROM shipbob_transactions")


def test_a_pass_is_bounded_and_the_next_one_goes_on(
    rows: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest first; what is attributed makes room for the rest."""
    monkeypatch.setattr(attribution, "MOST", 2)
    store_references(rows, [("shipments", "acme", "1", None)])
    store(rows, *(charge(transaction_id=f"T{number}") for number in range(5)))
    assert [attribute(rows)["attributed"] for _ in range(4)] == [2, 2, 1, 0]


def test_attributing_again_is_of_some_days(rows: Connection) -> None:
    """From the first midnight up to the second."""
    store_references(rows, [("shipments", "acme", "1", None)])
    days = ("2026-01-04", "2026-01-05", "2026-01-06", "2026-01-07")
    store(rows, *(charge(transaction_id=day, charge_date=day) for day in days))
    since, until = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 7, tzinfo=UTC)
    derived(rows, attribution.attribute_again(MERCHANTS, {}, since, until))
    found = {day for day, (client, _) in attributed(rows).items() if client}
    assert found == {"2026-01-05", "2026-01-06"}


def test_a_pass_with_little_left_reads_by_the_partial_index(rows: Connection) -> None:
    """Of many charges, few of them open, only those are read: the plan has the index and no scan of the table."""
    book = ledger(orders=300, transactions=6000)
    store_references(rows, book.references)
    store_charges(rows, book.charges, seq=1)
    attribute(rows)
    rows.execute("VACUUM ANALYZE")
    step = attribution.attribute(MERCHANTS, {})
    parameters = {**step.parameters, "client_id": PARENT}
    explained = rows.execute("EXPLAIN " + step.derivation.sql, parameters).fetchall()
    plan = "\n".join(row[0] for row in explained)
    assert "shipbob_transactions_unattributed" in plan
    assert "Seq Scan on shipbob_transactions" not in plan
