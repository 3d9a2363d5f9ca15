"""Health, deployed: alive, ready, not ready when something is away, and figures for whoever has the token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sluice.postgres.commits import REQUIRED_MIGRATION
from sluice.versions import code_digest
from tests.e2e.deployed import Deployed, until

PARTS = ("table", "secrets", "queue", "database", "schema")


@pytest.fixture(scope="module")
def api(deployed: Deployed) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=deployed.names["SLUICE_HEALTH_URL"], timeout=60) as client:
        yield client


def parts_of(api: httpx.Client) -> dict[str, Any]:
    said: dict[str, Any] = api.get("/ready").json()
    return dict(said["parts"])


def test_it_is_alive_and_is_the_code_that_lies_here(api: httpx.Client) -> None:
    reply = api.get("/health")
    assert reply.status_code == 200
    said = reply.json()
    assert (said["code"], said["schema_required"]) == (code_digest(), REQUIRED_MIGRATION)


def test_it_is_ready_with_the_rights_of_its_role(api: httpx.Client) -> None:
    until(lambda: api.get("/ready").status_code == 200, "it is ready")
    assert parts_of(api) == dict.fromkeys(PARTS, "ok")


def test_a_storm_of_questions_is_answered_from_what_is_kept(
    deployed: Deployed, api: httpx.Client
) -> None:
    """By whatever number of environments: they all tell of the same moment, or the gateway turns them away."""
    with ThreadPoolExecutor(8) as callers:
        replies = list(callers.map(lambda _: api.get("/ready"), range(40)))
    assert {reply.status_code for reply in replies} <= {200, 429, 503}
    ages = [reply.json()["age_s"] for reply in replies if reply.status_code == 200]
    assert ages
    page = deployed.aws("dynamodb").get_item(
        TableName=deployed.names["SLUICE_LIMITS_TABLE"], Key={"subject": {"S": "health#ready"}}
    )["Item"]
    # Two writes make one answer; 40 makings would be 80.
    before = int(page["version"]["N"])
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda _: api.get("/ready"), range(40)))
    after = deployed.aws("dynamodb").get_item(
        TableName=deployed.names["SLUICE_LIMITS_TABLE"], Key={"subject": {"S": "health#ready"}}
    )["Item"]
    assert int(after["version"]["N"]) - before <= 12


def test_a_database_that_lacks_a_migration_is_told_in_a_word(
    deployed: Deployed, api: httpx.Client
) -> None:
    """And the answer names no host and no login."""
    owner = deployed.database
    taken = owner.execute(
        "DELETE FROM sluice_migrations WHERE version >= %s RETURNING version", (REQUIRED_MIGRATION,)
    ).fetchall()
    try:
        until(lambda: parts_of(api).get("schema") == "too old", "the answer is made anew")
        reply = api.get("/ready")
        assert reply.status_code == 503
        assert set(reply.json()["parts"].values()) == {"ok", "too old"}
        assert not re.search(r"postgres|127\.0\.0\.1|arn:|sluice", reply.text)
    finally:
        for row in taken:
            owner.execute("INSERT INTO sluice_migrations VALUES (%s)", (row["version"],))
    until(lambda: api.get("/ready").status_code == 200, "it is ready again")


def test_figures_are_for_whoever_has_the_token(deployed: Deployed, api: httpx.Client) -> None:
    """Nobody else, and nothing in them names a client."""
    deployed.add_client("scraped-canary", cars=20)
    secret = deployed.names["SLUICE_METRICS_TOKEN_SECRET"]
    token = deployed.aws("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    assert api.get("/metrics").status_code == 401
    assert api.get("/metrics", headers={"authorization": f"Bearer {token}x"}).status_code == 401

    def figures() -> str | None:
        reply = api.get("/metrics", headers={"authorization": f"Bearer {token}"})
        assert reply.status_code in (200, 503)
        found = reply.status_code == 200 and 'stream="cars"' in reply.text
        return reply.text if found else None

    text: str = until(figures, "the figures are drawn with the new client's stream")
    assert "\nsluice_unknown_parts 0\n" in text
    assert 'sluice_queue_messages{queue="slices",state="waiting"}' in text
    assert "canary" not in text
    lines = deployed.log_lines("health")
    assert [line for line in lines if token in line] == []
    assert [line for line in lines if "ERROR" in line] == []


def test_nothing_else_is_reached(api: httpx.Client) -> None:
    assert api.post("/ready").status_code == 404
    assert api.get("/healthz").status_code == 404
    assert json.loads(api.get("/health").text)["alive"] is True
