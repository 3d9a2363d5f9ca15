"""A worker that may not read its secret: the run fails with what to do, and the audit has a row of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from tests.unit.functions.handlers import ScriptedAws, environment, record, run, scripted_aws
from tests.unit.functions.test_worker import DESK, ENTRY, MESSAGE

REFUSED = {"__type": "AccessDeniedException", "message": "canary-of-a-refusal"}


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as scripted:
        yield scripted


def test_a_worker_notes_a_secret_that_it_may_not_read(
    aws: ScriptedAws, database: Database, rows: psycopg.Connection[Any]
) -> None:
    """The slice ends as it would have ended without the note."""
    aws.will("GetItem", {})  # switches: none
    aws.will("ChangeMessageVisibility", {})
    aws.will("GetItem", {"Item": DESK})
    aws.will("UpdateItem", {"Attributes": DESK})
    aws.will("GetItem", {"Item": ENTRY})
    aws.will("GetSecretValue", REFUSED, status=400)
    aws.will("GetSecretValue", {"SecretString": database.app_url})
    aws.will("UpdateItem", {"Attributes": DESK})  # leave
    names = environment(AWS_ENDPOINT_URL=aws.endpoint, AWS_LAMBDA_FUNCTION_NAME="sluice-worker")
    ran = run("worker", {"Records": [record("1", MESSAGE)]}, names)
    assert ran.answer == {"batchItemFailures": []}
    assert ran.line("slice")["outcome"] == "run_failed"
    found = rows.execute("SELECT actor, action, scope, after, why FROM sluice.audit").fetchall()
    assert found == [
        (
            "function:sluice-worker",
            "secret-unreadable",
            "acme#cars#cars",
            '{"secret": "sluice/acme/cars"}',
            "SecretMissing",
        )
    ]
