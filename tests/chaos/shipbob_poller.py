"""What must hold of ShipBob's rows at any moment of a round: who owns a charge, versions, deliveries, removals.

Unless the database itself went back in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.database import ChaosDatabase
from tests.chaos.row_poller import RowPoller, Rows
from tests.chaos.shipbob_oracle import live_rows_put_away
from tests.chaos.shipbob_world import ShipBobWorld

States = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """A query of ids and states, and what says that a state may not follow another."""

    what: str
    query: Any
    may_not: Callable[[Any, Any], bool]


def _falls(before: Any, after: Any) -> bool:
    """A live row's version; rows that were put away have the listing's, and none is told."""
    return before is not None and after is not None and after < before


WATCHED = (
    Watched(
        "the client of charge",
        "SELECT transaction_id AS id, merchant_client_id AS state FROM public.shipbob_transactions",
        lambda before, after: before is not None and after != before,
    ),
    Watched(
        "the delivery of shipment",
        "SELECT client_id || ' ' || shipment_id AS id, delivered_at IS NOT NULL AND NOT is_open AS state"
        " FROM public.shipbob_tracking",
        lambda before, after: before and not after,
    ),
    *(
        Watched(
            f"the version of {name}",
            f"SELECT client_id || ' ' || {key} AS id, CASE WHEN deleted_at IS NULL THEN version END AS state"
            f" FROM public.{name}",
            _falls,
        )
        for name, key in (
            ("shipbob_orders", "order_id"),
            ("shipbob_products", "product_id"),
            ("shipbob_returns", "return_id"),
            ("shipbob_receiving_orders", "receiving_order_id"),
        )
    ),
)


class ShipBobPoller(RowPoller):
    """Compares with the last look."""

    def __init__(self, database: ChaosDatabase, world: ShipBobWorld) -> None:
        super().__init__(database)
        self._world = world
        self._seen: Mapping[str, States] = {}
        self._incarnation = database.incarnation

    def forget(self) -> None:
        self._seen = {}

    def _see(self, rows: Rows) -> None:
        incarnation = self._database.incarnation
        states: dict[str, States] = {
            each.what: {row["id"]: row["state"] for row in rows.execute(each.query)}
            for each in WATCHED
        }
        put_away = list(live_rows_put_away(self._world, rows))
        if incarnation != self._database.incarnation:
            return
        if incarnation == self._incarnation:
            for watched in WATCHED:
                self._compare(watched, states[watched.what])
        self._tell(*put_away)
        self._incarnation, self._seen = incarnation, states
        self.looks += 1

    def _compare(self, watched: Watched, states: States) -> None:
        for an_id, before in self._seen.get(watched.what, {}).items():
            after = states.get(an_id)
            if an_id not in states or watched.may_not(before, after):
                self.faults.append(f"{watched.what} {an_id} went from {before} to {after}")
