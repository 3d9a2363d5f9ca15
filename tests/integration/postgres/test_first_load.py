"""Whether a stream's first load is over, by the log of runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from local.postgres import Database
from sluice.core.keys import StreamKey
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.first_load import FirstLoads

KEY = StreamKey("acme", "shipbob", "orders")
RUN = """
INSERT INTO sluice.run (run_id, stream_key, client_id, source, stream, reason, outcome, started_at, last_progress_at,
                        ended_at)
VALUES (%(id)s, %(key)s, 'acme', 'shipbob', 'orders', %(reason)s, %(outcome)s, now(), now(),
        CASE WHEN %(outcome)s = 'running' THEN NULL ELSE now() END)
"""


class Runs:
    """The log of runs, and who asks it."""

    def __init__(self, database: Database, rows: psycopg.Connection[tuple[object, ...]]) -> None:
        self.connection = PostgresConnection(database.app_url)
        self.loads, self._rows = FirstLoads(self.connection), rows

    def add(self, outcome: str, reason: str = "schedule", key: StreamKey = KEY) -> str:
        number = str(uuid.uuid4())
        given = {"id": number, "key": str(key), "reason": reason, "outcome": outcome}
        self._rows.execute(RUN, given)
        return number


@pytest.fixture
def runs(database: Database, rows: psycopg.Connection[tuple[object, ...]]) -> Iterator[Runs]:
    made = Runs(database, rows)
    yield made
    made.connection.close()


def test_it_is_not_over_while_the_first_run_goes_on_or_has_just_ended(runs: Runs) -> None:
    """The run asked about may be the first itself: what it found, no push could have brought."""
    first = runs.add("running")
    assert not runs.loads.is_over(KEY, first)
    second = runs.add("completed", key=StreamKey("bolt", "shipbob", "orders"))
    assert not runs.loads.is_over(KEY, second)
    done = runs.add("completed")
    assert not runs.loads.is_over(KEY, done)
    assert runs.loads.is_over(KEY, first)


@pytest.mark.parametrize(("outcome", "reason"), [("failed", "schedule"), ("completed", "backfill")])
def test_failed_runs_and_backfills_are_no_first_load(runs: Runs, outcome: str, reason: str) -> None:
    runs.add(outcome, reason)
    assert not runs.loads.is_over(KEY, None)


def test_it_is_asked_until_it_is_over_and_then_no_more(runs: Runs) -> None:
    assert not runs.loads.is_over(KEY, None)
    runs.add("completed")
    assert runs.loads.is_over(KEY, None)
    runs.connection.transaction = None  # type: ignore[method-assign, assignment]
    assert runs.loads.is_over(KEY, "another")
