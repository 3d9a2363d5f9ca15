"""The database is away, or older than the code: work waits or says what to do, and is then done."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from local.postgres import Database, Postgres
from sluice.core.errors import DatabaseUnavailable
from sluice.core.keys import StreamKey
from sluice.postgres.commits import REQUIRED_MIGRATION
from sluice.postgres.connection import PostgresConnection
from tests.e2e.deployed import Deployed, until
from tests.e2e.test_catalogue import assert_in_step


@contextmanager
def no_connections(deployed: Deployed) -> Iterator[None]:
    """Every connection of the application is ended and no new one is let in."""
    allow = sql.SQL("ALTER DATABASE sluice WITH ALLOW_CONNECTIONS {}")
    # From another database: none can be closed from within.
    with psycopg.connect(deployed.names["POSTGRES_SUPERUSER_URL"], autocommit=True) as server:
        server.execute(allow.format(sql.Literal(False)))
        try:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'sluice' AND usename = 'sluice_login'"
            )
            yield
        finally:
            server.execute(allow.format(sql.Literal(True)))


@contextmanager
def older_schema(deployed: Deployed) -> Iterator[None]:
    """The newest migration that the code needs is marked as not applied; workers start anew, since
    each looks once."""
    mark = deployed.database.execute(
        "DELETE FROM public.sluice_migrations WHERE version >= %s RETURNING version",
        (REQUIRED_MIGRATION,),
    ).fetchall()
    try:
        start_workers_anew(deployed)
        yield
    finally:
        for row in mark:
            deployed.database.execute(
                "INSERT INTO public.sluice_migrations (version) VALUES (%s)", (row["version"],)
            )


def start_workers_anew(deployed: Deployed) -> None:
    """As AWS does after a change of the function's configuration. Killed ones would be asked all the same
    by the embedded AWS, which then waits for the function's whole timeout."""
    function = {"FunctionName": deployed.names["SLUICE_WORKER_FUNCTION"]}
    variables = deployed.aws("lambda").get_function_configuration(**function)["Environment"]
    deployed.aws("lambda").update_function_configuration(**function, Environment=variables)


def slices_logged(deployed: Deployed, key: StreamKey) -> list[dict[str, Any]]:
    """The worker's lines about a stream's slices."""
    lines = (line for line in deployed.log_lines("worker") if str(key) in line)
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line.get("message") == "slice"]


def dead_letters(deployed: Deployed) -> int:
    answer = deployed.aws("sqs").get_queue_attributes(
        QueueUrl=deployed.names["SLUICE_DLQ_URL"],
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@pytest.mark.long
def test_while_the_database_is_away_the_message_waits(deployed: Deployed) -> None:
    """By our own delay, not through the receive count: nothing fails, nothing becomes a dead letter."""
    key = deployed.add_client("database-away", cars=300)
    assert deployed.run_of(key, deployed.sync(key))["outcome"] == "completed"
    dead = dead_letters(deployed)

    with no_connections(deployed):
        began = deployed.sync(key)
        deferred = until(
            lambda: [s for s in slices_logged(deployed, key) if s["outcome"] == "deferred"],
            "a slice is put off",
        )
    assert "DatabaseUnavailable" in deferred[0]["detail"]

    run = deployed.run_of(key, began)
    assert (run["outcome"], run["last_error"]) == ("completed", None)
    assert_in_step(deployed, key)
    assert dead_letters(deployed) == dead


def test_whatever_moment_a_server_is_lost_at_the_database_is_unavailable(
    postgres_server: Postgres, database: Database, pooled_url: str
) -> None:
    """Also at those for which psycopg has other names: an error that is not sorted would send the message
    back for six minutes and keep the lease."""
    make_something(database)
    connection = PostgresConnection(pooled_url)
    with backends_ended_without_pause(postgres_server, database):
        lost = 0
        while lost < 300:
            try:
                copy_something(connection)
            except DatabaseUnavailable:
                lost += 1
    copy_something(connection)
    connection.close()


@contextmanager
def backends_ended_without_pause(server: Postgres, database: Database) -> Iterator[None]:
    ended = threading.Event()

    def end_them() -> None:
        with psycopg.connect(server.url(), autocommit=True) as superuser:
            while not ended.wait(0.004):
                superuser.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (database.name,),
                )

    thread = threading.Thread(target=end_them)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def make_something(database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE something (text text)")
        owner.execute(
            sql.SQL("GRANT ALL ON something TO {}").format(sql.Identifier(database.app_user))
        )


def copy_something(connection: PostgresConnection) -> None:
    with connection.transaction() as tx, tx.cursor() as cursor:
        with cursor.copy("COPY something FROM STDIN") as copy:
            for _ in range(300):
                copy.write_row(("x" * 200,))
        cursor.execute("SELECT 1")


def test_code_ahead_of_its_schema_says_which_command_helps(deployed: Deployed) -> None:
    """A failed run, at once, that names both versions; after the migration the next run succeeds."""
    key = deployed.add_client("older-schema", cars=300)
    with older_schema(deployed):
        run = deployed.run_of(key, deployed.sync(key))
    assert run["outcome"] == "failed"
    assert run["last_error"].startswith("SchemaTooOld: ")
    assert f"this code needs {REQUIRED_MIGRATION}" in run["last_error"]
    assert "sluice migrate pre" in run["last_error"]
    assert run["rows_read"] == 0

    assert deployed.run_of(key, deployed.sync(key))["outcome"] == "completed"
    assert_in_step(deployed, key)
