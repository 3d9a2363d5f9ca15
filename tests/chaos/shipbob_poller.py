"""What must hold of ShipBob's rows at any moment of a round: who owns a charge, versions, deliveries, removals.

Unless the database itself went back in time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.database import ChaosDatabase
from tests.chaos.shipbob_oracle import live_rows_put_away
from tests.chaos.shipbob_world import ShipBobWorld

POLL_S = 0.4

Rows = psycopg.Connection[dict[str, Any]]
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


class ShipBobPoller:
    """Looks all the time, from ``start`` to ``stop``."""

    def __init__(self, database: ChaosDatabase, world: ShipBobWorld) -> None:
        self._database, self._world = database, world
        self._seen: Mapping[str, States] = {}
        self._incarnation = database.incarnation
        self._looking = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._broken_by: list[BaseException] = []
        self.faults: list[str] = []
        self.looks = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(20)

    def take_faults(self) -> list[str]:
        """What was seen since this was asked last; raises what ended the looking."""
        if self._broken_by:
            raise self._broken_by[0]
        found, self.faults = self.faults, []
        return found

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Nobody looks during the block, nor compares with what was before it: rows are damaged by hand."""
        with self._looking:
            yield
            self._seen = {}

    def look(self) -> None:
        """One look, compared with the last one."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        incarnation = self._database.incarnation
        found = self._states()
        if found is None or incarnation != self._database.incarnation:
            return
        states, put_away = found
        if incarnation == self._incarnation:
            for watched in WATCHED:
                self._compare(watched, states[watched.what])
        self.faults += [each for each in put_away if each not in self.faults]
        self._incarnation, self._seen = incarnation, states
        self.looks += 1

    def _poll(self) -> None:
        try:
            while not self._ended.wait(POLL_S):
                self.look()
        except BaseException as error:  # noqa: BLE001  # kept for take_faults()
            self._broken_by.append(error)

    def _states(self) -> tuple[Mapping[str, States], list[str]] | None:
        """By what is watched, the states by id, and live rows that were removed; None when the database is away."""
        try:
            url = self._database.database.owner_url
            with psycopg.connect(
                url, connect_timeout=2, autocommit=True, row_factory=dict_row
            ) as rows:
                states = {
                    each.what: {row["id"]: row["state"] for row in rows.execute(each.query)}
                    for each in WATCHED
                }
                return states, list(live_rows_put_away(self._world, rows))
        except psycopg.OperationalError:
            return None

    def _compare(self, watched: Watched, states: States) -> None:
        for an_id, before in self._seen.get(watched.what, {}).items():
            after = states.get(an_id)
            if an_id not in states or watched.may_not(before, after):
                self.faults.append(f"{watched.what} {an_id} went from {before} to {after}")
