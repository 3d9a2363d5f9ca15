"""The views that people and alarms read: sums, latencies, what is left to do, how fresh it is."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from sluice.core.keys import StreamKey
from sluice.postgres.commits import PostgresCommits
from tests.integration.postgres.worker import Rows, Worker, new_key, row

SUMMED: tuple[LiteralString, ...] = (
          "rows_read", "inserted", "updated", "unchanged", "stale", "rejected", "deleted",
          "pages", "requests", "retries", "errors", "bytes_received")  # fmt: skip
ALL_SUMMED: LiteralString = ", ".join(SUMMED)
NO_NUMBERS: Mapping[str, int] = {}
NOTHING: Mapping[str, object] = {}
ENDED = {"outcome": "failed", "ended_at": datetime(2030, 1, 1, tzinfo=UTC)}


def _add_stream(rows: Rows) -> StreamKey:
    key = new_key()
    rows.execute(
        "INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token)"
        " VALUES (%s, %s, %s, %s, 1)",
        (str(key), key.client_id, key.source, key.stream),
    )
    return key


def _add_run(
    rows: Rows, key: StreamKey, more: Mapping[str, object] = NOTHING, *, seconds_ago: float = 100
) -> str:
    """A run that began ``seconds_ago`` before the transaction's now()."""
    run_id = str(uuid.uuid4())
    rows.execute(
        "INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, reason, started_at,"
        " last_progress_at) SELECT %s, %s, %s, %s, %s, 'schedule', now() - make_interval(secs => %s), now()",
        (run_id, str(key), key.client_id, key.source, key.stream, seconds_ago),
    )
    if more:
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in more)
        update = sql.SQL("UPDATE sluice.run SET {} WHERE run_id = %s").format(sets)
        rows.execute(update, (*more.values(), run_id))
    return run_id


def _add_slice(
    rows: Rows,
    key: StreamKey,
    run_id: str,
    seq: int,
    latencies: Sequence[int] = (),
    more: Mapping[str, int] = NO_NUMBERS,
) -> dict[str, int]:
    """A slice with numbers of its own in each column; the numbers."""
    numbers = {**{name: 100 * seq + at for at, name in enumerate(SUMMED)}, **more}
    parts = ("inserted", "updated", "unchanged", "stale", "rejected")
    numbers["rows_read"] = sum(numbers[name] for name in parts)
    values = {
        "stream_key": str(key), "seq": seq, "fencing_token": 1, "run_id": run_id,
        "slice_id": str(uuid.uuid4()), "kind": "crawl", "cursor_before": "{}", "cursor_after": "{}",
        "has_more": True, "latencies_ms": list(latencies), "fetch_ms": 1, "merge_ms": 1,
        "note": f"slice {seq}", **numbers,
    }  # fmt: skip
    insert = sql.SQL("INSERT INTO sluice.commit_log ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    rows.execute(insert, values)
    return numbers


def _one(
    rows: Rows, view: LiteralString, columns: LiteralString, key: StreamKey
) -> tuple[Any, ...]:
    query: LiteralString = f"SELECT {columns} FROM sluice.{view} WHERE stream_key = %s"
    found = rows.execute(query, (str(key),)).fetchall()
    assert len(found) == 1
    return found[0]


def _p95(values: Sequence[int]) -> float:
    """Between the two nearest values, in proportion."""
    ordered, place = sorted(values), (len(values) - 1) * 0.95
    below = ordered[int(place)]
    above = ordered[min(int(place) + 1, len(ordered) - 1)]
    return below + (above - below) * (place - int(place))


def test_a_run_is_the_sum_of_its_slices(shared_rows: Rows) -> None:
    """Of its own ones: another run of the same stream, and another stream, are left out."""
    key, other = _add_stream(shared_rows), _add_stream(shared_rows)
    with shared_rows.transaction():
        past = _add_run(shared_rows, key, ENDED)
        _add_slice(shared_rows, key, past, 1)
        run_id = _add_run(shared_rows, key)
        slices = [_add_slice(shared_rows, key, run_id, seq) for seq in (2, 3, 4)]
        _add_slice(shared_rows, other, _add_run(shared_rows, other), 1)
    query: LiteralString = f"SELECT slices, note, {ALL_SUMMED} FROM sluice.runs WHERE run_id = %s"
    count, note, *sums = shared_rows.execute(query, (run_id,)).fetchone() or ()
    assert (count, note) == (3, "slice 2; slice 3; slice 4")
    assert sums == [sum(each[name] for each in slices) for name in SUMMED]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example is another stream
)
@given(slices=st.lists(st.lists(st.integers(0, 60_000), max_size=30), min_size=1, max_size=4))
def test_latencies_are_of_all_requests(shared_rows: Rows, slices: list[list[int]]) -> None:
    """A run's percentile is that of its requests together, not a mean of its slices' percentiles."""
    key = _add_stream(shared_rows)
    with shared_rows.transaction():
        run_id = _add_run(shared_rows, key)
        for seq, latencies in enumerate(slices, start=1):
            _add_slice(shared_rows, key, run_id, seq, latencies)
    columns: LiteralString = "latency_avg_ms, latency_p95_ms"
    found = [_one(shared_rows, "runs", columns, key)]
    query: LiteralString = f"SELECT {columns} FROM sluice.slices WHERE stream_key = %s ORDER BY seq"
    found += shared_rows.execute(query, (str(key),)).fetchall()
    wanted = [[ms for latencies in slices for ms in latencies], *slices]
    for (average, p95), latencies in zip(found, wanted, strict=True):
        if not latencies:
            assert (average, p95) == (None, None)
            continue
        assert float(average) == pytest.approx(statistics.fmean(latencies), abs=0.051)
        assert p95 == pytest.approx(_p95(latencies))


def test_a_slice_is_shown_as_it_was_logged(shared_rows: Rows) -> None:
    """One row per slice, with its client's and stream's names."""
    key = _add_stream(shared_rows)
    with shared_rows.transaction():
        numbers = _add_slice(shared_rows, key, _add_run(shared_rows, key), 7)
    names: LiteralString = f"client_id, source, stream, seq, kind, note, {ALL_SUMMED}"
    found = _one(shared_rows, "slices", names, key)
    assert found[:6] == (key.client_id, "cars", "cars", 7, "crawl", "slice 7")
    assert list(found[6:]) == [numbers[name] for name in SUMMED]


def test_a_run_without_slices_is_shown_with_zeros(shared_rows: Rows) -> None:
    """One that failed at once, say; sums are numbers, latencies are unknown."""
    key = _add_stream(shared_rows)
    _add_run(shared_rows, key, {"last_error": "refused"})
    found = _one(shared_rows, "runs", f"{ALL_SUMMED}, latency_p95_ms, last_error", key)
    assert found == (*[0] * len(SUMMED), None, "refused")


@pytest.mark.parametrize(
    ("read", "progress", "seconds"),
    [
        (2000, {"progress_done": 2000, "progress_total": 10_000}, 400),
        # 10,000 of these were read by an earlier run, which says nothing about this one's pace.
        (2000, {"progress_done": 12_000, "progress_total": 20_000}, 400),
        (2000, {"progress_done": 20_000, "progress_total": 20_000}, 0),
        (2000, {"progress_done": 20_001, "progress_total": 20_000}, None),
        (2000, {"progress_done": 2000}, None),
        (2000, {}, None),
        (0, {"progress_done": 2000, "progress_total": 10_000}, None),
        (2000, {"progress_done": 2000, "progress_total": 10_000, **ENDED}, None),
    ],
)
def test_what_is_left_is_expected_to_go_at_the_runs_own_pace(
    shared_rows: Rows, read: int, progress: dict[str, Any], seconds: float | None
) -> None:
    """100 seconds have passed; nothing is said where the total, or the pace, is not known."""
    key = _add_stream(shared_rows)
    parts = {"inserted": read, "updated": 0, "unchanged": 0, "stale": 0, "rejected": 0}
    with shared_rows.transaction():
        run_id = _add_run(shared_rows, key, progress)
        _add_slice(shared_rows, key, run_id, 1, more=parts)
        (eta,) = _one(shared_rows, "runs", "eta", key)
    assert eta == (None if seconds is None else timedelta(seconds=seconds))


def test_a_runs_duration_ends_with_it(shared_rows: Rows) -> None:
    """Until then it grows."""
    key = _add_stream(shared_rows)
    with shared_rows.transaction():
        run_id = _add_run(shared_rows, key)
        assert _one(shared_rows, "runs", "duration", key) == (timedelta(seconds=100),)
        shared_rows.execute(
            "UPDATE sluice.run SET ended_at = started_at + interval '7 s', outcome = 'completed'"
            " WHERE run_id = %s",
            (run_id,),
        )
        assert _one(shared_rows, "runs", "duration", key) == (timedelta(seconds=7),)


def test_the_engines_own_run_adds_up(commits: PostgresCommits, rows: Rows) -> None:
    """What the views say after a real run is what the worker said of it."""
    worker = Worker(commits)
    counts = worker.read_all([row(id=1), row(id=2), b'{"id":3,"year":"x"}'])
    columns = "outcome, rows_read, inserted, rejected, ended_at IS NULL, eta"
    found = _one(rows, "runs", columns, worker.key)
    assert found == ("completed", counts.read, counts.inserted, counts.rejected, False, None)


def test_fresh_is_what_was_committed_and_not_what_was_tried(
    commits: PostgresCommits, rows: Rows
) -> None:
    """A stream whose vendor is down is claimed every few minutes: that must not look like life."""
    worker = Worker(commits)
    columns = "seq, last_commit_at, since_last_commit, last_completed_at"
    assert commits.claim(worker.key, 1) is not None
    assert _one(rows, "freshness", columns, worker.key) == (0, None, None, None)
    worker = Worker(commits)
    worker.read_all([row(id=1)])
    committed = _last_commit(rows, worker.key)
    assert commits.claim(worker.key, 1000) is not None
    with rows.transaction():
        seq, at, since, _ = _one(rows, "freshness", columns, worker.key)
        (now,) = rows.execute("SELECT now()").fetchone() or ()
    assert (seq, at) == committed
    assert since == now - at


def _last_commit(rows: Rows, key: StreamKey) -> tuple[Any, ...] | None:
    query = (
        "SELECT seq, committed_at FROM sluice.commit_log WHERE stream_key = %s ORDER BY seq DESC"
    )
    return rows.execute(query, (str(key),)).fetchone()


def test_a_failed_run_is_the_last_outcome_and_no_completion(shared_rows: Rows) -> None:
    """Fresh is when a run last came to its end, however many began since."""
    key = _add_stream(shared_rows)
    done = {"outcome": "completed", "ended_at": datetime(2026, 1, 1, tzinfo=UTC)}
    failed = {"outcome": "failed", "ended_at": datetime(2026, 1, 2, tzinfo=UTC)}
    _add_run(shared_rows, key, done, seconds_ago=300)
    _add_run(shared_rows, key, {**failed, "last_error": "refused"}, seconds_ago=200)
    columns = "last_completed_at, last_outcome, last_error"
    found = _one(shared_rows, "freshness", columns, key)
    assert found == (done["ended_at"], "failed", "refused")
    _add_run(shared_rows, key)
    assert _one(shared_rows, "freshness", columns, key) == (done["ended_at"], "running", None)


def test_progress_of_a_crawl_is_noted_with_its_slices(commits: PostgresCommits, rows: Rows) -> None:
    """The stream's own figures, as the vendor tells them."""
    worker = Worker(commits)
    worker.read_all([row(id=number) for number in range(3)])
    done, total, reason = _one(rows, "runs", "progress_done, progress_total, reason", worker.key)
    assert (done, reason) == (3, "manual")
    assert total >= done
