"""Steering a deployment by the command: switches in DynamoDB, the audit in Postgres, streams in the registry."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import psycopg
import pytest

from sluice.core.keys import StreamKey
from sluice.core.ports import Revised
from sluice.core.steering.ports import BookSwitches
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import SUBJECT, Pause, SwitchBoard
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.registry import DynamoRegistry
from tests.contract import tables
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment

HARBOUR = StreamKey("harbour", "cars", "cars")
RIDGE = StreamKey("ridge", "cars", "cars")


class Steered:
    """The deployment, and what a Lambda that begins now would see of it."""

    def __init__(self, deployment: Deployment, dynamo: Any, limits: str) -> None:
        self.deployment = deployment
        self.dynamo = dynamo
        self._book = DynamoBook(dynamo, limits, chance=lambda: 0.5)
        self._registry = DynamoRegistry(dynamo, deployment.environment["SLUICE_REGISTRY_TABLE"])

    def board(self) -> SwitchBoard:
        return BookSwitches(self._book, lambda: datetime.now(UTC)).board()

    def write(self, board: SwitchBoard) -> None:
        """As the command left it some time ago."""
        self._book.revise(SUBJECT, lambda _: Revised(None, board.page()))

    def due_in(self, key: StreamKey) -> timedelta:
        due_at = self._registry.get(key).due_at
        assert due_at is not None
        return due_at - datetime.now(UTC)

    def put_off(self) -> None:
        """All streams are due in an hour, as after a tick that found them due."""
        later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
        for key in (HARBOUR, RIDGE):
            self.dynamo.update_item(
                TableName=self.deployment.environment["SLUICE_REGISTRY_TABLE"],
                Key={"stream_key": {"S": str(key)}},
                UpdateExpression="SET due_at = :later",
                ExpressionAttributeValues={":later": {"N": str(later)}},
            )


@pytest.fixture
def steered(applied: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    client: Any = boto3.client("dynamodb")
    limits = tables.create_limits_table(client, "limits")
    monkeypatch.setenv("SLUICE_LIMITS_TABLE", limits)
    yield Steered(applied, client, limits)
    client.close()


def test_a_client_is_paused_and_resumed(steered: Steered, sluice: Command) -> None:
    """What workers see, what is audited, and that its streams are due at once afterwards."""
    steered.put_off()
    assert sluice.printed("switches") == "no switch is set: all runs as the clients file says\n"
    out = sluice.printed("pause", "harbour", "--why", "asked us to")
    assert out.startswith("paused harbour until somebody resumes it: 1 active stream(s)")
    found = steered.board().pause_of(HARBOUR)
    assert found is not None
    assert (found.why, found.by.startswith("arn:aws:")) == ("asked us to", True)
    assert steered.board().pause_of(RIDGE) is None

    assert "was paused already" in sluice.printed("pause", "harbour")
    assert "is still paused by harbour" in sluice.printed("resume", "harbour#cars")
    [listed] = json.loads(sluice.printed("switches", "--json"))
    assert (listed["scope"], listed["kind"], listed["why"]) == ("harbour", "pause", "asked us to")

    assert steered.due_in(HARBOUR) > timedelta(minutes=50)
    out = sluice.printed("resume", "harbour")
    assert out == "resumed harbour: 1 active stream(s), 1 of them made due at once\n"
    assert steered.board().pause_of(HARBOUR) is None
    assert steered.due_in(HARBOUR) <= timedelta(0)
    assert steered.due_in(RIDGE) > timedelta(minutes=50)
    assert sluice.printed("resume", "harbour") == "harbour is not paused\n"

    rows = json.loads(sluice.printed("audit", "--json"))
    assert [(row["number"], row["action"]) for row in rows] == [(2, "resume"), (1, "pause")]
    assert rows[1]["after"]["why"] == "asked us to"
    assert rows[0]["before"] == rows[1]["after"]


def test_a_sync_of_a_paused_client_is_one_line_and_nothing_is_asked(
    steered: Steered, sluice: Command
) -> None:
    """Which pause, by whom, and how to resume; with --full and --follow just the same."""
    sluice.printed("pause", "ridge", "--why", "asked us to")
    for words in ((), ("--full",), ("--follow",)):
        code, told = sluice.error("sync", "ridge", *words)
        assert code == 1
        assert told.startswith("nothing was asked for: ridge#cars#cars: paused by ridge since 2")
        assert " by arn:aws:" in told
        assert told.endswith("(asked us to); `sluice resume ridge` ends that")
    assert steered.deployment.messages() == []
    sluice.printed("resume", "ridge")
    sluice.printed("sync", "ridge")
    assert [m["client_id"] for m in steered.deployment.messages()] == ["ridge"]


def test_a_sync_of_all_asks_for_what_is_not_paused(steered: Steered, sluice: Command) -> None:
    sluice.printed("pause", "ridge")
    asked, paused = sluice.printed("sync").splitlines()
    assert asked.endswith("for 1 stream(s): harbour#cars#cars")
    assert paused.startswith("not asked: ridge#cars#cars: paused by ridge since 2")
    assert paused.endswith("`sluice resume ridge` ends that")
    assert [m["client_id"] for m in steered.deployment.messages()] == ["harbour"]


def test_a_sync_does_not_go_by_a_pause_that_lapsed(steered: Steered, sluice: Command) -> None:
    """It stands in the page until somebody switches something else."""
    now, ridge = datetime.now(UTC).replace(microsecond=0), Scope("ridge")
    lapsed = Pause(ridge, now - timedelta(hours=1), "ann", until=now - timedelta(seconds=1))
    steered.write(SwitchBoard(pauses={ridge: lapsed}))
    assert sluice.printed("sync", "ridge").endswith("for 1 stream(s): ridge#cars#cars\n")
    assert [m["client_id"] for m in steered.deployment.messages()] == ["ridge"]


def test_a_watched_sync_does_not_wait_for_what_is_paused(steered: Steered, sluice: Command) -> None:
    """It ends with the others' runs. What is paused may have an open run, which ends when it is resumed."""
    steered.deployment.add_run("ridge", outcome="running", ended_at=None)
    steered.deployment.add_run("harbour", outcome="running", ended_at=None, reason="schedule")
    sluice.printed("pause", "ridge")
    query = (
        "UPDATE sluice.run SET outcome = 'completed', ended_at = now() WHERE client_id = 'harbour'"
    )

    def end_it() -> None:
        patience = time.monotonic() + 30
        while not steered.deployment.messages() and time.monotonic() < patience:
            pass  # receiving takes its time
        steered.deployment.owner.execute(query)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end_it)
        out = sluice.printed("sync", "--follow", "--timeout", "30")
        ended.result()
    assert "not asked: ridge#cars#cars: paused by ridge" in out
    assert "ok      every run completed: all" in out.splitlines()


def test_a_pause_outlives_the_clients_file(steered: Steered, sluice: Command) -> None:
    sluice.printed("pause", "*")
    sluice.printed("clients", "apply")
    assert steered.board().pause_of(RIDGE) is not None
    assert steered.board().platform_pause("shopify") is not None


def test_a_pause_ends_by_itself(steered: Steered, sluice: Command) -> None:
    """Its streams are due then, and not at their own beat."""
    steered.put_off()
    assert "paused source:cars until 2" in sluice.printed("pause", "source:cars", "--until", "2m")
    for key in (HARBOUR, RIDGE):
        assert timedelta(seconds=100) < steered.due_in(key) <= timedelta(seconds=120)
    until = datetime.now(UTC) + timedelta(seconds=121)
    assert steered.board().pause_of(HARBOUR) is not None
    assert steered.board().at(until).pause_of(HARBOUR) is None


def test_a_cadence_is_set_and_taken_back(steered: Steered, sluice: Command) -> None:
    steered.put_off()
    out = sluice.printed("cadence", "ridge#cars#cars", "1m", "--why", "sale")
    assert (
        out == "ridge#cars#cars is due every 1m: 1 active stream(s), 1 of them due sooner by that\n"
    )
    assert steered.board().cadence_of(RIDGE, timedelta(hours=1)) == timedelta(minutes=1)
    assert steered.due_in(RIDGE) <= timedelta(minutes=1)
    assert steered.due_in(HARBOUR) > timedelta(minutes=50)
    assert "(before: every 1m, since " in sluice.printed("cadence", "ridge#cars#cars", "--default")
    assert steered.board().cadences == {}
    assert "sale" in sluice.printed("audit")


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_scope_that_matches_nothing_names_the_nearest(
    steered: Steered, sluice: Command, command: str
) -> None:
    """And switches and audits nothing."""
    code, told = sluice.error(command, "harbor")
    assert (code, told) == (
        2, "nothing is called 'harbor'; did you mean 'harbour'? there are: harbour, ridge",
    )  # fmt: skip
    code, told = sluice.error(command, "a b")
    assert code == 2
    assert told.startswith("scope 'a b' is none; write '*', CLIENT")
    assert sluice.printed("audit") == "nothing was changed yet\n"


def test_what_was_switched_can_be_taken_back_though_nothing_is_called_so_any_more(
    steered: Steered, sluice: Command
) -> None:
    sluice.printed("pause", "ridge")
    table = steered.deployment.environment["SLUICE_REGISTRY_TABLE"]
    steered.dynamo.delete_item(TableName=table, Key={"stream_key": {"S": str(RIDGE)}})
    assert sluice.printed("resume", "ridge").startswith("resumed ridge: 0 active stream(s)")


def test_an_audit_that_was_tampered_with_is_told(steered: Steered, sluice: Command) -> None:
    """Also when its last row is gone: the switches remember it. Whoever asks for JSON gets the exit code as well."""
    sluice.printed("pause", "harbour")
    sluice.printed("pause", "ridge")
    assert sluice.printed("audit", "verify") == "the audit is whole: 2 row(s)\n"
    assert sluice.printed("audit", "--verify") == "the audit is whole: 2 row(s)\n"
    whole = {"whole": True, "rows": 2, "fault": None}
    assert json.loads(sluice.printed("audit", "verify", "--json")) == whole
    owner = steered.deployment.owner
    owner.execute("ALTER TABLE sluice.audit DISABLE TRIGGER only_grow")
    owner.execute("DELETE FROM sluice.audit WHERE number = 2")
    for words in (("audit", "verify"), ("audit", "--verify")):
        assert sluice.error(*words) == (
            1, "the audit is not whole: row 2 and all after it are missing, up to 2; 1 rows before are",
        )  # fmt: skip
    code, out, err = sluice.run("audit", "verify", "--json")
    assert code == 1
    assert json.loads(out)["fault"] == "row 2 and all after it are missing, up to 2"
    assert err.startswith("error: the audit is not whole")


def test_what_cannot_be_audited_is_not_switched(steered: Steered, sluice: Command) -> None:
    """The database answers, and takes no row."""
    steered.deployment.owner.execute("REVOKE INSERT ON sluice.audit FROM sluice_app")
    code, told = sluice.error("pause", "harbour")
    assert code == 2
    assert "permission denied for table audit" in told
    assert steered.board().pauses == {}


def test_a_writer_that_hangs_is_told_of(
    steered: Steered, sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a database that does not answer, not as a traceback."""
    monkeypatch.setattr("sluice.postgres.audit.LOCK_TIMEOUT", "100ms")
    with psycopg.connect(steered.deployment.environment["DATABASE_URL"]) as other:
        other.execute("INSERT INTO sluice.audit (actor, action, scope) VALUES ('a', 'b', 'c')")
        code, told = sluice.error("pause", "harbour")
    assert (code, told) == (1, "database: canceling statement due to lock timeout")
