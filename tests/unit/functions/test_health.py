"""The function that anybody may call: what it asks, what it says, and what it never says."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from local.places import PROJECT
from sluice.postgres.commits import REQUIRED_MIGRATION
from sluice.versions import VERSION, code_digest
from tests.unit.functions.handlers import Ran, ScriptedAws, environment, run

DEPTHS = {
    "Attributes": {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
    }
}
AWAY = "postgresql://app:canary-password@127.0.0.1:1/app"
TOKEN = "a-token-of-some-length"


def ask(aws: ScriptedAws, route: str, headers: dict[str, str] | None = None, **names: str) -> Ran:
    event = {"version": "2.0", "routeKey": route, "headers": headers or {}}
    return run("health", event, environment(AWS_ENDPOINT_URL=aws.endpoint, **names))


def will_claim(aws: ScriptedAws) -> None:
    """No answer is kept yet, and it is ours to make one; when it is made, somebody else has followed us."""
    aws.will("GetItem", {})
    aws.will("UpdateItem", {"Attributes": _page("mine")})
    aws.will("GetItem", {})


def _page(body: str) -> dict[str, Any]:
    return {
        "subject": {"S": "health#ready"},
        "version": {"N": "1"},
        "page": {"S": json.dumps({"x": body})},
    }


def test_alive_asks_nobody(aws: ScriptedAws) -> None:
    """And says which code it is, as whoever has a checkout can find out."""
    ran = ask(aws, "GET /health")
    assert ran.answer["statusCode"] == 200
    assert ran.answer["headers"]["cache-control"] == "no-store"
    assert json.loads(ran.answer["body"]) == {
        "alive": True,
        "version": VERSION,
        "code": code_digest(),
        "schema_required": REQUIRED_MIGRATION,
    }
    assert aws.asked == []


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION


def test_what_is_away_is_one_word(aws: ScriptedAws) -> None:
    """The log has the reason, without a password; the answer has neither host nor name."""
    will_claim(aws)
    aws.will("Query", {"Items": [], "Count": 0})
    aws.will("GetSecretValue", {"SecretString": AWAY})
    aws.will("GetQueueAttributes", DEPTHS)
    denied = {"__type": "com.amazonaws.sqs#AccessDenied", "message": "arn:aws:sqs:canary"}
    aws.will("GetQueueAttributes", denied, status=400)
    ran = ask(aws, "GET /ready")
    assert ran.answer["statusCode"] == 503
    said = json.loads(ran.answer["body"])
    assert said["parts"] == {
        "table": "ok", "secrets": "ok", "queue": "unreachable", "database": "unreachable", "schema": "unknown",
    }  # fmt: skip
    told = {line["part"]: line["why"] for line in ran.lines if line["message"] == "not_ready"}
    assert set(told) == {"queue", "database"}
    assert "canary-password" not in json.dumps(ran.lines)
    for secret in ("canary", "127.0.0.1", "postgresql", "arn:", "database#"):
        assert secret not in ran.answer["body"]


def test_a_secret_that_is_away_takes_the_database_with_it(aws: ScriptedAws) -> None:
    will_claim(aws)
    aws.will("Query", {"Items": [], "Count": 0})
    aws.will("GetSecretValue", {"__type": "ResourceNotFoundException", "message": "x"}, status=400)
    aws.will("GetQueueAttributes", DEPTHS)
    aws.will("GetQueueAttributes", DEPTHS)
    said = json.loads(ask(aws, "GET /ready").answer["body"])
    assert said["parts"] == {
        "table": "ok", "secrets": "unreachable", "queue": "ok", "database": "unknown", "schema": "unknown",
    }  # fmt: skip


def test_without_its_table_nothing_else_is_asked(aws: ScriptedAws) -> None:
    aws.will("GetItem", {"__type": "ResourceNotFoundException", "message": "x"}, status=400)
    ran = ask(aws, "GET /ready")
    assert ran.answer["statusCode"] == 503
    parts = json.loads(ran.answer["body"])["parts"]
    assert parts.pop("table") == "unreachable"
    assert set(parts.values()) == {"unknown"}
    assert aws.operations == ["GetItem"]


def test_without_a_token_configured_nothing_is_scraped(aws: ScriptedAws) -> None:
    ran = ask(aws, "GET /metrics", {"authorization": f"Bearer {TOKEN}"})
    assert ran.answer["statusCode"] == 404
    assert aws.asked == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer not-the-right-token"}])
def test_a_stranger_gets_nothing_and_starts_nothing(
    aws: ScriptedAws, headers: dict[str, str]
) -> None:
    aws.will("GetSecretValue", {"SecretString": TOKEN})
    ran = ask(aws, "GET /metrics", headers, SLUICE_METRICS_TOKEN_SECRET="token")
    assert ran.answer["statusCode"] == 401
    assert aws.operations == ["GetSecretValue"]
    assert TOKEN not in json.dumps(ran.lines)


def test_figures_are_drawn_of_what_answers(aws: ScriptedAws) -> None:
    """What does not is counted: here everything but the page that keeps the answer."""
    aws.will("GetSecretValue", {"SecretString": TOKEN})
    will_claim(aws)
    aws.will("GetItem", {})  # the switches
    headers = {"Authorization": f"Bearer {TOKEN}"}
    ran = ask(aws, "GET /metrics", headers, SLUICE_METRICS_TOKEN_SECRET="token")
    assert ran.answer["statusCode"] == 200
    assert ran.answer["headers"]["content-type"].startswith("text/plain; version=0.0.4")
    [unknown] = [
        line for line in ran.answer["body"].splitlines() if line.startswith("sluice_unknown_parts ")
    ]
    assert int(unknown.split()[1]) > 0
