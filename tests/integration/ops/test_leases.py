"""Leases by the command: listed, and taken away from whoever holds them, on a real table and queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from sluice.core.keys import StreamKey
from sluice.core.slices import Lease
from sluice.dynamo.leases import DynamoLeaseStore
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment

HARBOUR = "harbour#cars#cars"
BREAK = ("leases", "break", HARBOUR, "--why", "its worker was killed")


class Holders:
    """Workers that hold leases of the deployment."""

    def __init__(self, deployment: Deployment, client: Any) -> None:
        self.store = DynamoLeaseStore(client, deployment.environment["SLUICE_STATE_TABLE"])

    def take(self, name: str, seconds: float) -> Lease:
        """A lease that ends so many seconds from now, or ran out so long ago."""
        now = datetime.now(UTC)
        taken = self.store.acquire(
            StreamKey(name, "cars", "cars"),
            f"owner-{name}",
            now=now - timedelta(minutes=5),
            until=now + timedelta(seconds=seconds),
        )
        assert isinstance(taken, Lease)
        return taken


@pytest.fixture
def holders(applied: Deployment) -> Iterator[Holders]:
    client: Any = boto3.client("dynamodb")
    yield Holders(applied, client)
    client.close()


def audited(applied: Deployment) -> list[tuple[str, str]]:
    rows = applied.owner.execute("SELECT action, scope FROM sluice.audit ORDER BY number")
    return [(str(action), str(scope)) for action, scope in rows]


def test_leases_are_listed_for_programs(holders: Holders, sluice: Command) -> None:
    """With or without the word; which ran out, and by whom they are held."""
    holders.take("harbour", -60)
    holders.take("ridge", 60)
    told = json.loads(sluice.printed("leases", "--json"))
    assert [(each["stream_key"], each["state"], each["owner"]) for each in told] == [
        (HARBOUR, "ran out", "owner-harbour"),
        ("ridge#cars#cars", "held", "owner-ridge"),
    ]
    assert json.loads(sluice.printed("leases", "list", "--json")) == told


def test_a_lease_is_taken_away_only_when_told_so(
    applied: Deployment, holders: Holders, sluice: Command
) -> None:
    """Without --yes nothing changes; with it the lease is free, somebody goes on, and the audit tells who and why."""
    holders.take("harbour", -60)
    assert sluice.printed(*BREAK).startswith(f"would free the lease of {HARBOUR} (say --yes")
    assert (audited(applied), applied.messages()) == ([], [])
    assert len(json.loads(sluice.printed("leases", "--json"))) == 1
    told = sluice.printed(*BREAK, "--yes")
    assert told == f"freed the lease of {HARBOUR} (token 1); a slice is asked for\n"
    assert json.loads(sluice.printed("leases", "--json")) == []
    assert audited(applied) == [("break lease", HARBOUR)]
    (row,) = applied.owner.execute("SELECT before, why FROM sluice.audit")
    assert json.loads(str(row[0]))["owner"] == "owner-harbour"
    assert row[1] == "its worker was killed"


def test_a_slice_is_asked_for_so_that_somebody_goes_on(
    applied: Deployment, holders: Holders, sluice: Command
) -> None:
    """As cleanup does; its second of delay is over when the message is looked for."""
    holders.take("harbour", -60)
    sluice.printed(*BREAK, "--yes")
    answer = applied.sqs.receive_message(
        QueueUrl=applied.environment["SLUICE_QUEUE_URL"], WaitTimeSeconds=5
    )
    (message,) = answer["Messages"]
    body = json.loads(message["Body"])
    assert (body["client_id"], body["reason"]) == ("harbour", "cleanup")


def test_a_worker_that_may_be_at_work_is_left_alone(
    applied: Deployment, holders: Holders, sluice: Command
) -> None:
    """Unless --force says so; then its release and its watermark find that the lease is not its own."""
    lease = holders.take("harbour", 60)
    code, told = sluice.error(*BREAK, "--yes")
    assert code == 2
    assert "its worker may be at work" in told
    assert "--force" in told
    assert audited(applied) == []
    sluice.printed(*BREAK, "--yes", "--force")
    assert not holders.store.release(lease)


def test_a_lease_that_was_taken_anew_meanwhile_is_not_freed(
    applied: Deployment, holders: Holders, sluice: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen, then taken over by another worker before it is freed: that one keeps it, and the audit says so."""
    holders.take("harbour", -60)
    free = DynamoLeaseStore.free

    def after_another_took_it(store: DynamoLeaseStore, seen: Any) -> bool:
        holders.take("harbour", 60)
        return free(store, seen)

    monkeypatch.setattr(DynamoLeaseStore, "free", after_another_took_it)
    code, out, _ = sluice.run(*BREAK, "--yes")
    assert code == 1
    assert out.startswith("nothing was freed")
    assert [action for action, _ in audited(applied)] == ["break lease", "break lease failed"]
    (left,) = json.loads(sluice.printed("leases", "--json"))
    assert (left["state"], left["fencing_token"]) == ("held", 2)


def test_what_cannot_be_broken_is_one_line(holders: Holders, sluice: Command) -> None:
    """No such lease, no such key, no reason."""
    code, told = sluice.error(*BREAK)
    assert (code, told) == (
        2, f"no lease is held on {HARBOUR}; `sluice leases` shows those that are",
    )  # fmt: skip
    assert sluice.error("leases", "break", "harbour", "--why", "x")[0] == 2
    assert sluice.error("leases", "break", HARBOUR, "--why", " ") == (
        2, "--why: give a reason, one line",
    )  # fmt: skip
