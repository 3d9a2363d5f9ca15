"""`sluice webhooks replay`: deliveries that were received and never applied, on real queues and a real inbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from sluice.core.keys import StreamKey
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment
from tests.integration.ops.test_dead_letters import PUSH, Queues, queues

__all__ = ["queues"]


@pytest.fixture
def pushed(applied: Deployment, queues: Queues) -> Deployment:
    """Ridge has orders, which ShipBob pushes, and invoices, which it does not."""
    client = boto3.client("dynamodb")
    registry = DynamoRegistry(client, applied.environment["SLUICE_REGISTRY_TABLE"])
    registry.apply(
        [
            RegistryEntry(StreamKey("ridge", source, stream), timedelta(days=1), {}, "sluice/ridge")
            for source, stream in (
                ("shipbob", "orders"),
                ("shipbob", "invoices"),
                ("mixpanel", "events"),
            )
        ]
    )
    client.close()
    return applied


def receive(deployment: Deployment, event_id: str, source: str, *, applied: bool = False) -> None:
    deployment.owner.execute(
        "INSERT INTO sluice.inbox (client_id, source, event_id, received_at, applied_at)"
        " VALUES ('ridge', %s, %s, %s, %s)",
        (source, event_id, _ago(3), _ago(2) if applied else None),
    )


def _ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def open_events(deployment: Deployment) -> list[str]:
    rows = deployment.owner.execute(
        "SELECT event_id FROM sluice.inbox WHERE applied_at IS NULL ORDER BY event_id"
    )
    return [str(row[0]) for row in rows]


def test_nothing_is_done_without_a_word(pushed: Deployment, sluice: Command) -> None:
    """Only said: how many, how old, and what would be done for them."""
    assert sluice.printed("webhooks", "replay") == "every delivery of that age was applied\n"
    receive(pushed, "done", "shipbob", applied=True)
    receive(pushed, "lost", "shipbob")
    assert sluice.printed("webhooks", "replay").splitlines() == [
        "ridge#shipbob: 1 received and not applied, 3h to 3h old",
        "  would ask for ridge#shipbob#orders, which finds what the others told of",
        "say --yes to do it",
    ]
    assert open_events(pushed) == ["lost"]
    assert pushed.messages() == []
    assert sluice.printed("webhooks", "replay", "--older-than", "4h").startswith("every delivery")


def test_dead_letters_go_back_and_streams_are_asked_for(
    pushed: Deployment, queues: Queues, sluice: Command
) -> None:
    """A delivery whose message lies among the dead letters is left open: its message applies it. The others are
    done with once their stream is asked for, and a second call finds nothing more of them to do."""
    receive(pushed, "e1", "shipbob")
    receive(pushed, "lost", "shipbob")
    queues.bury(PUSH, queue="SLUICE_PUSH_DLQ_URL", group="ridge")
    told = sluice.printed("webhooks", "replay", "--yes").splitlines()
    assert told[1:] == [
        "  sent back 1 dead letter(s)",
        "  asked for ridge#shipbob#orders, which finds what the others told of",
    ]
    assert [json.loads(body) for body in queues.bodies("SLUICE_PUSH_QUEUE_URL")] == [PUSH]
    (message,) = pushed.messages()
    assert (message["stream"], message["reason"], message["priority"]) == ("orders", "push", "push")
    assert open_events(pushed) == ["e1"]
    rows = pushed.owner.execute("SELECT action, scope FROM sluice.audit").fetchall()
    assert rows == [("replay webhooks", "ridge#shipbob")]


def test_what_only_the_vendor_can_send_again_is_said_and_left_open(
    pushed: Deployment, sluice: Command
) -> None:
    """A part of a cohort: nothing polls those, and what was in it is not stored."""
    receive(pushed, "sync/1-2", "mixpanel")
    told = sluice.printed("webhooks", "replay", "--yes").splitlines()
    assert told[1].strip().startswith("nothing polls what they told of")
    assert open_events(pushed) == ["sync/1-2"]
    assert pushed.messages() == []
    (told_json,) = json.loads(sluice.printed("webhooks", "replay", "--json"))["replays"]
    assert (told_json["asks_for"], told_json["dead_letters"]) == ([], 0)


def test_a_wrong_age_and_an_unknown_client_are_one_line(
    pushed: Deployment, sluice: Command
) -> None:
    assert sluice.error("webhooks", "replay", "--older-than", "1")[0] == 2
    assert sluice.error("webhooks", "replay", "--client", "nobody")[0] == 2
