"""The merge alone: what Postgres itself refuses is found by halving, and costs nobody else."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.postgres import Database
from sluice.core.errors import RowRejected
from sluice.core.records import Record
from sluice.postgres.loader import Merged, merge
from sluice.sources.cars.table import CARS
from tests.integration.postgres.worker import Rows

YEAR = [column.name for column in CARS.columns].index("year")
BAD_YEARS: list[Any] = [2**40, "x", "\0", "\ud800", float("nan")]
"""Refused by Postgres, by psycopg before it, or by Python before both."""

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def connection(shared_database: Database) -> Iterator[Connection]:
    """The application's login, as merges run."""
    with psycopg.connect(shared_database.app_url, autocommit=True) as connection:
        yield connection


def _record(record_id: str, body: str = "{}", version: int | None = None) -> Record:
    return Record(record_id, uuid.uuid5(uuid.NAMESPACE_OID, body).bytes, body.encode(), version)


def _values(years: dict[str, Any]) -> Callable[[Record], Sequence[Any]]:
    """Values that went past validation: nothing but the year, which may be anything."""

    def values(record: Record) -> Sequence[Any]:
        filled: list[Any] = [None] * len(CARS.columns)
        filled[YEAR] = years.get(record.id, 2000)
        return filled

    return values


def _merge(
    connection: Connection,
    records: Sequence[Record],
    *,
    client_id: str,
    seq: int = 1,
    years: dict[str, Any] | None = None,
    ties_win: bool = True,
) -> Merged:
    with connection.transaction():
        values = _values(years or {})
        return merge(
            connection, CARS, client_id, records, seq=seq, values=values, ties_win=ties_win
        )


def _years(connection: Connection, client_id: str) -> dict[str, int]:
    query = "SELECT car_id, year FROM cars WHERE client_id = %s"
    return dict(connection.execute(query, (client_id,)).fetchall())


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example is another client
)
@given(years=st.lists(st.just(2000) | st.sampled_from(BAD_YEARS), max_size=40))
def test_exactly_the_rows_that_postgres_refuses_are_rejected(
    connection: Connection, years: list[Any]
) -> None:
    """However many, wherever they stand: all others are loaded, and each row is counted once."""
    client_id = str(uuid.uuid4())
    by_id = {f"car-{number}": year for number, year in enumerate(years)}
    good = {record_id: 2000 for record_id, year in by_id.items() if year == 2000}
    merged = _merge(connection, [_record(i) for i in by_id], client_id=client_id, years=by_id)
    assert _years(connection, client_id) == good
    assert {reject.record_id for reject in merged.rejects} == set(by_id) - set(good)
    assert (merged.inserted, len(merged.rejects)) == (len(good), len(by_id) - len(good))
    assert all(reject.reason and reject.raw == "{}" for reject in merged.rejects)


def test_a_fault_that_is_no_rows_own_is_not_blamed_on_rows(
    connection: Connection, shared_rows: Rows
) -> None:
    """A lock that does not come says nothing about the rows: none may end as a reject."""
    connection.execute("SET lock_timeout = '50ms'")
    with shared_rows.transaction():
        # Reading goes on, so that it is the upsert that fails.
        shared_rows.execute("LOCK TABLE cars IN EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            _merge(connection, [_record("a"), _record("b")], client_id="waiting")


@pytest.mark.parametrize("record_id", ["a\0", "a\ud800"])
def test_an_id_that_postgres_cannot_hold_costs_its_row_only(
    connection: Connection, record_id: str
) -> None:
    """A stream should have seen to it; where one did not, its other rows still load."""
    client_id = str(uuid.uuid4())
    merged = _merge(connection, [_record(record_id), _record("b")], client_id=client_id)
    assert _years(connection, client_id) == {"b": 2000}
    (reject,) = merged.rejects
    assert (reject.record_id, reject.reason) == (None, "an id that Postgres cannot keep as text")


@pytest.mark.parametrize("version", [2**63, -(2**63) - 1])
def test_a_version_that_postgres_cannot_hold_costs_its_row_only(
    connection: Connection, version: int
) -> None:
    """Versions are the vendor's, so they may be anything."""
    client_id = str(uuid.uuid4())
    largest = _record("b", version=2**63 - 1)
    merged = _merge(connection, [_record("a", version=version), largest], client_id=client_id)
    assert _years(connection, client_id) == {"b": 2000}
    assert [(r.record_id, r.reason) for r in merged.rejects] == [("a", "a version beyond 64 bits")]


def test_validation_is_asked_of_new_and_changed_rows_only(connection: Connection) -> None:
    """Most rows did not change, and those cost a hash."""
    client_id = str(uuid.uuid4())
    asked: list[str] = []

    def values(record: Record) -> Sequence[Any]:
        asked.append(record.id)
        if record.id == "refused":
            raise RowRejected("not today", field="year")
        return _values({})(record)

    for body in ("{}", '{"a":1}'):
        records = [_record("same"), _record("other", body), _record("refused")]
        with connection.transaction():
            merged = merge(connection, CARS, client_id, records, seq=1, values=values)
        assert [(r.record_id, r.field, r.reason) for r in merged.rejects] == [
            ("refused", "year", "not today")
        ]
    assert sorted(asked) == ["other", "other", "refused", "refused", "same"]
    assert (merged.inserted, merged.updated, merged.unchanged) == (0, 1, 1)


def test_an_unchanged_row_is_not_written(connection: Connection) -> None:
    """Not even its updated_at: the row on disk is the same one."""
    client_id = str(uuid.uuid4())
    query = "SELECT ctid::text, xmin::text FROM cars WHERE client_id = %s"
    _merge(connection, [_record("a")], client_id=client_id)
    before = connection.execute(query, (client_id,)).fetchall()
    assert _merge(connection, [_record("a")], client_id=client_id, seq=2).unchanged == 1
    assert connection.execute(query, (client_id,)).fetchall() == before


@pytest.mark.parametrize(
    ("version", "ties_win", "year"),
    [(4, True, 2000), (5, True, 2001), (5, False, 2000), (6, False, 2001)],
)
def test_an_older_version_never_replaces_a_newer(
    connection: Connection, version: int, ties_win: bool, year: int
) -> None:
    """Of two equal ones a later reading wins and a redriven reject does not."""
    client_id = str(uuid.uuid4())
    _merge(connection, [_record("a", version=5)], client_id=client_id)
    late = _record("a", '{"late":1}', version)
    merged = _merge(connection, [late], client_id=client_id, years={"a": 2001}, ties_win=ties_win)
    assert _years(connection, client_id) == {"a": year}
    assert (merged.updated, merged.stale) == ((1, 0) if year == 2001 else (0, 1))
    assert merged.stale_ids == ([] if year == 2001 else ["a"])


def test_a_newer_version_that_comes_in_between_is_not_overwritten(
    connection: Connection, shared_database: Database
) -> None:
    """The upsert itself looks again: what was compared a moment ago may be history."""
    client_id = str(uuid.uuid4())
    newer, older = _record("a", '{"newer":1}', 9), _record("a", '{"older":1}', 8)

    def values(record: Record) -> Sequence[Any]:
        with psycopg.connect(shared_database.app_url, autocommit=True) as other:
            _merge(other, [newer], client_id=client_id, years={"a": 2009})
        return _values({"a": 2008})(record)

    _merge(connection, [_record("a", version=7)], client_id=client_id)
    with connection.transaction():
        merged = merge(connection, CARS, client_id, [older], seq=1, values=values)
    assert _years(connection, client_id) == {"a": 2009}
    assert (merged.inserted, merged.updated, merged.stale) == (0, 0, 1)


def test_clients_with_the_same_ids_do_not_meet(connection: Connection) -> None:
    """Every statement is about one client's rows."""
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    _merge(connection, [_record("a")], client_id=one, years={"a": 2001})
    assert _merge(connection, [_record("a")], client_id=other, years={"a": 2002}).inserted == 1
    assert _years(connection, one) == {"a": 2001}
    assert _years(connection, other) == {"a": 2002}


def test_nothing_is_left_behind_in_the_session(connection: Connection) -> None:
    """Behind a transaction pooler the next client gets this very session."""
    _merge(connection, [_record("a")], client_id=str(uuid.uuid4()))
    query = "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()"
    assert connection.execute(query).fetchall() == []
