"""Readiness of a real database: there, too old, and given back afterwards. AWS is scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from tests.unit.functions.handlers import Ran, ScriptedAws, scripted_aws
from tests.unit.functions.test_health import DEPTHS, ask, will_claim


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as scripted:
        yield scripted


def ready(aws: ScriptedAws, database: Database) -> Ran:
    will_claim(aws)
    aws.will("Query", {"Items": [], "Count": 0})
    aws.will("GetSecretValue", {"SecretString": database.app_url})
    aws.will("GetSecretValue", {"SecretString": database.app_url})
    aws.will("GetQueueAttributes", DEPTHS)
    aws.will("GetQueueAttributes", DEPTHS)
    return ask(aws, "GET /ready")


def test_it_is_ready(aws: ScriptedAws, database: Database) -> None:
    ran = ready(aws, database)
    assert ran.answer["statusCode"] == 200
    said: dict[str, Any] = json.loads(ran.answer["body"])
    assert said == {
        "ready": True,
        "parts": dict.fromkeys(("table", "secrets", "queue", "database", "schema"), "ok"),
        "age_s": said["age_s"],
    }


def test_a_schema_that_is_too_old_is_told_as_such(
    aws: ScriptedAws, database: Database, rows: psycopg.Connection[Any]
) -> None:
    """The database answers, and this code would refuse to work on it."""
    rows.execute("DELETE FROM sluice_migrations WHERE version > '0019'")
    ran = ready(aws, database)
    assert ran.answer["statusCode"] == 503
    parts = json.loads(ran.answer["body"])["parts"]
    assert (parts["database"], parts["schema"]) == ("ok", "too old")
    assert "sluice migrate" in ran.line("not_ready")["why"]
