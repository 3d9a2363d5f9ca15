"""The comparison with a vendor's truth finds every way in which a table can be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from local.postgres import Database
from ops.truth.cars import SAMPLES, Difference, compare_cars

Rows = psycopg.Connection[dict[str, Any]]


def record(car_id: int) -> dict[str, Any]:
    """A car as the vendor knows it; when it was fetched changes at every answer."""
    maker = {"id": 1, "name": "Volvo"}
    return {
        "id": car_id, "vin": f"VIN{car_id}", "year": 2020, "manufacturer": maker, "color": "red",
        "lots": [{"bid": 1.5}], "_fetched_at": f"now {car_id}",
    }  # fmt: skip


TRUTH = [(car_id, record(car_id)) for car_id in range(1, 31)]


@pytest.fixture
def table(database: Database) -> Iterator[Rows]:
    """The table of client ``a``, equal to the truth; client ``b`` has one car of the same id."""
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        for car_id, car in TRUTH:
            insert(connection, "a", car_id, car)
        insert(connection, "b", 1, {**record(1), "color": "blue"})
        yield connection


def insert(connection: Rows, client_id: str, car_id: int, car: dict[str, Any]) -> None:
    document = {name: value for name, value in car.items() if name != "_fetched_at"}
    connection.execute(
        "INSERT INTO public.cars (client_id, car_id, content_hash, version, vin, year, make, color, document)"
        " VALUES (%s, %s, gen_random_uuid(), 1, %s, %s, %s, %s, %s)",
        (client_id, str(car_id), car["vin"], car["year"], "Volvo", car["color"], Jsonb(document)),
    )


def compared(table: Rows) -> Difference:
    return compare_cars(table, "a", TRUTH)


def test_an_equal_table_is_equal(table: Rows) -> None:
    """Whatever other clients have, and whatever the vendor changes at every answer."""
    found = compared(table)
    assert (found.equal, found.rows, found.truth, found.faults) == (True, 30, 30, 0)
    assert str(found) == "30 rows, equal to the vendor's truth"


def test_a_missing_row_is_found(table: Rows) -> None:
    """Lost, or never loaded."""
    table.execute("DELETE FROM cars WHERE client_id = 'a' AND car_id = '7'")
    assert_found(compared(table), missing=("7",))


def test_a_row_that_is_deleted_but_alive_at_the_vendor_is_found(table: Rows) -> None:
    """A removed row is no live row."""
    table.execute("UPDATE cars SET deleted_at = now() WHERE client_id = 'a' AND car_id = '7'")
    assert_found(compared(table), missing=("7",))


def test_a_surplus_row_is_found(table: Rows) -> None:
    """Gone at the vendor, and still alive here."""
    insert(table, "a", 99, record(99))
    assert_found(compared(table), surplus=("99",))


def test_a_removed_row_is_not_surplus(table: Rows) -> None:
    """What was removed stays in the table, marked."""
    insert(table, "a", 99, record(99))
    table.execute("UPDATE cars SET deleted_at = now() WHERE car_id = '99'")
    assert compared(table).equal


@pytest.mark.parametrize(
    "change",
    [
        "document = jsonb_set(document, '{color}', '\"blue\"')",
        "document = jsonb_set(document, '{lots,0,bid}', '2')",
        "document = document - 'lots'",
        "document = document || '{\"new\": null}'",
        "vin = 'other'", "year = 2021", "year = NULL", "make = 'Saab'", "color = NULL",
    ],
)  # fmt: skip
def test_a_row_of_other_content_is_found(table: Rows, change: str) -> None:
    """In the document at any depth, or in a column that was typed from it."""
    query = f"UPDATE cars SET {change} WHERE client_id = 'a' AND car_id = '7'"
    table.execute(query.encode())
    assert_found(compared(table), different=("7",))


def test_many_faults_are_counted_and_sampled(table: Rows) -> None:
    """All of them count; a few ids are enough to begin looking."""
    table.execute("DELETE FROM cars WHERE client_id = 'a' AND car_id::int <= 10")
    table.execute("UPDATE cars SET color = 'x' WHERE client_id = 'a' AND car_id::int > 20")
    found = compared(table)
    assert (found.faults, len(found.missing), len(found.different)) == (20, SAMPLES, SAMPLES)
    assert str(found).startswith("20 rows against 30 at the vendor; missing (")


def test_a_client_without_rows_lacks_everything(table: Rows) -> None:
    """Not equal because there was nothing to compare."""
    assert compare_cars(table, "nobody", TRUTH).faults == 30
    assert compare_cars(table, "nobody", []).equal


def assert_found(found: Difference, **expected: tuple[str, ...]) -> None:
    """Exactly this fault and no other."""
    assert not found.equal
    assert found.faults == 1
    names = ("missing", "surplus", "different")
    assert {name: getattr(found, name) for name in names} == {
        name: expected.get(name, ()) for name in names
    }
