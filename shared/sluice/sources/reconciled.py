"""The tables of streams that reconcile, by stream: for undoing, which asks no vendor and so opens no stream."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.records import Table
from sluice.sources.cars.streams import NAME as CARS_STREAM
from sluice.sources.cars.table import CARS
from sluice.sources.mixpanel import profiles
from sluice.sources.mixpanel.profiles_table import PROFILES
from sluice.sources.mixpanel.settings import SOURCE as MIXPANEL
from sluice.sources.shipbob import orders, products, receiving, returns, transactions
from sluice.sources.shipbob.opening import SOURCE as SHIPBOB
from sluice.sources.shipbob.tables import ORDERS, PRODUCTS, RECEIVING_ORDERS, RETURNS
from sluice.sources.shipbob.transactions_table import TRANSACTIONS

RECONCILED: Mapping[tuple[str, str], Table] = {
    ("cars", CARS_STREAM): CARS,
    (MIXPANEL, profiles.NAME): PROFILES,
    (SHIPBOB, orders.NAME): ORDERS,
    (SHIPBOB, products.NAME): PRODUCTS,
    (SHIPBOB, receiving.NAME): RECEIVING_ORDERS,
    (SHIPBOB, returns.NAME): RETURNS,
    (SHIPBOB, transactions.NAME): TRANSACTIONS,
}


def table_of(key: StreamKey) -> Table:
    """Where the stream's rows are; StreamUnknown for a stream that never removes any."""
    table = RECONCILED.get((key.source, key.stream))
    if table is None:
        raise StreamUnknown(
            f"{key}: streams of {key.source}.{key.stream} remove nothing, so there is nothing to undo"
        )
    return table
