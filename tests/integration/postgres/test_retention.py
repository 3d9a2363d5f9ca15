"""Old history is forgotten, and nothing that somebody still reads: on a real database, as the application's login."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from local.postgres import Database
from sluice.core.errors import InvariantBroken
from sluice.core.history import Forgotten
from sluice.core.keys import StreamKey
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.first_load import FirstLoads
from sluice.postgres.retention import PostgresHistory
from tests.oracle import chain_faults, read_log

KEY = StreamKey("acme", "cars", "cars")
NOW = datetime.now(UTC)
BOUND = NOW - timedelta(days=90)

CLAIMED: LiteralString = """
INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token) VALUES (%s, %s, %s, %s, 1)
ON CONFLICT DO NOTHING
"""
RUN: LiteralString = """
INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, reason, outcome, started_at, last_progress_at,
       ended_at)
VALUES (%(run)s, %(key)s, 'acme', 'cars', 'cars', %(reason)s, %(outcome)s, %(at)s, %(at)s, %(ended)s)
"""
SLICES: LiteralString = """
WITH logged AS (
  INSERT INTO sluice.commit_log (stream_key, seq, fencing_token, run_id, slice_id, kind, cursor_before, cursor_after,
         has_more, rows_read, inserted, updated, unchanged, stale, rejected, deleted, pages, requests, retries, errors,
         bytes_received, latencies_ms, fetch_ms, merge_ms, committed_at)
  SELECT %(key)s, n, n, %(run)s, gen_random_uuid(), 'crawl',
         CASE WHEN n = 1 THEN '{}' ELSE jsonb_build_object('at', n - 1) END,
         jsonb_build_object('at', n), false, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, '{}', 1, 1, %(at)s
    FROM sluice.sync_commit s, generate_series(s.seq + 1, s.seq + %(slices)s) n WHERE s.stream_key = %(key)s
  RETURNING seq, slice_id)
UPDATE sluice.sync_commit SET seq = seq + %(slices)s, fencing_token = seq + %(slices)s,
       cursor = jsonb_build_object('at', seq + %(slices)s)
 WHERE stream_key = %(key)s AND EXISTS (SELECT FROM logged)
"""
REJECT: LiteralString = """
INSERT INTO sluice.rejects (stream_key, client_id, source, stream, record_id, reason, raw, raw_digest, seq, slice_id,
       resolved_at, resolution)
VALUES (%s, 'acme', 'cars', 'cars', %s, 'bad', '{}', gen_random_uuid(), 1, gen_random_uuid(), %s, %s)
"""


@dataclass
class History:
    """What a stream did, written as its owner; forgotten as the application does."""

    owner: psycopg.Connection[Any]
    kept: PostgresHistory

    def run(
        self,
        days_ago: float,
        *,
        slices: int = 1,
        outcome: str = "completed",
        reason: str = "schedule",
        key: StreamKey = KEY,
    ) -> str:
        """A run of that many days ago, over within a minute unless it is open; its id."""
        at = NOW - timedelta(days=days_ago)
        told = {
            "run": str(uuid.uuid4()), "key": str(key), "reason": reason, "outcome": outcome, "at": at, "slices": slices,
            "ended": None if outcome == "running" else at + timedelta(minutes=1),
        }  # fmt: skip
        self.owner.execute(CLAIMED, (str(key), key.client_id, key.source, key.stream))
        self.owner.execute(RUN, told)
        self.owner.execute(SLICES, told)
        return str(told["run"])

    def forget(self, *, limit: int = 5000, before: datetime = BOUND) -> Forgotten:
        return self.kept.forget(before=before, limit=limit)

    def runs(self) -> list[str]:
        query: LiteralString = "SELECT run_id::text FROM sluice.run ORDER BY started_at"
        return [row[0] for row in self.owner.execute(query)]

    def slices(self, key: StreamKey = KEY) -> list[int]:
        query: LiteralString = (
            "SELECT seq FROM sluice.commit_log WHERE stream_key = %s ORDER BY seq"
        )
        return [row[0] for row in self.owner.execute(query, (str(key),))]


@pytest.fixture
def history(database: Database, rows: psycopg.Connection[Any]) -> Iterator[History]:
    connection = PostgresConnection(database.app_url)
    yield History(rows, PostgresHistory(connection))
    connection.close()


def test_what_ended_long_ago_goes_with_its_slices(history: History) -> None:
    """And what is younger stays, to the day."""
    history.run(100, slices=3)
    history.run(90.01)
    younger = history.run(89.99, slices=2)
    newest = history.run(1)
    assert history.forget() == Forgotten(runs=2, slices=4)
    assert history.runs() == [younger, newest]
    assert history.slices() == [5, 6, 7]
    assert history.forget() == Forgotten()


def test_the_newest_run_stays_however_old(history: History) -> None:
    """A client that is paused for a year still shows where it stood, and its view of runs adds up."""
    history.run(500)
    newest = history.run(400, slices=3)
    assert history.forget() == Forgotten(runs=1, slices=1)
    assert history.runs() == [newest]
    assert history.slices() == [2, 3, 4]
    shown = history.owner.execute("SELECT slices, rows_read FROM sluice.runs").fetchall()
    assert shown == [(3, 3)]


def test_the_slice_that_the_stream_stands_at_stays_with_its_run(history: History) -> None:
    """Runs after it brought nothing: without it nobody could say what the cursor came from."""
    standing = history.run(400, slices=2)
    for days in (300, 200, 100):
        newest = history.run(days, slices=0, outcome="failed")
    assert history.forget() == Forgotten(runs=2)
    assert history.runs() == [standing, newest]
    assert history.slices() == [1, 2]
    fresh = history.owner.execute("SELECT last_commit_at IS NOT NULL FROM sluice.freshness")
    assert fresh.fetchall() == [(True,)]


def test_the_last_success_stays_known(history: History) -> None:
    """While a stream only fails: since when, and that its first load was over. Its slices are not needed for that."""
    completed = history.run(400, slices=2)
    history.run(300, slices=2, outcome="failed")
    backfilled = history.run(250, reason="backfill")
    history.run(200, outcome="abandoned")
    newest = history.run(1, outcome="failed")
    assert history.forget() == Forgotten(runs=2, slices=6)
    assert history.runs() == [completed, backfilled, newest]
    assert FirstLoads(history.kept.connection).is_over(KEY, newest)
    fresh = history.owner.execute("SELECT last_completed_at FROM sluice.freshness").fetchone()
    assert fresh == (NOW - timedelta(days=250) + timedelta(minutes=1),)


def test_a_run_that_is_open_stays_whole(history: History) -> None:
    """And so does the one that ended before it: people compare the two."""
    history.run(300)
    before = history.run(250, slices=2)
    running = history.run(200, slices=2, outcome="running")
    assert history.forget() == Forgotten(runs=1, slices=1)
    assert history.runs() == [before, running]
    assert history.slices() == [2, 3, 4, 5]


def test_an_open_reject_stays_and_a_resolved_one_goes(history: History) -> None:
    old, young = NOW - timedelta(days=100), NOW - timedelta(days=80)
    for name, at, how in (
        ("open", None, None), ("old", old, "loaded"), ("older", old, "discarded"), ("young", young, "superseded"),
    ):  # fmt: skip
        history.owner.execute(REJECT, (str(KEY), name, at, how))
    history.owner.execute("UPDATE sluice.rejects SET first_seen_at = now() - interval '2 years'")
    assert history.forget() == Forgotten(rejects=2)
    left = history.owner.execute("SELECT record_id FROM sluice.rejects ORDER BY 1").fetchall()
    assert left == [("open",), ("young",)]


def test_a_pass_is_bounded_and_the_next_goes_on(history: History) -> None:
    """Oldest first, slices before their run: at every moment what is left of a log is its end without a gap."""
    for days in (300, 200, 100, 1):
        history.run(days, slices=5)
    passes = []
    while (done := history.forget(limit=4)) != Forgotten():
        passes.append(done)
        log, at = read_log(history.owner, str(KEY))
        first = log[0]
        assert list(range(first.seq, at.seq + 1)) == [entry.seq for entry in log]
        faults = list(chain_faults(log, at))
        assert (
            len(faults) <= 2
        )  # the log begins later than at 1, and with a cursor: no other link is broken
        assert all(fault.startswith(f"seq {first.seq}") for fault in faults)
    assert [done.slices for done in passes] == [4, 4, 4, 3]
    assert sum(done.runs for done in passes) == 3
    assert len(history.runs()) == 1


def test_a_remembered_success_is_in_nobodys_way(history: History) -> None:
    """It stays at the old end of all runs for ever; a pass that looked at so many old runs would look at it only."""
    success = history.run(400)
    for days in (300, 200, 100):
        history.run(days, outcome="failed")
    newest = history.run(1, outcome="failed")
    passes = []
    while (done := history.forget(limit=1)) != Forgotten():
        passes.append(done)
    assert sum(done.runs for done in passes) == 3
    assert sum(done.slices for done in passes) == 4
    assert history.runs() == [success, newest]


def test_other_streams_are_judged_by_themselves(history: History) -> None:
    """The newest run of one stream says nothing of another's."""
    other = StreamKey("bolt", "cars", "cars")
    kept = history.run(200, key=other)
    history.run(200)
    newest = history.run(1)
    assert history.forget() == Forgotten(runs=1, slices=1)
    assert set(history.runs()) == {kept, newest}
    assert history.slices(other) == [1]


@pytest.mark.parametrize("days", [6.9, 0, -1])
def test_the_database_itself_keeps_a_week(history: History, days: float) -> None:
    """Also from a stolen login: what was done last week cannot be made unseen."""
    history.run(30)
    history.run(20)
    with pytest.raises(InvariantBroken, match="history of the last 7 days is kept"):
        history.forget(before=NOW - timedelta(days=days))
    assert len(history.runs()) == 2


@pytest.mark.parametrize("limit", [0, -1, 20_001])
def test_a_pass_without_a_bound_is_refused(history: History, limit: int) -> None:
    with pytest.raises(InvariantBroken, match="give 1 to 20000 rows"):
        history.forget(limit=limit)


def test_a_stream_goes_on_after_its_past_was_forgotten(history: History) -> None:
    """The next claim finds cursor and seq where they were."""
    history.run(300, slices=4)
    history.run(200, slices=1)
    history.forget()
    claim = PostgresCommits(history.kept.connection).claim(KEY, 1000)
    assert claim is not None
    assert (claim.seq, claim.cursor) == (5, {"at": 5})
