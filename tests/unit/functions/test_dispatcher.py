"""A tick's answer says what became of the streams that were due, and its calls come in an order that loses none."""

from __future__ import annotations

import json
import time
from typing import Any

from sluice.dynamo.registry import SHARDS
from tests.unit.functions.handlers import ScriptedAws, environment, run

FAR_AHEAD = {"N": "99999999999999"}
"""Epoch ms in a future that no test comes to."""

NOTHING = {
    "asked": 0,
    "queued": 0,
    "running": 0,
    "paused": 0,
    "raced": 0,
    "more_due": False,
    "stood_back": False,
}
LOOKS = ["Query"] * len(SHARDS)
ALONE = ["GetItem", "GetItem", "UpdateItem"]
"""The switches; who dispatches; and now it is we."""


def test_a_tick_counts_what_it_asked_for(aws: ScriptedAws) -> None:
    """Of three streams that are due one is running; another tick advanced the last one in between."""
    _dispatches_alone(aws)
    _are_due(aws, "acme", "bolt", "cord")
    held = {**_key("bolt"), "lease_until": FAR_AHEAD}
    aws.will("BatchGetItem", {"Responses": {"state": [held]}})
    aws.will("SendMessageBatch", {"Successful": [], "Failed": []})
    refused = {"Error": {"Code": "ConditionalCheckFailed", "Message": "no"}}
    aws.will("BatchExecuteStatement", {"Responses": [{}, {}, refused]})
    ran = run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    expected = {**NOTHING, "asked": 2, "running": 1, "raced": 1}
    assert ran.answer == expected
    assert {name: ran.line("plan")[name] for name in expected} == expected
    [counted] = [line for line in ran.lines if "SlicesAsked" in line]
    assert counted["SlicesAsked"] == [2.0]
    assert counted["SlicesSkipped"] == [1.0]
    works = ["BatchGetItem", "SendMessageBatch", "BatchExecuteStatement", "UpdateItem"]
    assert aws.operations == [*ALONE, *LOOKS, *works]


def test_a_tick_with_nothing_due_asks_nobody(aws: ScriptedAws) -> None:
    _dispatches_alone(aws)
    _are_due(aws)
    ran = run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == NOTHING
    assert aws.operations == [*ALONE, *LOOKS, "UpdateItem"]


def test_a_tick_that_cannot_send_leaves_everything_due(aws: ScriptedAws) -> None:
    """It raises, so that Lambda counts an error, and advances nothing: the next tick asks again."""
    _dispatches_alone(aws)
    _are_due(aws, "acme")
    aws.will("BatchGetItem", {"Responses": {"state": []}})
    refusal = {"Id": "0", "SenderFault": False, "Code": "InternalError", "Message": "not now"}
    aws.will("SendMessageBatch", {"Successful": [], "Failed": [refusal]})
    ran = run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer is None
    assert "QueueUnavailable: SQS refused 1 of 1 messages: not now" in ran.error
    assert "BatchExecuteStatement" not in aws.operations


def test_a_tick_that_fires_while_another_is_at_work_leaves_at_once(aws: ScriptedAws) -> None:
    aws.will("GetItem", {})
    aws.will("GetItem", {"Item": _page('{"owner": "another", "until_ms": 99999999999999}')})
    ran = run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == {**NOTHING, "stood_back": True}
    assert set(aws.operations) == {"GetItem"}


def test_a_tick_keeps_others_away_until_its_time_is_over(aws: ScriptedAws) -> None:
    """Lambda's context leaves the scripted one 60 s: until then nobody else dispatches."""
    _dispatches_alone(aws)
    _are_due(aws)
    began = time.time()
    run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    pages = [
        json.loads(parameters["ExpressionAttributeValues"][":page"]["S"])
        for operation, parameters in aws.asked
        if operation == "UpdateItem"
    ]
    assert began + 60 <= pages[0]["until_ms"] / 1000 <= time.time() + 60
    assert pages[1:] == [{}]


def _dispatches_alone(aws: ScriptedAws) -> None:
    """No switches, and nobody dispatches. The book takes each page, and says so as DynamoDB does."""
    aws.will("GetItem", {})
    aws.will("GetItem", {})
    scripted = aws.take

    def take(operation: str, parameters: Any) -> tuple[int, Any]:
        if operation == "UpdateItem" and parameters["TableName"] == "limits":
            values = parameters["ExpressionAttributeValues"]
            page = {
                "page": values[":page"],
                "version": values[":next"],
                "written_as": values[":name"],
            }
            aws.will(operation, {"Attributes": page})
        return scripted(operation, parameters)

    aws.take = take  # type: ignore[method-assign]


def _are_due(aws: ScriptedAws, *clients: str) -> None:
    """In the first partition of the index; the others are empty."""
    items = [{**_key(each), "cadence_s": {"N": "300"}, "due_at": {"N": "1000"}} for each in clients]
    aws.will("Query", {"Items": items, "Count": len(items)})
    for _ in SHARDS[1:]:
        aws.will("Query", {"Items": [], "Count": 0})


def _key(client: str) -> dict[str, Any]:
    return {"stream_key": {"S": f"{client}#cars#cars"}}


def _page(body: str) -> dict[str, Any]:
    return {"subject": {"S": "any"}, "version": {"N": "1"}, "page": {"S": body}}
