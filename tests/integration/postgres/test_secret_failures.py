"""Secrets that could not be read stand in the audit: once an hour each, and never at the cost of the slice."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from local.postgres import Database
from sluice.observability.logs import logger
from sluice.postgres import secret_failures
from sluice.postgres.audit import PostgresAudit
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.secret_failures import ACTION, NOTED_EVERY, SecretFailures
from tests.integration.postgres.worker import Rows

ROWS: LiteralString = "SELECT actor, scope, before, after, why FROM sluice.audit ORDER BY number"


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connection(database: Database) -> Iterator[PostgresConnection]:
    made = PostgresConnection(database.app_url)
    yield made
    made.close()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = logger.handlers[0].setStream(stream)  # type: ignore[attr-defined]
    yield stream
    logger.handlers[0].setStream(before or sys.stdout)  # type: ignore[attr-defined]


def failures(connection: PostgresConnection, clock: Clock) -> SecretFailures:
    """As a new environment has it, which remembers nothing."""
    return SecretFailures(connection, "function:worker", clock)


def test_a_failure_is_noted_without_what_was_said(
    connection: PostgresConnection, clock: Clock, database: Database, rows: Rows
) -> None:
    """Whose work it was, which secret, and of what kind of error; the chain goes on over it."""
    failures(connection, clock).note("sluice/acme", "acme#cars#cars", "SecretMissing")
    failures(connection, clock).note("sluice/bolt", "bolt#cars#cars", "RetryLater")
    assert rows.execute(ROWS).fetchall() == [
        ("function:worker", "acme#cars#cars", None, '{"secret": "sluice/acme"}', "SecretMissing"),
        ("function:worker", "bolt#cars#cars", None, '{"secret": "sluice/bolt"}', "RetryLater"),
    ]
    assert rows.execute("SELECT DISTINCT action FROM sluice.audit").fetchall() == [(ACTION,)]
    with psycopg.connect(database.app_url, autocommit=True) as app:
        assert PostgresAudit(app).verify().fault is None


def test_a_storm_of_failures_is_one_row_an_hour(
    connection: PostgresConnection, clock: Clock, rows: Rows
) -> None:
    """In one environment, and in as many as there are."""
    kept = failures(connection, clock)
    for _ in range(5):
        kept.note("sluice/acme", "acme#cars#cars", "SecretMissing")
        failures(connection, clock).note("sluice/acme", "acme#cars#trucks", "SecretMissing")
    assert len(rows.execute(ROWS).fetchall()) == 1
    rows.execute("ALTER TABLE sluice.audit DISABLE TRIGGER only_grow")
    rows.execute("UPDATE sluice.audit SET at = at - interval '61 minutes'")
    kept.note("sluice/acme", "acme#cars#cars", "SecretMissing")
    assert len(rows.execute(ROWS).fetchall()) == 1, "this environment knows that it was noted"
    clock.now += NOTED_EVERY
    kept.note("sluice/acme", "acme#cars#cars", "SecretMissing")
    assert len(rows.execute(ROWS).fetchall()) == 2


def test_environments_that_fail_at_once_note_it_once(
    database: Database, clock: Clock, rows: Rows
) -> None:
    """Each looks only once it is alone: else all of them would find nothing."""
    begin = threading.Barrier(6)

    def fail() -> None:
        own = PostgresConnection(database.app_url)
        with own.transaction():
            pass
        begin.wait()
        failures(own, clock).note("sluice/acme", "acme#cars#cars", "SecretMissing")
        own.close()

    threads = [threading.Thread(target=fail) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows.execute(ROWS).fetchall()) == 1


def test_a_note_that_fails_is_told_and_nobody_is_stopped(
    connection: PostgresConnection,
    clock: Clock,
    rows: Rows,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    logged: io.StringIO,
) -> None:
    """Without the right to write, behind a lock, without a database; and it is tried again the next time."""
    kept = failures(connection, clock)
    rows.execute("REVOKE INSERT ON sluice.audit FROM sluice_app")
    kept.note("sluice/acme", "acme#cars#cars", "SecretMissing")
    rows.execute("GRANT INSERT ON sluice.audit TO sluice_app")
    monkeypatch.setattr(secret_failures, "LOCK_TIMEOUT", "100ms")
    with psycopg.connect(database.owner_url) as other:
        other.execute("INSERT INTO sluice.audit (actor, action, scope) VALUES ('a', 'b', 'c')")
        kept.note("sluice/acme", "acme#cars#cars", "SecretMissing")
        other.rollback()
    away = PostgresConnection("postgresql://app:pw@127.0.0.1:1/app")
    failures(away, clock).note("sluice/acme", "acme#cars#cars", "SecretMissing")
    lines: list[dict[str, Any]] = [json.loads(line) for line in logged.getvalue().splitlines()]
    told = [line for line in lines if line["message"] == "secret_failure_not_noted"]
    assert [line["secret_name"] for line in told] == ["sluice/acme"] * 3
    assert "permission denied" in told[0]["why"]
    assert rows.execute(ROWS).fetchall() == []
    kept.note("sluice/acme", "acme#cars#cars", "SecretMissing")
    assert len(rows.execute(ROWS).fetchall()) == 1


def test_what_is_remembered_is_bounded(
    connection: PostgresConnection, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_failures, "MOST_REMEMBERED", 2)
    kept = failures(connection, clock)
    for name in ("a", "b", "c"):
        kept.note(name, "acme#cars#cars", "SecretMissing")
    assert set(kept.noted) == {"c"}
    clock.now += timedelta(minutes=1)
    assert clock.now > kept.noted["c"]
