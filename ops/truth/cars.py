"""Compare a client's table with what the simulated vendor knows to be true. For the demo and tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Compared:
    """One kind of one client. ``kind`` is what people read."""

    client_id: str
    kind: str
    found: Difference


def compare_cars(
    connection: psycopg.Connection[Any],
    client_id: str,
    truth: Iterable[tuple[int | str, dict[str, Any]]],
) -> Difference:
    """Every live row of the client against every live car at the vendor, field by field.

    Rows lying in ``rejects`` are not in the table; they count as missing here.
    """
    expected = {str(car_id): (_business(car), _typed(car)) for car_id, car in truth}
    return difference(expected, _live_rows(connection, client_id))


def difference(expected: Mapping[str, T], found: Iterable[tuple[str, T]]) -> Difference:
    """What was found, id by id, against all that should be there. An id found twice is surplus."""
    left, rows = dict(expected), 0
    surplus: list[str] = []
    different: list[str] = []
    for record_id, record in found:
        rows += 1
        if record_id not in left:
            surplus.append(record_id)
        elif left.pop(record_id) != record:
            different.append(record_id)
    return Difference(
        rows,
        len(expected),
        tuple(sorted(left)[:SAMPLES]),
        tuple(surplus[:SAMPLES]),
        tuple(different[:SAMPLES]),
        len(left) + len(surplus) + len(different),
    )


def _business(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in VOLATILE}


def _typed(record: dict[str, Any]) -> tuple[Any, ...]:
    """What the typed columns should say, worked out here anew and not by the code under test."""
    maker = record.get("manufacturer") or {}
    return (record.get("vin"), record.get("year"), maker.get("name"), record.get("color"))


def _live_rows(
    connection: psycopg.Connection[Any], client_id: str
) -> Iterator[tuple[str, tuple[dict[str, Any], tuple[Any, ...]]]]:
    query = (
        "SELECT car_id, document::text AS document, vin, year, make, color FROM public.cars "
        "WHERE client_id = %s AND deleted_at IS NULL"
    )
    for row in streamed(connection, query, (client_id,)):
        typed = (row["vin"], row["year"], row["make"], row["color"])
        yield row["car_id"], (json.loads(row["document"]), typed)


def streamed(
    connection: psycopg.Connection[Any],
    query: LiteralString | sql.Composed,
    parameters: Sequence[Any],
) -> Iterator[dict[str, Any]]:
    """Rows of a query, some thousands in memory at a time."""
    with connection.transaction(), connection.cursor(name="truth", row_factory=dict_row) as cursor:
        cursor.itersize = 5000
        cursor.execute(query, parameters)
        yield from cursor
