"""Applying clients and asking for work: what reaches the registry and the queue, and what does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import CLIENTS, Deployment


def test_clients_are_compared_applied_and_shown(
    deployment: Deployment, clients_yaml: Path, sluice: Command
) -> None:
    """diff says what apply does, exits with 1 until it is done, and with 0 from then on."""
    deployment.make_secrets("sluice/harbour", "sluice/ridge")
    code, out, _ = sluice.run("clients", "diff")
    assert code == 1
    assert "2 to add, 0 to change, 0 to disable, 0 as they are" in out
    assert json.loads(sluice.printed("clients", "show", "--json")) == []
    assert "2 to add" in sluice.printed("clients", "apply")
    assert "2 as they are" in sluice.printed("clients", "diff")
    clients_yaml.write_text(CLIENTS.replace("5m", "1h").split("  ridge:")[0])
    assert sluice.run("clients", "diff")[0] == 1
    assert sluice.printed("clients", "apply").splitlines()[1:] == [
        "change   harbour#cars#cars",
        "           cadence: 5m -> 1h",
        "disable  ridge#cars#cars",
        "0 to add, 1 to change, 1 to disable, 0 as they are",
    ]
    shown = json.loads(sluice.printed("clients", "show", "--json"))
    assert [(row["stream_key"], row["enabled"]) for row in shown] == [
        ("harbour#cars#cars", True),
        ("ridge#cars#cars", False),
    ]
    assert "ridge#cars#cars: disabled, every 5m" in sluice.printed("clients", "show")


@pytest.mark.parametrize("command", ["apply", "diff"])
def test_a_secret_that_is_not_there_is_one_line_and_nothing_is_written(
    deployment: Deployment, clients_yaml: Path, sluice: Command, command: str
) -> None:
    """The worker could only fail; the line says how to make it."""
    deployment.make_secrets("sluice/harbour")
    code, told = sluice.error("clients", command)
    assert code == 2
    assert told.startswith(
        "clients.yaml:9: clients.ridge.cars.secret: Secrets Manager has no secret"
    )
    assert json.loads(sluice.printed("clients", "show", "--json")) == []


def test_an_empty_registry_says_what_comes_first(deployment: Deployment, sluice: Command) -> None:
    """Right after a deploy."""
    assert "run `sluice clients apply` first" in sluice.printed("clients", "show")
    code, told = sluice.error("sync")
    assert code == 2
    assert told.startswith("there is no client yet; run `sluice clients apply` first")


def test_a_sync_is_asked_for(applied: Deployment, sluice: Command) -> None:
    """One message per stream; with a name only that client's; nothing is waited for."""
    assert sluice.printed("sync", "ridge").startswith(
        "asked the environment (SLUICE_...) for 1 stream(s)"
    )
    assert [(m["client_id"], m["reason"], "full_since" in m) for m in applied.messages()] == [
        ("ridge", "manual", False)
    ]
    sluice.printed("sync")
    assert sorted(m["client_id"] for m in applied.messages()) == ["harbour", "ridge"]


def test_a_full_sync_says_since_when_by_the_servers_clock(
    applied: Deployment, sluice: Command
) -> None:
    """A crawl that began before does not count as the one asked for."""
    sluice.printed("sync", "ridge", "--full")
    (message,) = applied.messages()
    age = datetime.now(UTC) - datetime.fromisoformat(message["full_since"])
    assert timedelta(0) <= age < timedelta(minutes=1)


@pytest.mark.parametrize(
    "words",
    [("sync", "ridje"), ("runs", "--client", "ridje"), ("rejects", "list", "--client", "ridje"),
     ("rejects", "redrive", "--client", "ridje")],
    ids=" ".join,
)  # fmt: skip
def test_an_unknown_client_is_one_line(
    applied: Deployment, sluice: Command, words: tuple[str, ...]
) -> None:
    """An empty table would look as if all were well. Nothing is asked for."""
    code, told = sluice.error(*words)
    assert (code, told) == (
        2, "there is no client 'ridje'; did you mean 'ridge'? there are: harbour, ridge",
    )  # fmt: skip
    assert applied.messages() == []


def test_an_unknown_stream_is_one_line(applied: Deployment, sluice: Command) -> None:
    """Named in full, and not there."""
    code, told = sluice.error("sync", "ridge#cars#bids")
    assert code == 2
    assert told.startswith("there is no stream 'ridge#cars#bids'; did you mean 'ridge#cars#cars'?")


def test_whoever_asks_or_changes_the_file_is_audited(
    applied: Deployment, clients_yaml: Path, sluice: Command
) -> None:
    """Before it is done; what changes nothing leaves no row."""
    sluice.printed("clients", "apply")
    sluice.printed("sync", "harbour")
    sluice.printed("sync", "harbour", "--full", "--dry-run")
    sluice.printed("sync", "--full")
    clients_yaml.write_text(clients_yaml.read_text().replace("cadence: 5m", "cadence: 7m"))
    sluice.printed("clients", "apply")
    rows = json.loads(sluice.printed("audit", "--json"))
    told = [(row["action"], row["scope"], row["after"]) for row in reversed(rows)]
    assert told == [
        ("sync", "harbour", {"asked": "sync", "streams": 1}),
        ("full-sync", "*", {"asked": "full-sync", "streams": 2}),
        ("clients-apply", "*", {"file": "clients.yaml", "change": 2}),
    ]
    applied.owner.execute("REVOKE INSERT ON sluice.audit FROM sluice_app")
    assert len(applied.messages()) == 3
    code, _ = sluice.error("sync", "harbour")
    assert (code, applied.messages()) == (2, [])
