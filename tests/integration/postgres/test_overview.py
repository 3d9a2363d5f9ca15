"""What a look at the whole asks the database: each question at the border of what it finds."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from local.postgres import Database
from sluice.core.overview.stream_history import RUNS_KEPT, StreamHistory
from sluice.core.removal import HELD_BACK_NOTE
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.overview import PostgresHistories
from tests.integration.postgres.history import Past
from tests.integration.postgres.worker import Rows, Worker, row

SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)


def known(histories: PostgresHistories, past: Past) -> StreamHistory:
    return histories.of([past.key])[past.key]


# --- runs -------------------------------------------------------------------------------------------------


def test_a_stream_that_nobody_worked_on_is_missing(
    histories: PostgresHistories, past: Past
) -> None:
    assert histories.of([past.key]) == {}
    assert histories.of([]) == {}


def test_a_stream_that_failed_before_its_first_claim_is_known(
    histories: PostgresHistories, past: Past
) -> None:
    """A missing secret: there is a failed run, and nobody ever claimed."""
    past.run(MINUTE, outcome="failed", error="SecretMissing: no such secret")
    found = known(histories, past)
    assert (found.claimed_at, found.fresh_at) == (None, None)
    assert [each.error for each in found.runs] == ["SecretMissing: no such secret"]


def test_the_newest_runs_come_with_the_sums_of_their_slices(
    histories: PostgresHistories, past: Past
) -> None:
    for hours in range(RUNS_KEPT + 2, 1, -1):
        past.run(hours * HOUR)
    run = past.run(HOUR, None, done=40, total=100)
    past.slice(run, HOUR, inserted=3, updated=2, note="first")
    past.slice(run, MINUTE, unchanged=5, stale=1, rejected=1, deleted=4, requests=7, note="second")
    found = known(histories, past)
    assert len(found.runs) == RUNS_KEPT
    now = found.running
    assert now is not None
    assert (now.run_id, now.slices, now.rows_read, now.inserted, now.updated) == (run, 2, 12, 3, 2)
    assert (now.unchanged, now.stale, now.rejected, now.deleted, now.requests) == (5, 1, 1, 4, 8)
    assert (now.share, now.note, now.error) == (0.4, "first; second", None)


def test_fresh_counts_from_when_the_latest_completed_run_began(
    histories: PostgresHistories, past: Past
) -> None:
    """Behind any number of failed ones."""
    past.run(10 * HOUR, HOUR)
    for minutes in range(RUNS_KEPT + 3, 0, -1):
        past.run(minutes * MINUTE, outcome="failed")
    found, now = known(histories, past), histories.now()
    assert found.completed_at is not None
    assert now - found.completed_at == pytest.approx(10 * HOUR, abs=10 * SECOND)


def test_a_worker_that_found_nothing_due_was_there(
    histories: PostgresHistories, past: Past
) -> None:
    """It leaves no run, only its claim; within 30 s of a run's end the two cannot be told apart."""
    past.run(HOUR, timedelta(minutes=10))
    past.claimed(50 * MINUTE - 29 * SECOND)
    assert known(histories, past).idle_at is None
    past.claimed(50 * MINUTE - 31 * SECOND)
    found = known(histories, past)
    assert found.idle_at == found.fresh_at == found.claimed_at


def test_who_begins_a_run_notes_that_the_one_before_found_nothing_due(
    shared_commits: PostgresCommits, histories: PostgresHistories, past: Past
) -> None:
    """Else the stream would look as old as its last run, while the next is read or when it failed."""
    past.run(24 * HOUR, MINUTE)
    past.claimed(10 * MINUTE)
    before = known(histories, past)
    shared_commits.claim(past.key, 7)
    past.run(timedelta(0), None)
    assert known(histories, past).idle_at == before.claimed_at
    shared_commits.claim(past.key, 8)  # for a later slice: no look at rest
    assert known(histories, past).fresh_at == before.claimed_at


def test_who_began_a_run_did_not_find_nothing_due(
    shared_commits: PostgresCommits, histories: PostgresHistories, past: Past
) -> None:
    """A vendor that fails: each tick claims, opens a run, and the run fails."""
    past.run(24 * HOUR, MINUTE)
    past.run(10 * MINUTE, 29 * SECOND, outcome="failed")
    past.claimed(9 * MINUTE + 2 * SECOND)
    shared_commits.claim(past.key, 7)
    assert known(histories, past).rested_at is None


def test_open_rejects_are_counted(
    shared_commits: PostgresCommits, histories: PostgresHistories
) -> None:
    worker = Worker(shared_commits)
    worker.read_all([row(id="c-1"), b'{"id": null}'])
    assert histories.of([worker.key])[worker.key].open_rejects == 1


def test_the_engines_own_slices_are_in_order(
    shared_commits: PostgresCommits, histories: PostgresHistories
) -> None:
    """What really was committed: nothing is broken, and each slice moved the cursor."""
    worker = Worker(shared_commits)
    worker.read_all([row(id="c-1")])
    found = histories.of([worker.key])[worker.key]
    assert (found.broken, found.brake, found.large) == ((), None, ())
    assert found.advanced_at is not None
    assert found.claimed_at is not None
    assert abs(found.advanced_at - found.claimed_at) < MINUTE


def test_a_commit_that_leaves_the_cursor_is_no_advance(
    shared_commits: PostgresCommits, histories: PostgresHistories, shared_rows: Rows
) -> None:
    """The cursor's time stays where it was, though the position's is new."""
    worker = Worker(shared_commits)
    worker.read_all([row(id="c-1")])
    key = str(worker.key)
    shared_rows.execute(
        "UPDATE sluice.sync_commit SET advanced_at = now() - interval '9 hours' WHERE stream_key = %s",
        (key,),
    )
    worker.redrive()
    kinds = shared_rows.execute(
        "SELECT kind FROM sluice.commit_log WHERE stream_key = %s ORDER BY seq DESC LIMIT 1", (key,)
    )
    assert kinds.fetchone() == ("redrive",)
    found = histories.of([worker.key])[worker.key]
    assert found.advanced_at is not None
    assert histories.now() - found.advanced_at > 8 * HOUR


# --- sums and seams -----------------------------------------------------------------------------------------


def test_a_log_without_a_gap_is_well(histories: PostgresHistories, past: Past) -> None:
    run = past.run(HOUR)
    for minutes in range(20, 0, -1):
        past.slice(run, minutes * MINUTE, inserted=1)
    past.claimed()
    assert known(histories, past).broken == ()


def test_a_position_that_is_not_the_logs_end_is_found(
    histories: PostgresHistories, past: Past
) -> None:
    run = past.run(HOUR)
    past.slice(run, MINUTE, inserted=1)
    past.seq = 2
    past.claimed()
    assert known(histories, past).broken == ("the stream stands at seq 2, and its log ends at 1",)
    past.seq = 0
    past.claimed()
    assert known(histories, past).broken == ("the stream stands at seq 0, and its log ends at 1",)


def test_a_missing_slice_is_found(histories: PostgresHistories, past: Past) -> None:
    run = past.run(HOUR)
    past.slice(run, 2 * MINUTE)
    past.slice(run, MINUTE, seq=3)
    past.claimed()
    assert known(histories, past).broken == ("there is no slice before 3",)


def test_a_torn_seam_is_found(histories: PostgresHistories, past: Past) -> None:
    run = past.run(HOUR)
    past.slice(run, 2 * MINUTE)
    past.slice(run, MINUTE, cursor_before='{"at": 7}')
    past.claimed()
    assert known(histories, past).broken == ("slice 2 did not begin where the one before ended",)


def test_an_older_token_is_found(histories: PostgresHistories, past: Past) -> None:
    run = past.run(HOUR)
    past.slice(run, 2 * MINUTE, fencing_token=9)
    past.slice(run, MINUTE, fencing_token=8)
    past.claimed()
    assert known(histories, past).broken == (
        "slice 2 has an older fencing token than the one before",
    )


def test_a_slice_that_does_not_add_up_is_found(
    histories: PostgresHistories, past: Past, shared_rows: Rows
) -> None:
    """The table's own constraint forbids it, so it is taken away for the moment."""
    run = past.run(HOUR)
    constraint = "every_row_read_is_accounted_for"
    with shared_rows.transaction(force_rollback=True):
        shared_rows.execute(f"ALTER TABLE sluice.commit_log DROP CONSTRAINT {constraint}")
        past.slice(run, MINUTE, inserted=1, rows_read=2)
        past.claimed()
        found = PostgresHistories(_Same(shared_rows)).of([past.key])[past.key]  # type: ignore[arg-type]
    assert found.broken == ("slice 1 read other rows than it accounts for",)


def test_what_broke_more_than_an_hour_ago_is_told_no_more(
    histories: PostgresHistories, past: Past
) -> None:
    run = past.run(2 * HOUR)
    past.slice(run, 2 * HOUR)
    past.slice(run, 61 * MINUTE, seq=3)
    past.slice(run, MINUTE)
    past.claimed()
    assert known(histories, past).broken == ()


# --- the brake ----------------------------------------------------------------------------------------------

BRAKE = "delete brake: 30 of 100 rows were missing"


def test_a_brake_is_told_until_a_reconcile_is_clean(
    histories: PostgresHistories, past: Past
) -> None:
    run = past.run(DAY)
    past.slice(run, DAY - MINUTE, kind="reconcile", note=BRAKE)
    past.slice(run, HOUR, kind="crawl")
    found = known_after_claim(histories, past)
    assert found.brake == BRAKE
    past.slice(
        run, 2 * MINUTE, kind="reconcile", note=f"{HELD_BACK_NOTE} 3 rows missing, none removed"
    )
    assert known_after_claim(histories, past).brake == BRAKE
    past.slice(run, MINUTE, kind="reconcile")
    assert known_after_claim(histories, past).brake is None


def test_a_brake_of_more_than_a_day_ago_is_told_no_more(
    histories: PostgresHistories, past: Past
) -> None:
    past.slice(past.run(2 * DAY), DAY + MINUTE, kind="reconcile", note=BRAKE)
    assert known_after_claim(histories, past).brake is None


def known_after_claim(histories: PostgresHistories, past: Past) -> StreamHistory:
    past.claimed()
    return known(histories, past)


# --- large slices -------------------------------------------------------------------------------------------


def test_large_runs_are_summed_newest_first(histories: PostgresHistories, past: Past) -> None:
    """Small slices between them, and the run under way, say nothing."""
    for hours in (4, 3, 2):
        run = past.run(hours * HOUR)
        past.slice(run, hours * HOUR, updated=100 + hours)
        past.slice(run, hours * HOUR, updated=200)
        past.slice(run, hours * HOUR, unchanged=99)
    past.slice(past.run(HOUR, None), HOUR, updated=500)
    found = known_after_claim(histories, past).large
    assert [(each.rows_read, each.updated, each.unchanged) for each in found] == [
        (302, 302, 0), (303, 303, 0), (304, 304, 0),
    ]  # fmt: skip


def test_one_row_left_alone_ends_it(histories: PostgresHistories, past: Past) -> None:
    past.slice(past.run(HOUR), HOUR, updated=500)
    past.slice(past.run(MINUTE), MINUTE, updated=499, unchanged=1)
    assert known_after_claim(histories, past).large == ()


# --- connections ------------------------------------------------------------------------------------------


def test_connections_of_the_login_are_counted(
    histories: PostgresHistories, shared_database: Database
) -> None:
    before = histories.connections()
    with psycopg.connect(shared_database.app_url):
        assert histories.connections() == before + 1


class _Same:
    """The owner's own connection, where a test must not commit."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def transaction(self) -> _Within:
        return _Within(self._rows)


class _Within:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __enter__(self) -> Rows:
        return self._rows

    def __exit__(self, *_: object) -> None:
        return None
