"""The connectors' hot queries, and the index each must use. A new connector's are entered here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from ops.explain.queries import INCOMING, NOBODY, HotQuery, Sample, merge_queries
from sluice.core.records import Derivation, Derive
from sluice.postgres.tables import create_staged
from sluice.sources.cars.table import CARS
from sluice.sources.mixpanel.counting_sql import COUNT
from sluice.sources.mixpanel.events_table import EVENTS
from sluice.sources.mixpanel.profiles_table import PROFILES
from sluice.sources.shipbob.attribution import (
    Merchants,
    attribute,
    attribute_again,
    words_of,
)
from sluice.sources.shipbob.derived import orders, products
from sluice.sources.shipbob.invoices_table import INVOICES
from sluice.sources.shipbob.tables import ORDERS, PRODUCTS, RECEIVING_ORDERS, RETURNS
from sluice.sources.shipbob.timelines_due import due_timelines
from sluice.sources.shipbob.timelines_table import NOTE_CHECKED, TIMELINES
from sluice.sources.shipbob.transactions_table import TRANSACTIONS

BATCH = 100
A_WHILE = timedelta(days=3)

_BILLED = ("shipbob", "transactions")

LOOKED_UP = (
    "shipbob_shipments_id or shipbob_shipments_pkey",
    "shipbob_returns_id or shipbob_returns_pkey",
    "shipbob_receiving_orders_id or shipbob_receiving_orders_pkey",
    "shipbob_inventory_items_id or shipbob_inventory_items_pkey",
    "shipbob_orders_id or shipbob_orders_pkey",
    "shipbob_orders_number",
)
"""By what a charge refers to: an id of any of the parent's clients, or a number that people gave an order."""


def _of_client(sample: Sample) -> Mapping[str, Any]:
    return {"client_id": sample.client_id}


def _due(sample: Sample) -> Mapping[str, Any]:
    work = due_timelines(BATCH, None)
    return {**work.parameters, "client_id": sample.client_id, "now": sample.now}


def _not_checked(sample: Sample) -> Mapping[str, Any]:
    work = due_timelines(BATCH, sample.now)
    return {**work.parameters, "client_id": sample.client_id, "now": sample.now}


def _merchants(sample: Sample) -> Merchants:
    """Whoever is of this vendor counts as a merchant: their rows are among those that are looked up."""
    return Merchants(tuple(sample.clients), {words_of(NOBODY): NOBODY}, NOBODY)


def _attribute(sample: Sample) -> Derive:
    return attribute(_merchants(sample), {})


def _attribute_again(sample: Sample) -> Derive:
    return attribute_again(_merchants(sample), {}, sample.now - A_WHILE, sample.now)


def _step(name: str, made: Callable[[Sample], Derive], index: str) -> HotQuery:
    return HotQuery(
        name,
        sql.SQL(made(Sample("", "", datetime.now(UTC))).derivation.sql),
        (index, *LOOKED_UP),
        lambda sample: {**made(sample).parameters, "client_id": sample.client_id},
        _BILLED,
    )


def _derived(derivation: Derivation, stream: str, *indexes: str) -> HotQuery:
    return HotQuery(
        f"derive {derivation.name}",
        sql.SQL(derivation.sql),
        indexes,
        _of_client,
        ("shipbob", stream),
        INCOMING,
    )


SHIPBOB: Sequence[HotQuery] = (
    HotQuery(
        "timelines due",
        sql.SQL(due_timelines(BATCH, None).sql),
        ("shipbob_tracking_due",),
        _due,
        ("shipbob", "timelines"),
    ),
    HotQuery(
        "timelines of a full read",
        sql.SQL(due_timelines(BATCH, datetime.now(UTC)).sql),
        ("shipbob_tracking_due",),
        _not_checked,
        ("shipbob", "timelines"),
    ),
    _step("attribute charges", _attribute, "shipbob_transactions_unattributed"),
    _step("attribute again", _attribute_again, "shipbob_transactions_charged"),
    _derived(orders.VANISHED, "orders", "shipbob_orders_pkey", "shipbob_shipments_order"),
    _derived(orders.SHIPMENTS, "orders", "shipbob_orders_pkey", "shipbob_shipments_pkey"),
    _derived(orders.ORDER_ITEMS_BEYOND, "orders", "shipbob_order_items_pkey"),
    _derived(orders.SHIPMENT_ITEMS_BEYOND, "orders", "shipbob_shipment_items_pkey"),
    _derived(orders.TRACKING, "orders", "shipbob_tracking_pkey", "shipbob_shipments_order"),
    _derived(products.VANISHED, "products", "shipbob_inventory_items_product"),
    _derived(NOTE_CHECKED, "timelines", "shipbob_tracking_pkey", "shipbob_timelines_pkey"),
    *merge_queries(ORDERS, ("shipbob", "orders"), ["created_at"]),
    *merge_queries(TIMELINES, ("shipbob", "timelines"))[:1],
    *merge_queries(PRODUCTS, ("shipbob", "products")),
    *merge_queries(RETURNS, ("shipbob", "returns")),
    *merge_queries(RECEIVING_ORDERS, ("shipbob", "receiving_orders")),
    *merge_queries(TRANSACTIONS, _BILLED, ["charge_date"]),
    *merge_queries(INVOICES, ("shipbob", "invoices"))[:1],
)

STAGED = (
    create_staged(EVENTS).as_string(),
    "INSERT INTO staged (event_id, distinct_id, occurred_at, effects)"
    """ SELECT id, id, now(), '{"add": {"opened": 1}}' FROM incoming""",
    "ANALYZE staged",
)
"""Events on their way in, which counting reads instead of those that are stored."""

MIXPANEL: Sequence[HotQuery] = (
    *merge_queries(EVENTS, ("mixpanel", "events"))[:1],
    HotQuery(
        f"derive {COUNT.name}",
        sql.SQL(COUNT.sql),
        ("mixpanel_subscribers_pkey",),
        _of_client,
        ("mixpanel", "events"),
        (*INCOMING, *STAGED),
    ),
    *merge_queries(PROFILES, ("mixpanel", "profiles")),
)
"""Events are a partitioned table: its partitions' indexes have names of their own."""

CONNECTORS: Sequence[HotQuery] = (*merge_queries(CARS, ("cars", "cars")), *SHIPBOB, *MIXPANEL)
