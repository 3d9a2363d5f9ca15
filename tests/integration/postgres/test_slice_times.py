"""Where a slice's time went: in its log, in its report, and summed up over a run."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, LiteralString, cast

import psycopg
import pytest

from sluice.core.ports import Stream
from sluice.core.records import Derivation, Derive
from sluice.core.slices import Committed, EndpointTraffic, Traffic
from sluice.postgres.commits import PostgresCommits
from tests.contract.stores import KEY, NOW, PostgresStore, Things, draft
from tests.integration.postgres.worker import Rows, Worker, row
from tests.memory.streams import THINGS, thing

SLOW = Derivation("slow", "SELECT pg_sleep(0.06)")
SLOW_STEP = Derivation("slow step", "SELECT 7 AS seen FROM pg_sleep(0.06)")
TRAFFIC = Traffic(
    requests=7,
    waited_ms=40,
    endpoints=(
        EndpointTraffic("/orders", requests=5, retries=1, errors=2, ms=500),
        EndpointTraffic("/orders/{id}", requests=2, ms=90),
    ),
)
TIMES: LiteralString = "fetch_ms, wait_ms, database_ms, begin_ms, merge_ms, derive_ms"


class Slices:
    """Commits slices of one run, with what they cost at the vendor."""

    def __init__(self, store: PostgresStore) -> None:
        self.store, self.token, self.run_id = store, 0, str(uuid.uuid4())

    def commit(self, *, table: Any = THINGS, **more: Any) -> Committed:
        self.token += 1
        claim = self.store.commits.claim(KEY, self.token)
        assert claim is not None
        run = self.store.commits.open_run(claim, run_id=self.run_id, reason="schedule", now=NOW)
        drafted = draft(replace(claim, run_id=run), [thing("1", self.token)])
        made = replace(drafted, has_more=True, traffic=TRAFFIC, fetch_ms=100, **more)
        return self.store.commits.commit(claim, made, cast(Stream, Things(table)))


@pytest.fixture
def slices(database: Any, rows: Rows) -> Any:
    store = PostgresStore(database.app_url, cast(psycopg.Connection[Any], rows))
    yield Slices(store)
    store.connection.close()


def _logged(rows: Rows, columns: LiteralString) -> tuple[Any, ...]:
    query: LiteralString = f"SELECT {columns} FROM sluice.commit_log ORDER BY seq DESC LIMIT 1"
    return rows.execute(query).fetchone() or ()


def test_a_slice_logs_what_it_asked_of_each_endpoint(slices: Slices, rows: Rows) -> None:
    slices.commit()
    assert _logged(rows, "endpoints, wait_ms") == (
        {
            "/orders": {"requests": 5, "retries": 1, "errors": 2, "ms": 500},
            "/orders/{id}": {"requests": 2, "retries": 0, "errors": 0, "ms": 90},
        },
        40,
    )


def test_derivations_are_timed_within_the_merge(slices: Slices, rows: Rows) -> None:
    """A table's derivations and a derive step's statement; a slice without any spent nothing on them."""
    plain = slices.commit()
    unfolding = slices.commit(table=replace(THINGS, derivations=(SLOW,)))
    step = slices.commit(derive=Derive("attribute", SLOW_STEP, {}))
    assert plain.derive_ms < unfolding.derive_ms
    for each in (unfolding, step):
        assert 60 <= each.derive_ms <= each.merge_ms
    assert _logged(rows, "derive_ms, merge_ms") == (step.derive_ms, step.merge_ms)


def test_the_time_at_the_database_is_the_slices_own(slices: Slices, rows: Rows) -> None:
    """From its claim on: what an earlier slice of the same environment spent is not in it, and the
    transaction that opened its run is."""
    slices.commit(table=replace(THINGS, derivations=(SLOW,)))
    before = slices.store.connection.spent()
    second = slices.commit()
    spent = slices.store.connection.spent().since(before)
    assert second.database_ms == pytest.approx(spent.seconds * 1000, abs=1)
    assert second.begin_ms == pytest.approx(spent.until_begun * 1000, abs=1)
    third = slices.commit(derive=Derive("attribute", SLOW_STEP, {}))
    assert third.begin_ms <= third.database_ms
    assert third.merge_ms <= third.database_ms
    database_ms, begin_ms = _logged(rows, "database_ms, begin_ms")
    assert 60 <= database_ms <= third.database_ms
    assert begin_ms == third.begin_ms


def test_a_slow_start_of_a_transaction_is_told_apart(
    slices: Slices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler that lets us wait for a server: the database is not slow, there is none."""
    monkeypatch.setattr(
        "sluice.postgres.connection._TIMEOUTS", "SELECT %s, %s, %s FROM pg_sleep(0.05)"
    )
    committed = slices.commit()
    assert 150 <= committed.begin_ms <= committed.database_ms  # claim, run, commit


def test_what_was_looked_up_keeps_its_times(
    slices: Slices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COMMIT's answer was lost: the log knows how long the derivation took."""
    real = PostgresCommits._store

    def lose_answer(self: Any, tx: Any, *more: Any) -> None:
        real(self, tx, *more)
        tx.execute("COMMIT")
        raise psycopg.OperationalError("the answer is lost")

    monkeypatch.setattr(PostgresCommits, "_store", lose_answer)
    found = slices.commit(derive=Derive("attribute", SLOW_STEP, {}))
    assert found.derive_ms >= 60
    assert found.derived == {"seen": 7}


def test_a_runs_times_are_the_sums_of_its_slices(slices: Slices, rows: Rows) -> None:
    """Of its own; a slice of older code, which noted nothing, does not make the sum unknown."""
    slices.commit()
    slices.commit()
    rows.execute(
        "UPDATE sluice.commit_log SET endpoints = NULL, wait_ms = NULL, derive_ms = NULL,"
        " database_ms = NULL, begin_ms = NULL WHERE seq = 1"
    )
    slices.commit()
    sums: LiteralString = ", ".join(f"sum({name})" for name in TIMES.split(", "))
    logged = rows.execute(f"SELECT {sums} FROM sluice.commit_log").fetchone()
    query: LiteralString = (
        f"SELECT {TIMES}, slices, vendor_ms, busy_ms FROM sluice.run_times WHERE run_id = %s"
    )
    found = rows.execute(query, (slices.run_id,)).fetchone()
    assert found is not None
    assert found[:6] == logged
    assert found[6:8] == (3, 2 * 590)
    assert found[8] == found[0] + found[4]  # type: ignore[operator]


def test_a_runs_endpoints_are_summed_up(slices: Slices, rows: Rows) -> None:
    slices.commit()
    slices.commit()
    found = rows.execute(
        "SELECT endpoint, requests, retries, errors, ms, ms_per_request FROM sluice.run_endpoints"
        " WHERE run_id = %s ORDER BY endpoint",
        (slices.run_id,),
    ).fetchall()
    assert found == [("/orders", 10, 2, 4, 1000, 100), ("/orders/{id}", 4, 0, 0, 180, 45)]


def test_a_run_without_a_slice_has_no_times(slices: Slices, rows: Rows) -> None:
    slices.store.commits.fail_run(KEY, error="x", reason="schedule", run_id=slices.run_id, now=NOW)
    query = "SELECT slices, busy_ms, vendor_ms, database_ms FROM sluice.run_times"
    assert rows.execute(query).fetchone() == (0, 0, 0, 0)
    assert rows.execute("SELECT count(*) FROM sluice.run_endpoints").fetchone() == (0,)


def test_a_whole_slice_says_where_its_time_went(shared_commits: Any, shared_rows: Rows) -> None:
    """Through the real engine and the cars connector: the report's timings and the vendor's endpoint."""
    worker = Worker(shared_commits)
    worker.rows = [row(id=1, year=2001)]
    worker.messages.ask_for_slice(worker.key, reason="manual", full_since=worker.clock())
    reports = list(worker._reports())
    timings = reports[0].timings_ms
    assert set(timings) == {"fetch", "wait", "database", "begin", "merge", "derive"}
    assert timings["merge"] <= timings["database"]
    logged = shared_rows.execute(
        "SELECT endpoints -> '/api/cars' ->> 'requests', requests FROM sluice.commit_log"
        " WHERE stream_key = %s AND seq = 1",
        (str(worker.key),),
    ).fetchone()
    assert logged is not None
    assert int(str(logged[0])) == logged[1]
