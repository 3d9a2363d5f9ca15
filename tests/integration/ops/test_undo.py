"""`sluice undo` against a real database: what it would do, what it did, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.postgres import Database
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment
from tests.integration.postgres.worker import Worker, row
from tests.unit.sources.cars_vendor import Clock

EVERY = [row(id=f"car-{n}") for n in range(9)]


@pytest.fixture
def run_id(deployment: Deployment, database: Database) -> Iterator[str]:
    """A run that removed three cars."""
    connection = PostgresConnection(database.app_url)
    worker = Worker(
        PostgresCommits(connection), clock=Clock(datetime.now(UTC) + timedelta(hours=1))
    )
    worker.read_all(EVERY)
    assert worker.read_all(EVERY[3:]).deleted == 3
    found = deployment.owner.execute(
        "SELECT DISTINCT run_id::text FROM sluice.commit_log WHERE deleted > 0"
    ).fetchall()
    yield str(found[0][0])
    connection.close()


def removed(deployment: Deployment) -> int:
    row = deployment.owner.execute("SELECT count(*) FROM cars WHERE deleted_at IS NOT NULL")
    found = row.fetchone()
    assert found is not None
    return int(found[0])


def test_it_says_first_and_does_with_yes(
    run_id: str, deployment: Deployment, sluice: Command
) -> None:
    """By the beginning of the run's id. Nothing changes, and nothing is audited, without --yes."""
    said = sluice.printed("undo", run_id[:8])
    assert "would bring back (say --yes to do it): 3 row(s)" in said
    assert removed(deployment) == 3
    done = sluice.printed("undo", run_id[:8], "--why", "vendor was wrong", "--yes", "--json")
    told = json.loads(done)
    assert (told["rows"], told["left"], told["done"]) == (3, 0, True)
    assert removed(deployment) == 0
    audited = deployment.owner.execute("SELECT action, why FROM sluice.audit").fetchall()
    assert audited == [("undo reconcile", "vendor was wrong")]


def test_what_cannot_be_undone_is_one_line(run_id: str, sluice: Command) -> None:
    for wrong in ("abc", "ffffffff"):
        code, told = sluice.error("undo", wrong, "--yes")
        assert code == 2
        assert f"no run '{wrong}'" in told
