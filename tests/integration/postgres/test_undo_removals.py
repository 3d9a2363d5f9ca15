"""Undoing a reconcile on a real database: exactly what that run removed, and nothing that anybody wrote since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import pytest

from local.postgres import Database
from sluice.core.errors import DatabaseUnavailable, InvariantBroken, SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.records import Derivation, Table
from sluice.core.steering.undoing import Removals
from sluice.postgres.audit import PostgresAudit
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.run_details import PostgresRuns
from sluice.postgres.undo_removals import PostgresUndo
from sluice.sources.cars.table import CARS
from sluice.sources.reconciled import RECONCILED, table_of
from sluice.usecases.undo_reconcile import Kit, undo_reconcile, would_undo
from tests.integration.postgres.worker import Rows, Worker, new_key, row
from tests.unit.sources.cars_vendor import Clock

EVERY = [row(id=f"car-{n}", make="Volvo") for n in range(12)]


@pytest.fixture
def worker(shared_commits: PostgresCommits) -> Worker:
    """A client that lost five cars on the vendor's word."""
    made = Worker(shared_commits, clock=ahead())
    made.read_all(EVERY)
    counts = made.read_all(EVERY[5:])
    assert counts.deleted == 5
    return made


def ahead() -> Clock:
    """Later than the database: a listing only judges rows that were written before it began."""
    return Clock(datetime.now(UTC) + timedelta(hours=1))


@pytest.fixture
def undo(shared_database: Database) -> Iterator[PostgresUndo]:
    connection = PostgresConnection(shared_database.app_url)
    yield PostgresUndo(connection)
    connection.close()


def kit(undo: PostgresUndo) -> Kit:
    return Kit(undo, table_of, "ann")


def run_that_removed(rows: Rows, key: StreamKey) -> str:
    found = rows.execute(
        "SELECT DISTINCT run_id::text FROM sluice.commit_log WHERE stream_key = %s AND deleted > 0",
        (str(key),),
    ).fetchall()
    [(run_id,)] = found
    return str(run_id)


def alive(rows: Rows, key: StreamKey) -> list[str]:
    found = rows.execute(
        "SELECT car_id FROM cars WHERE client_id = %s AND deleted_at IS NULL", (key.client_id,)
    ).fetchall()
    return sorted(str(each[0]) for each in found)


def ids(numbers: Sequence[int]) -> list[str]:
    return sorted(f"car-{n}" for n in numbers)


def test_what_a_run_removed_comes_back(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows
) -> None:
    """All of it, once; said first, then done, and audited in the same transaction."""
    run_id = run_that_removed(shared_rows, worker.key)
    assert would_undo(kit(undo), run_id).rows == 5
    assert alive(shared_rows, worker.key) == ids(range(5, 12))
    done = undo_reconcile(kit(undo), run_id, why="the vendor was wrong")
    assert (done.rows, done.left, done.removals.key) == (5, 0, worker.key)
    assert alive(shared_rows, worker.key) == ids(range(12))
    newest = PostgresAudit(shared_rows).newest(1)[0]
    assert (newest.actor, newest.action, newest.scope) == ("ann", "undo reconcile", str(worker.key))
    assert newest.why == "the vendor was wrong"
    assert json.loads(newest.after or "") == {"rows": 5, "run_id": run_id}
    again = undo_reconcile(kit(undo), run_id)
    assert (again.rows, again.left) == (0, 5)


def test_who_came_back_is_read_and_removed_as_before(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows
) -> None:
    """An unchanged row costs no write, and one that is really gone is judged again by the next listing."""
    undo_reconcile(kit(undo), run_that_removed(shared_rows, worker.key))
    counts = worker.read_all(EVERY)
    assert (counts.unchanged, counts.inserted, counts.updated, counts.deleted) == (12, 0, 0, 0)
    assert worker.read_all(EVERY[3:]).deleted == 3
    assert alive(shared_rows, worker.key) == ids(range(3, 12))


def test_rows_written_since_stay_as_they_are(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows
) -> None:
    """One came back by itself, and one was buried by a push after the removal: both are somebody else's word."""
    run_id = run_that_removed(shared_rows, worker.key)
    worker.read_all([*EVERY[5:], row(id="car-0", make="Saab")])
    shared_rows.execute(
        "UPDATE cars SET deleted_generation = NULL, version = version + 1, updated_at = now()"
        " WHERE client_id = %s AND car_id = 'car-1'",
        (worker.key.client_id,),
    )
    done = undo_reconcile(kit(undo), run_id)
    assert (done.rows, done.left) == (3, 2)
    assert alive(shared_rows, worker.key) == ids([0, *range(2, 12)])
    makes = shared_rows.execute(
        "SELECT document->>'make' FROM cars WHERE client_id = %s AND car_id = 'car-0'",
        (worker.key.client_id,),
    ).fetchall()
    assert makes == [("Saab",)]


@pytest.mark.parametrize(
    "written", ["updated_at = now()", "deleted_generation = NULL", "deleted_at = now()"]
)
def test_each_sign_of_another_writer_counts(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows, written: LiteralString
) -> None:
    """Any one of them is enough for a row to stay removed."""
    run_id = run_that_removed(shared_rows, worker.key)
    shared_rows.execute(
        f"UPDATE cars SET {written} WHERE client_id = %s AND car_id = 'car-2'",
        (worker.key.client_id,),
    )
    assert undo_reconcile(kit(undo), run_id).rows == 4
    assert "car-2" not in alive(shared_rows, worker.key)


def test_what_another_run_removed_stays_removed(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows
) -> None:
    """Also where it removed the very rows that came back from an earlier undoing."""
    first = run_that_removed(shared_rows, worker.key)
    undo_reconcile(kit(undo), first)
    worker.read_all(EVERY[4:])
    assert alive(shared_rows, worker.key) == ids(range(4, 12))
    assert undo_reconcile(kit(undo), first).rows == 0
    assert alive(shared_rows, worker.key) == ids(range(4, 12))


def test_other_clients_stay_as_they_are(
    worker: Worker, shared_commits: PostgresCommits, undo: PostgresUndo, shared_rows: Rows
) -> None:
    """Even one whose rows have the very moment of this run's removal."""
    other = Worker(shared_commits, key=new_key())
    other.read_all(EVERY[:3])
    shared_rows.execute(
        "UPDATE cars SET (deleted_at, updated_at, deleted_generation) = (SELECT deleted_at, updated_at,"
        " deleted_generation FROM cars WHERE client_id = %s AND car_id = 'car-0') WHERE client_id = %s",
        (worker.key.client_id, other.key.client_id),
    )
    run_id = run_that_removed(shared_rows, worker.key)
    assert would_undo(kit(undo), run_id).rows == 5
    assert undo_reconcile(kit(undo), run_id).rows == 5
    assert alive(shared_rows, other.key) == []


def test_an_open_run_is_not_undone(worker: Worker, undo: PostgresUndo, shared_rows: Rows) -> None:
    run_id = run_that_removed(shared_rows, worker.key)
    shared_rows.execute(
        "UPDATE sluice.run SET ended_at = NULL, outcome = 'running' WHERE run_id = %s", (run_id,)
    )
    with pytest.raises(SettingInvalid, match="still open"):
        undo_reconcile(kit(undo), run_id)
    assert alive(shared_rows, worker.key) == ids(range(5, 12))


def test_runs_that_cannot_be_undone_are_refused(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows
) -> None:
    """None of that id, one that removed nothing, one of before its moments were noted."""
    for wrong in ("4711", "00000000-0000-4000-8000-000000000000", "x' OR true --"):
        with pytest.raises(SettingInvalid, match="there is none of this id"):
            undo_reconcile(kit(undo), wrong)
    first = shared_rows.execute(
        "SELECT run_id::text FROM sluice.run WHERE stream_key = %s ORDER BY started_at LIMIT 1",
        (str(worker.key),),
    ).fetchall()
    with pytest.raises(SettingInvalid, match="removed nothing"):
        undo_reconcile(kit(undo), str(first[0][0]))
    run_id = run_that_removed(shared_rows, worker.key)
    shared_rows.execute("UPDATE sluice.commit_log SET began_at = NULL WHERE run_id = %s", (run_id,))
    with pytest.raises(SettingInvalid, match="before this was noted"):
        undo_reconcile(kit(undo), run_id)


def test_what_follows_from_rows_is_made_anew_or_nothing_is(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows
) -> None:
    """A derivation runs for those that came back; one that fails leaves all as it was, and no audit row."""
    run_id = run_that_removed(shared_rows, worker.key)
    colour = Derivation(
        "colour",
        "UPDATE cars SET color = 'back' FROM written WHERE client_id = %(client_id)s AND car_id = written.id",
    )
    fails = Derivation("fails", "SELECT 1 / 0")
    removals = undo.removals_of(run_id)
    assert removals is not None
    audited = len(PostgresAudit(shared_rows).newest(1000))
    broken = Kit(undo, lambda _: replace(CARS, derivations=(colour, fails)), "ann")
    with pytest.raises(InvariantBroken, match=r"nothing was brought back.*fails: division by zero"):
        undo_reconcile(broken, run_id)
    assert alive(shared_rows, worker.key) == ids(range(5, 12))
    assert len(PostgresAudit(shared_rows).newest(1000)) == audited
    assert (
        undo_reconcile(
            Kit(undo, lambda _: replace(CARS, derivations=(colour,)), "ann"), run_id
        ).rows
        == 5
    )
    coloured = shared_rows.execute(
        "SELECT car_id FROM cars WHERE client_id = %s AND color = 'back'", (worker.key.client_id,)
    ).fetchall()
    assert sorted(each[0] for each in coloured) == ids(range(5))


def test_no_slice_commits_while_rows_come_back(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows, shared_database: Database
) -> None:
    """It waits for the lock that each slice takes first, so neither sees half of the other's work."""
    run_id = run_that_removed(shared_rows, worker.key)
    removals = undo.removals_of(run_id)
    assert removals is not None
    connection = PostgresConnection(
        shared_database.app_url, lock_timeout=timedelta(milliseconds=50)
    )
    with shared_rows.transaction():
        shared_rows.execute(
            "SELECT 1 FROM sluice.sync_commit WHERE stream_key = %s FOR UPDATE", (str(worker.key),)
        )
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            PostgresUndo(connection).restore(removals, CARS, lambda _: pytest.fail("recorded"))
    connection.close()


def test_each_stream_that_reconciles_can_be_undone() -> None:
    """And one that never removes anything is named."""
    assert table_of(StreamKey("a", "cars", "cars")) is CARS
    assert all(isinstance(table, Table) for table in RECONCILED.values())
    with pytest.raises(StreamUnknown, match="nothing to undo"):
        table_of(StreamKey("a", "mixpanel", "events"))


def test_a_run_is_looked_into(worker: Worker, undo: PostgresUndo, shared_rows: Rows) -> None:
    """Its sums, its slices in order, its endpoints; the stream's runs newest first."""
    runs, run_id = PostgresRuns(undo.connection), run_that_removed(shared_rows, worker.key)
    details = runs.details(run_id, 100)
    assert details is not None
    assert (details.key, details.run.run_id, details.run.deleted) == (worker.key, run_id, 5)
    assert details.run.slices == len(details.slices)
    assert [each.seq for each in details.slices] == sorted(each.seq for each in details.slices)
    assert sum(each.deleted for each in details.slices) == 5
    assert sum(each.requests for each in details.endpoints) == details.run.requests
    newest = runs.newest(worker.key, 10)
    assert newest[0].started_at >= newest[-1].started_at
    assert details.run in newest
    assert len(runs.newest(worker.key, 1)) == 1
    last = runs.details(run_id, 1)
    assert last is not None
    assert [each.seq for each in last.slices] == [details.slices[-1].seq]
    assert runs.details("x", 1) is None


def test_removals_are_told_from_those_that_cannot_be_traced(
    worker: Worker, undo: PostgresUndo, shared_rows: Rows
) -> None:
    run_id = run_that_removed(shared_rows, worker.key)
    assert undo.removals_of(run_id) == Removals(run_id, worker.key, True, 5, 0)
