"""Attribution of charges: against the truth of a generated ledger, in one pass and in many, and rule by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.postgres import Database, Postgres
from local.vendors.shipbob.moments import chance
from sluice.sources.shipbob.attribution import Merchants
from sluice.sources.shipbob.settings import Billing
from tests import shipbob_rules
from tests.shipbob_ledger import (
    HOUSE,
    Connection,
    Reference,
    attribute,
    attributed,
    charge,
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


# --- a whole ledger -------------------------------------------------------------------------------------


def test_a_ledger_of_every_type_equals_the_truth_in_one_pass(rows: Connection) -> None:
    """Each charge has the client and the rule that the vendor knows; the others say why not."""
    book = ledger(orders=900, products=90, returns=120, receivings=60, transactions=4000)
    assert book.types == EVERY_TYPE
    store_references(rows, book.references)
    store_charges(rows, book.charges, seq=1)
    told = attribute(rows)
    assert attributed(rows) == book.truth
    rules = Counter(rule for client, rule in book.truth.values() if client)
    assert {rule: told[f"by_{rule}"] for rule in rules} == rules
    assert told["attributed"] == sum(rules.values())
    assert told["unattributed"] == len(book.truth) - sum(rules.values())
    assert told["unattributed"] == told["because_nobody_named"] + told["because_no_rule"]
    again = attribute(rows)
    assert (again["written"], again["unattributed"]) == (0, told["unattributed"])


def test_a_ledger_without_the_undocumented_types_equals_the_truth_too(rows: Connection) -> None:
    """Where the vendor tells no type at all, its payments and credits are found all the same."""
    options = {"undocumented_reference_types": False}
    book = ledger(orders=300, transactions=1200, options=options)
    assert "None" in book.types
    assert "Default" not in book.types
    store_references(rows, book.references)
    store_charges(rows, book.charges, seq=1)
    attribute(rows)
    assert attributed(rows) == book.truth


@pytest.mark.parametrize("seed", range(3))
def test_in_batches_of_any_order_it_comes_to_the_same(rows: Connection, seed: int) -> None:
    """References come before their charges or after them; a client once known stays, and is the true one."""
    book = ledger(orders=250, transactions=1000, returns=40, receivings=30)
    luck = chance("batches", seed)
    things: list[Any] = [*book.charges, *book.references]
    luck.shuffle(things)
    seq, known = 0, 0
    while things:
        batch, things = things[: (size := luck.randint(1, 400))], things[size:]
        seq += 1
        store_references(rows, [each for each in batch if isinstance(each, tuple)])
        store_charges(rows, [each for each in batch if not isinstance(each, tuple)], seq=seq)
        told = attribute(rows)
        found = {key: value for key, value in attributed(rows).items() if value[0] is not None}
        assert len(found) == known + told["attributed"]
        assert all(book.truth[key] == value for key, value in found.items())
        known = len(found)
    assert attributed(rows) == book.truth


# --- against the reference ------------------------------------------------------------------------------

NAMES = {"Acme": "a", "Acme Pets": "b", "Pets": "b", "Нива & Söhne": "b"}
SMALL = Merchants.of(
    Billing.model_validate(
        {
            "merchants": {
                "a": {"names": ["Acme"]},
                "b": {"names": ["Acme Pets", "Pets", "Нива & Söhne"]},
            },
            "internal": HOUSE,
        }
    )
)
TABLES = ("shipments", "inventory", "returns", "receivings", "orders")
IDS = st.sampled_from(["1", "2", "3", "10000001", "10000002"])
REFERENCES = st.lists(
    st.tuples(
        st.sampled_from(TABLES),
        st.sampled_from(["a", "b", "stranger"]),
        IDS,
        st.sampled_from([None, "1", "#1", "#2", "10000001"]),
    ),
    max_size=12,
    unique_by=lambda row: row[:3],
)
COMMENTS = st.one_of(
    st.none(),
    st.builds(
        "{} {}{}".format, st.sampled_from(["see", "order", "#"]), st.sampled_from(["", "#"]), IDS
    ),
    st.lists(
        st.sampled_from(["acme", "ACME", "pets", "нива", "&", "Söhne", "-", "acmes", ":", "x"]),
        max_size=5,
    ).map(" ".join),
)
CHARGES = st.fixed_dictionaries(
    {
        "reference_type": st.sampled_from(
            [*sorted(EVERY_TYPE), "Ticket number", "shipment", None, "", "Odd"]
        ),
        "transaction_type": st.sampled_from(["Charge", "Credit", "Payment", "Refund"]),
        "transaction_fee": st.sampled_from(
            ["Shipping", "Credit Card Processing Fee", "Credit", None]
        ),
        "reference_id": st.one_of(
            st.none(), st.just(""), IDS, IDS.map("8-{}-Bin".format), st.just("8-Bin")
        ),
        "comment": COMMENTS,
        "shelf": st.one_of(st.none(), IDS),
    }
)


def _document(number: int, drawn: dict[str, Any]) -> dict[str, Any]:
    details = {"Comment": drawn.pop("comment"), "InventoryId": drawn.pop("shelf")}
    return charge(transaction_id=f"T{number}", **drawn, additional_details=details)


def test_the_statement_is_the_rules_charge_by_charge(rows: Connection) -> None:
    """For small ledgers of few ids, so that ids meet at two clients, at strangers, and in two tables."""
    rows.autocommit = False

    @settings(max_examples=150, deadline=None)
    @given(references=REFERENCES, drawn=st.lists(CHARGES, max_size=12))
    def holds(references: list[Reference], drawn: list[dict[str, Any]]) -> None:
        documents = [_document(number, dict(each)) for number, each in enumerate(drawn)]
        store_references(rows, references)
        store(rows, *documents)
        attribute(rows, merchants=SMALL)
        known = shipbob_rules.known_by(references, {"a", "b"})
        for document in documents:
            wanted = shipbob_rules.expected(document, known, NAMES, HOUSE)
            assert standing(rows, document["transaction_id"]) == wanted, document
        rows.rollback()

    holds()
