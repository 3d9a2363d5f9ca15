"""A ledger of ShipBob's with its truth, and what the attribution looks things up in, as rows of a database."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import xxhash
from psycopg import sql

from local.postgres import Database, Postgres
from local.vendors.loopback.clock import VendorClock
from local.vendors.shipbob.models import INTERNAL, THREE, Kind, NewWorld
from local.vendors.shipbob.truth import truth
from local.vendors.shipbob.world import World
from sluice.core.records import Derive, Record
from sluice.postgres.loader import Merged, merge
from sluice.sources.shipbob import attribution
from sluice.sources.shipbob.attribution import Merchants
from sluice.sources.shipbob.settings import Billing
from sluice.sources.shipbob.transactions_payloads import values_of
from sluice.sources.shipbob.transactions_table import TRANSACTIONS

PARENT = "parent-client"
HOUSE = "house"
MERCHANTS = Merchants.of(
    Billing.model_validate(
        {"merchants": {each.key: {"names": [each.called]} for each in THREE}, "internal": HOUSE}
    )
)

Connection = psycopg.Connection[Any]


@contextmanager
def own_database(server: Postgres, migrated: Database) -> Iterator[Database]:
    """A copy of the migrated database, for the tests of one module."""
    name = f"ledgers_{secrets.token_hex(4)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER sluice_template_owner")
    server.execute(create.format(sql.Identifier(name), sql.Identifier(migrated.name)))
    owner_url, app_url = (
        url.removesuffix(migrated.name) + name for url in (migrated.owner_url, migrated.app_url)
    )
    yield replace(migrated, name=name, owner_url=owner_url, app_url=app_url)
    server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


Reference = tuple[str, str, str, str | None]
"""Which table (see ``LOOKUPS``), whose, its id, and an order's number."""

LOOKUPS: Mapping[Kind, str] = {
    "shipments": "shipbob_shipments (client_id, shipment_id, order_id, created_at)",
    "inventory": "shipbob_inventory_items (client_id, inventory_id, product_id)",
    "returns": "shipbob_returns (client_id, return_id, content_hash, version, document)",
    "receivings": "shipbob_receiving_orders (client_id, receiving_order_id, content_hash, version, document)",
    "orders": "shipbob_orders (client_id, order_id, content_hash, version, document, order_number)",
}
_NO_HASH = "00000000-0000-0000-0000-000000000000"
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_YEARS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Ledger:
    """All charges of a world, what they refer to, and by charge its client (None: nothing tells) and rule."""

    charges: Sequence[Record]
    references: Sequence[Reference]
    truth: Mapping[str, tuple[str | None, str | None]]
    types: frozenset[str] = field(default_factory=frozenset)


def ledger(**sizes: Any) -> Ledger:
    """Of a generated world; sizes are the fields of ``NewWorld``."""
    world = World(NewWorld(**sizes), VendorClock())
    for _ in world.fill():
        pass
    lines = list(truth(world, "transactions"))
    return Ledger(
        [record_of(line["record"]) for line in lines],
        [reference_of(kind, line) for kind in LOOKUPS for line in truth(world, kind)],
        {line["id"]: truth_of(line) for line in lines},
        frozenset(str(line["record"]["reference_type"]) for line in lines),
    )


def record_of(charge: Mapping[str, Any]) -> Record:
    """A charge's document as the stream would read it."""
    raw = orjson.dumps(charge, option=orjson.OPT_SORT_KEYS)
    return Record(charge["transaction_id"], xxhash.xxh3_128_digest(raw), raw)


def truth_of(line: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The client and the rule of a charge's line of truth; none where nothing leads there."""
    if line["rule"] == "nothing":
        return None, None
    return (HOUSE if line["merchant"] == INTERNAL else line["merchant"]), line["rule"]


def reference_of(kind: str, line: Mapping[str, Any]) -> Reference:
    """A line of truth as what charges are looked up in."""
    return kind, line["merchant"], str(line["id"]), line["record"].get("order_number")


def store_references(connection: Connection, references: Iterable[Reference]) -> None:
    """Enter rows into the tables that other streams keep."""
    listed = list(references)
    for kind, target in LOOKUPS.items():
        rows = [_row(each) for each in listed if each[0] == kind]
        with connection.cursor().copy(f"COPY {target} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _row(reference: Reference) -> tuple[Any, ...]:
    kind, client, an_id, number = reference
    if kind == "shipments":
        return client, an_id, "1", _MOMENT
    if kind == "inventory":
        return client, an_id, "1"
    common = (client, an_id, _NO_HASH, 1, "{}")
    return (*common, number) if kind == "orders" else common


def store_charges(connection: Connection, charges: Sequence[Record], *, seq: int) -> Merged:
    """Merge charges as a slice would."""
    with connection.transaction():
        return merge(connection, TRANSACTIONS, PARENT, charges, seq=seq, values=values_of)


def attribute(
    connection: Connection, *, again: bool = False, merchants: Merchants = MERCHANTS
) -> dict[str, int]:
    """Attribute what is unknown, or all of these years ``again``; what the pass answered, by name."""
    if again:
        return derived(connection, attribution.attribute_again(merchants, {}, *_YEARS))
    return derived(connection, attribution.attribute(merchants, {}))


def derived(connection: Connection, step: Derive) -> dict[str, int]:
    """What a derive step does in its slice's transaction."""
    parameters = {**step.parameters, "client_id": PARENT}
    with connection.cursor() as cursor:
        row = cursor.execute(step.derivation.sql, parameters).fetchone()
        assert row is not None
        assert cursor.description is not None
        return dict(zip((column.name for column in cursor.description), row, strict=True))


def attributed(connection: Connection) -> dict[str, tuple[str | None, str | None]]:
    """By charge its client and the rule that found it."""
    rows = connection.execute(
        "SELECT transaction_id, merchant_client_id, attributed_by FROM shipbob_transactions"
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def charge(**fields: Any) -> dict[str, Any]:
    """A charge of shipment 1, but for the fields."""
    return {
        "transaction_id": "T1",
        "amount": 1.5,
        "charge_date": "2026-01-05",
        "transaction_fee": "Shipping",
        "transaction_type": "Charge",
        "reference_type": "Shipment",
        "reference_id": "1",
        **fields,
    }


def store(connection: Connection, *charges: Mapping[str, Any], seq: int = 1) -> None:
    store_charges(connection, [record_of(each) for each in charges], seq=seq)


def standing(
    connection: Connection, transaction_id: str = "T1"
) -> tuple[str | None, str | None, str | None]:
    """A charge's client, rule and reason."""
    found = connection.execute(
        "SELECT merchant_client_id, attributed_by, unattributed_reason FROM shipbob_transactions"
        " WHERE client_id = %s AND transaction_id = %s",
        (PARENT, transaction_id),
    ).fetchone()
    assert found is not None
    return found[0], found[1], found[2]
