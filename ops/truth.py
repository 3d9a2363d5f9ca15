"""Compare a client's table with what the simulated vendor knows to be true. For the demo and tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

VOLATILE = frozenset({"_fetched_at"})
SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """How a table differs from the vendor's truth. Each list holds a few ids as samples."""

    rows: int
    truth: int
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    different: tuple[str, ...]
    faults: int

    @property
    def equal(self) -> bool:
        return self.faults == 0

    def __str__(self) -> str:
        if self.equal:
            return f"{self.rows:,} rows, equal to the vendor's truth"
        return (
            f"{self.rows:,} rows against {self.truth:,} at the vendor; missing {self.missing}, "
            f"surplus {self.surplus}, different {self.different}"
        )


def compare_cars(
    connection: psycopg.Connection[Any],
    client_id: str,
    truth: Iterable[tuple[int | str, dict[str, Any]]],
) -> Difference:
    """Every live row of the client against every live car at the vendor, field by field.

    Rows lying in ``rejects`` are not in the table; they count as missing here.
    """
    expected = {str(car_id): _business(record) for car_id, record in truth}
    total, rows = len(expected), 0
    surplus: list[str] = []
    different: list[str] = []
    for car_id, document, typed in _live_rows(connection, client_id):
        rows += 1
        record = expected.pop(car_id, None)
        if record is None:
            surplus.append(car_id)
        elif record != document or typed != _typed(record):
            different.append(car_id)
    faults = len(expected) + len(surplus) + len(different)
    return Difference(
        rows,
        total,
        tuple(sorted(expected)[:SAMPLES]),
        tuple(surplus[:SAMPLES]),
        tuple(different[:SAMPLES]),
        faults,
    )


def _business(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in VOLATILE}


def _typed(record: dict[str, Any]) -> tuple[Any, ...]:
    """What the typed columns should say, worked out here anew and not by the code under test."""
    maker = record.get("manufacturer") or {}
    return (record.get("vin"), record.get("year"), maker.get("name"), record.get("color"))


def _live_rows(
    connection: psycopg.Connection[Any], client_id: str
) -> Iterable[tuple[str, dict[str, Any], tuple[Any, ...]]]:
    with connection.transaction(), connection.cursor(name="truth") as cursor:
        cursor.itersize = 5000
        cursor.execute(
            "SELECT car_id, document::text AS document, vin, year, make, color FROM public.cars "
            "WHERE client_id = %s AND deleted_at IS NULL",
            (client_id,),
        )
        for row in cursor:
            typed = (row["vin"], row["year"], row["make"], row["color"])
            yield row["car_id"], json.loads(row["document"]), typed
