"""Runs, leases and rejects as they stand, for people and for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from sluice.core.keys import StreamKey
from sluice.dynamo.leases import DynamoLeaseStore
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment


def test_runs_are_listed_newest_first(applied: Deployment, sluice: Command) -> None:
    """With their figures, why one failed, and what another noted; filtered by client and age."""
    applied.add_run("harbour", note="brake tripped")
    applied.add_run("ridge", outcome="failed", last_error="CredentialsRefused: 401",
                    started_at=datetime.now(UTC) - timedelta(hours=30))  # fmt: skip
    lines = sluice.printed("runs", "--hours", "48").splitlines()
    assert [line.split()[:2] for line in lines[3:5]] == [["1", "harbour"], ["2", "ridge"]]
    assert "harbour cars.cars: brake tripped" in lines
    assert "ridge cars.cars failed: CredentialsRefused: 401" in lines
    assert len(json.loads(sluice.printed("runs", "--json"))) == 1
    assert len(json.loads(sluice.printed("runs", "--hours", "48", "--limit", "1", "--json"))) == 1
    assert sluice.printed("runs", "--client", "ridge") == "no run began in the last 24 hours\n"
    (run,) = json.loads(sluice.printed("runs", "--client", "harbour", "--json"))
    assert (run["latency_avg_ms"], run["latency_p95_ms"], run["pages_per_second"]) == (40, 83, 0.5)


def test_leases_are_listed(applied: Deployment, sluice: Command) -> None:
    """Who holds what, and which ran out."""
    assert sluice.printed("leases") == "no lease is held now\n"
    client: Any = boto3.client("dynamodb")
    store = DynamoLeaseStore(client, applied.environment["SLUICE_STATE_TABLE"])
    now = datetime.now(UTC)
    for name, seconds in (("harbour", 60), ("ridge", -60)):
        key = StreamKey(name, "cars", "cars")
        store.acquire(key, f"owner-{name}", now=now, until=now + timedelta(seconds=seconds))
    client.close()
    lines = sluice.printed("leases").splitlines()
    assert [line.split()[:2] for line in lines[3:]] == [
        ["ridge#cars#cars", "ran"],
        ["harbour#cars#cars", "held"],
    ]
    assert lines[4].endswith("owner-harbour")


def test_rejects_are_listed_shown_and_redriven(applied: Deployment, sluice: Command) -> None:
    """Open ones first of all; each with its body; asked for again only with --yes."""
    assert sluice.printed("rejects", "list") == "no open reject\n"
    applied.add_reject(reason="[red]not\x1b a number")
    applied.add_reject("ridge", record_id=None, field=None)
    settled = {"resolved_at": datetime.now(UTC), "resolution": "loaded"}
    applied.add_reject("ridge", **settled)
    lines = sluice.printed("rejects", "list").splitlines()
    assert len(lines) == 5
    assert "[red]not\\x1b a number" in "\n".join(lines)
    assert len(sluice.printed("rejects", "list", "--all").splitlines()) == 6
    assert len(sluice.printed("rejects", "list", "--client", "ridge").splitlines()) == 4
    limited = sluice.printed("rejects", "list", "--limit", "1").splitlines()
    assert limited[-1] == "there are more than these 1; see more with --limit"
    assert "there are more" not in sluice.printed("rejects", "list", "--limit", "2")
    listed = json.loads(sluice.printed("rejects", "list", "--json", "--client", "harbour"))
    shown = json.loads(sluice.printed("rejects", "show", str(listed[0]["reject_id"])))
    assert shown["raw"] == '{"id": 17, "year": "?"}'
    assert "raw" not in listed[0]
    assert sluice.error("rejects", "show", "999") == (
        2, "there is no reject 999; `sluice rejects list` shows them",
    )  # fmt: skip


def test_rejects_are_redriven_only_when_told_so(applied: Deployment, sluice: Command) -> None:
    """Counted by stream; settled ones are left alone."""
    for client_id in ("harbour", "harbour", "ridge"):
        applied.add_reject(client_id)
    applied.add_reject("ridge", resolved_at=datetime.now(UTC), resolution="loaded")
    assert sluice.printed("rejects", "redrive").splitlines() == [
        "would redrive (say --yes to do it): 3 row(s) of 2 stream(s)",
        "  harbour#cars#cars: 2",
        "  ridge#cars#cars: 1",
    ]
    assert applied.messages() == []
    assert audited(applied) == []
    assert sluice.printed("rejects", "redrive", "--client", "ridge", "--yes").startswith(
        "asked to redrive: 1 row(s) of 1 stream(s)"
    )
    assert [(m["client_id"], m["reason"]) for m in applied.messages()] == [("ridge", "redrive")]
    assert audited(applied) == [("redrive", "ridge#cars#cars")]


def audited(applied: Deployment) -> list[tuple[object, ...]]:
    return list(applied.owner.execute("SELECT action, scope FROM sluice.audit ORDER BY number"))
