"""`sluice status` against a real database and an embedded AWS: what stands there is shown, nothing secret is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from sluice.core.ports import Revised
from sluice.dynamo.book import DynamoBook
from tests.contract import tables
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
CANARY = "planted-canary-4242"


@pytest.fixture
def book(applied: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoBook]:
    """The deployment's book; its pages are what workers and people wrote."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, applied.environment[name])
    client: Any = boto3.client("dynamodb", region_name=applied.environment["AWS_REGION"])
    limits = tables.create_limits_table(
        client, f"limits-of-{applied.environment['SLUICE_STATE_TABLE']}"
    )
    monkeypatch.setenv("SLUICE_LIMITS_TABLE", limits)
    yield DynamoBook(client, limits, chance=lambda: 0.5)
    client.close()


def seen(sluice: Command, *words: str) -> tuple[int, dict[str, Any]]:
    code, out, err = sluice.run("status", *words, "--json")
    assert err == ""
    found: dict[str, Any] = json.loads(out)
    return code, found


def ran(deployment: Deployment, client: str, ago: timedelta, **more: Any) -> None:
    at = datetime.now(UTC) - ago
    deployment.add_run(
        client, reason="schedule", started_at=at, last_progress_at=at, ended_at=at, **more
    )


def test_all_is_well_exits_with_0(applied: Deployment, book: DynamoBook, sluice: Command) -> None:
    for client in ("harbour", "ridge"):
        ran(applied, client, timedelta(minutes=3))
    code, picture = seen(sluice)
    assert (picture["findings"], picture["unknown"]) == ([], [])
    assert {each["stream_key"]: each["state"] for each in picture["streams"]} == {
        "harbour#cars#cars": "fresh", "ridge#cars#cars": "fresh"
    }  # fmt: skip
    assert code == 0
    assert "nothing is wrong" in sluice.printed("status")


def test_what_is_wrong_exits_with_5(applied: Deployment, book: DynamoBook, sluice: Command) -> None:
    ran(applied, "harbour", 3 * HOUR, outcome="failed", last_error=f"401 for {CANARY[:7]}")
    ran(applied, "harbour", 9 * HOUR)
    ran(applied, "ridge", timedelta(minutes=3))
    applied.add_reject("ridge")
    book.revise(
        "account#cars#sluice/ridge",
        lambda _: Revised(None, {"stopped": {"why": "401", "digest": "d"}}),
    )
    code, picture = seen(sluice)
    assert [(each["check"], each["subject"]) for each in picture["findings"]] == [
        ("streams-late", "harbour#cars#cars"),
        ("account-stopped", "cars#sluice/ridge"),
    ]
    [harbour, ridge] = picture["streams"]
    assert (harbour["state"], harbour["last"]["outcome"], ridge["open_rejects"]) == (
        "late",
        "failed",
        1,
    )
    assert harbour["fresh_for_s"] == pytest.approx(9 * 3600, abs=60)
    assert code == 5
    code, out, _ = sluice.run("status")
    assert code == 5
    assert "streams-late: docs/runbooks/streams-late.md" in out.splitlines()


def test_one_client_alone(applied: Deployment, book: DynamoBook, sluice: Command) -> None:
    _, picture = seen(sluice, "ridge")
    assert [each["stream_key"] for each in picture["streams"]] == ["ridge#cars#cars"]
    code, told = sluice.error("status", "rigde")
    assert (code, told.startswith("there is no client 'rigde'; did you mean 'ridge'?")) == (2, True)


def test_what_cannot_be_asked_is_said(
    applied: Deployment, book: DynamoBook, sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the password of a database that does not answer is in no line."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:{CANARY}@127.0.0.1:1/app")
    code, out, err = sluice.run("status")
    assert code == 5
    assert "2 streams: 2 unknown" in out.splitlines()
    assert "could not be asked: database: " in out
    assert CANARY not in out + err
