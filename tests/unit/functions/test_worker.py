"""The worker's answer names the messages that failed, and only those."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.unit.functions.handlers import ScriptedAws, environment, record, run

DESK = {
    "subject": {"S": "desk#acme"},
    "version": {"N": "1"},
    "page": {"S": json.dumps({"running": {}})},
    "written_as": {"S": "somebody"},
}
ADMITTED = ("GetItem", "GetItem", "ChangeMessageVisibility", "GetItem", "UpdateItem")
MESSAGE = {"client_id": "acme", "source": "cars", "stream": "cars", "reason": "continuation"}
ENTRY: dict[str, Any] = {
    "stream_key": {"S": "acme#cars#cars"},
    "cadence_s": {"N": "300"},
    "settings": {
        "S": json.dumps({"shape": "page", "base_url": "http://127.0.0.1:1", "page_size": 250})
    },
    "secret": {"S": "sluice/acme/cars"},
    "enabled": {"BOOL": True},
    "paused": {"BOOL": False},
}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("this is no JSON", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param({**MESSAGE, "client_id": None}, id="no client"),
        pytest.param({**MESSAGE, "reason": "because"}, id="unknown reason"),
        pytest.param({**MESSAGE, "expect_seq": -1}, id="impossible seq"),
        pytest.param({**MESSAGE, "full_since": "2026-01-01T00:00:00"}, id="moment of no time zone"),
    ],
)
def test_a_poisoned_message_fails_and_is_shown(body: Any, aws: ScriptedAws) -> None:
    """It goes back to the queue, in the end to its dead letters, and its body is in the log. Nothing
    was asked of anybody for it."""
    poison = record("poison", body)
    ran = run("worker", {"Records": [poison]}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    line = ran.line("slice_failed")
    assert line["level"] == "ERROR"
    assert line["exception_name"] == "ValidationError"
    assert line["body"] == poison["body"]
    assert aws.asked == []


def test_a_poisoned_message_takes_no_other_with_it(aws: ScriptedAws) -> None:
    """Of two messages, one fails; the other finds its lease held, which is an outcome and no failure.
    It carries a field of a newer dispatcher, which is tolerated."""
    _answer_for_a_held_lease(aws)
    event = {
        "Records": [record("poison", "{"), record("newer", {**MESSAGE, "colour": "of tomorrow"})]
    }
    ran = run("worker", event, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    assert ran.line("slice")["outcome"] == "lease_held"
    assert aws.operations == [*ADMITTED, "GetSecretValue", "UpdateItem", "GetItem"]


def test_what_outlasts_every_deferral_goes_back_to_the_queue(aws: ScriptedAws) -> None:
    """The database does not answer, and this message was deferred as often as a message may be."""
    _admit(aws)
    aws.will("GetSecretValue", {"SecretString": "key"})
    aws.will("UpdateItem", {"Attributes": _state()})  # acquire
    aws.will("GetSecretValue", {"SecretString": "postgresql://app:pw@127.0.0.1:1/app"})
    aws.will("UpdateItem", {"Attributes": _state()})  # release
    aws.will("GetItem", {"Item": DESK})  # leave: somebody else wrote the desk, and we are not on it
    event = {"Records": [record("deferred", {**MESSAGE, "attempt": 8})]}
    ran = run("worker", event, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == {"batchItemFailures": [{"itemIdentifier": "deferred"}]}
    assert ran.line("slice_failed")["exception_name"] == "DatabaseUnavailable"
    assert aws.operations == [
        *ADMITTED, "GetSecretValue", "UpdateItem", "GetSecretValue", "UpdateItem", "GetItem"
    ]  # fmt: skip


def test_what_the_clients_file_pauses_is_acknowledged_and_nobody_is_asked(aws: ScriptedAws) -> None:
    """Once it was looked at anew: after it is taken out, nobody sends the message again."""
    aws.will("GetItem", {})
    for _ in range(2):
        aws.will("GetItem", {"Item": {**ENTRY, "paused": {"BOOL": True}}})
    event = {"Records": [record("1", MESSAGE)]}
    ran = run("worker", event, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == {"batchItemFailures": []}
    assert ran.line("slice")["outcome"] == "paused"
    assert aws.operations == ["GetItem"] * 3


def test_failed_messages_are_counted(aws: ScriptedAws) -> None:
    event = {"Records": [record("1", "{"), record("2", "{")]}
    ran = run("worker", event, environment(AWS_ENDPOINT_URL=aws.endpoint))
    [counted] = [line for line in ran.lines if "SlicesFailed" in line]
    assert sum(counted["SlicesFailed"]) == 2


def _admit(aws: ScriptedAws) -> None:
    """No switch is set, the clients file pauses nothing, its client's desk is empty, and the message may come back."""
    aws.will("ChangeMessageVisibility", {})
    aws.will("GetItem", {})
    aws.will("GetItem", {"Item": ENTRY})
    aws.will("GetItem", {})
    aws.will("UpdateItem", {"Attributes": DESK})


def _answer_for_a_held_lease(aws: ScriptedAws) -> None:
    _admit(aws)
    aws.will("GetSecretValue", {"SecretString": "key"})
    refused = {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": _state(),
    }
    aws.will("UpdateItem", refused, status=400)
    aws.will("GetItem", {"Item": DESK})


def _state() -> dict[str, Any]:
    """The state item, held for another hour."""
    until = int(time.time() + 3600) * 1000
    return {
        "stream_key": {"S": "acme#cars#cars"},
        "fencing_token": {"N": "7"},
        "taken_from": {"S": "nobody"},
        "lease_owner": {"S": "somebody"},
        "lease_until": {"N": str(until)},
        "base_seq": {"N": "0"},
    }
