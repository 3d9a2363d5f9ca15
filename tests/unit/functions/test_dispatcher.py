"""A tick's answer says how many streams were asked for, and how many another tick had taken."""

from __future__ import annotations

from typing import Any

from tests.unit.functions.handlers import ScriptedAws, environment, run

REFUSED = {
    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message": "The conditional request failed",
}


def test_a_tick_counts_what_it_asked_for(aws: ScriptedAws) -> None:
    """Two streams are due; another tick advanced the second one in between."""
    aws.will("Query", {"Items": [_due("acme"), _due("bolt")], "Count": 2})
    aws.will("SendMessageBatch", {"Successful": [], "Failed": []})
    aws.will("UpdateItem", {"Attributes": _due("acme")})
    aws.will("UpdateItem", REFUSED, status=400)
    ran = run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == {"asked": 2, "raced": 1}
    assert ran.line("plan")["asked"] == 2
    [counted] = [line for line in ran.lines if "SlicesAsked" in line]
    assert counted["SlicesAsked"] == [2.0]
    assert aws.operations == ["Query", "SendMessageBatch", "UpdateItem", "UpdateItem"]


def test_a_tick_with_nothing_due_asks_nobody(aws: ScriptedAws) -> None:
    aws.will("Query", {"Items": [], "Count": 0})
    ran = run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer == {"asked": 0, "raced": 0}
    assert aws.operations == ["Query"]


def test_a_tick_that_cannot_send_leaves_everything_due(aws: ScriptedAws) -> None:
    """It raises, so that Lambda counts an error, and advances nothing: the next tick asks again."""
    aws.will("Query", {"Items": [_due("acme")], "Count": 1})
    refusal = {"Id": "0", "SenderFault": False, "Code": "InternalError", "Message": "not now"}
    aws.will("SendMessageBatch", {"Successful": [], "Failed": [refusal]})
    ran = run("dispatcher", {}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert ran.answer is None
    assert "QueueUnavailable: SQS refused 1 of 1 messages: not now" in ran.error
    assert "UpdateItem" not in aws.operations


def _due(client: str) -> dict[str, Any]:
    return {
        "stream_key": {"S": f"{client}#cars#cars"},
        "client_id": {"S": client},
        "cadence_s": {"N": "300"},
        "settings": {"S": "{}"},
        "secret": {"S": f"sluice/{client}/cars"},
        "enabled": {"BOOL": True},
        "paused": {"BOOL": False},
        "due_shard": {"S": "0"},
        "due_at": {"N": "1000"},
    }
