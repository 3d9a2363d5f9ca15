"""A function that may not read a secret: it ends as it would have, and the audit has a row of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from local.postgres import Database
from tests.unit.functions.handlers import ScriptedAws, environment, record, run, scripted_aws
from tests.unit.functions.test_health import ask, will_claim
from tests.unit.functions.test_worker import DESK, ENTRY, MESSAGE

AUDITED = "SELECT actor, action, scope, after, why FROM sluice.audit"
SIGNING = "sluice/webhooks/acme/shipbob"
REFUSED = {"__type": "AccessDeniedException", "message": "canary-of-a-refusal"}


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as scripted:
        yield scripted


def test_a_worker_notes_a_secret_that_it_may_not_read(
    aws: ScriptedAws, database: Database, rows: psycopg.Connection[Any]
) -> None:
    """The slice ends as it would have ended without the note."""
    aws.will("GetItem", {})  # switches: none
    aws.will("GetItem", {"Item": ENTRY})
    aws.will("ChangeMessageVisibility", {})
    aws.will("GetItem", {"Item": DESK})
    aws.will("UpdateItem", {"Attributes": DESK})
    aws.will("GetSecretValue", REFUSED, status=400)
    aws.will("GetSecretValue", {"SecretString": database.app_url})
    aws.will("UpdateItem", {"Attributes": DESK})  # leave
    names = environment(AWS_ENDPOINT_URL=aws.endpoint, AWS_LAMBDA_FUNCTION_NAME="sluice-worker")
    ran = run("worker", {"Records": [record("1", MESSAGE)]}, names)
    assert ran.answer == {"batchItemFailures": []}
    assert ran.line("slice")["outcome"] == "run_failed"
    assert rows.execute(AUDITED).fetchall() == [
        (
            "function:sluice-worker",
            "secret-unreadable",
            "acme#cars#cars",
            '{"secret": "sluice/acme/cars"}',
            "SecretMissing",
        )
    ]


def delivery() -> dict[str, Any]:
    """Well-formed, so that its client's secret is asked for."""
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(datetime.now(UTC).timestamp())),
        "webhook-signature": f"v1,{base64.b64encode(bytes(32)).decode()}",
        "x-webhook-topic": "order.shipped",
    }
    path = {"client_id": "acme", "source": "shipbob"}
    return {"pathParameters": path, "headers": headers, "body": "{}"}


def test_a_signing_secret_that_may_not_be_read_is_noted_by_the_applier(
    aws: ScriptedAws, database: Database, rows: psycopg.Connection[Any]
) -> None:
    """The function that strangers reach has no database: it tells by the queue of pushes, in its own name."""
    item = {"enabled": {"BOOL": True}, "webhook_secret": {"S": SIGNING}}
    aws.will("BatchGetItem", {"Responses": {"registry": [item]}, "UnprocessedKeys": {}})
    aws.will("GetSecretValue", REFUSED, status=400)
    aws.will("SendMessage", {"MessageId": "1"})
    names = environment(AWS_ENDPOINT_URL=aws.endpoint, AWS_LAMBDA_FUNCTION_NAME="sluice-webhook",
                        SLUICE_PUSH_QUEUE_URL="http://sqs.test/1/pushes")  # fmt: skip
    ran = run("webhook", delivery(), names)
    assert ran.answer["statusCode"] == 401
    assert ran.line("webhook")["refusal"] == "secret_unusable"
    [sent] = [told for operation, told in aws.asked if operation == "SendMessage"]
    assert (sent["QueueUrl"], sent["MessageGroupId"]) == ("http://sqs.test/1/pushes", "acme")
    assert "canary" not in sent["MessageBody"]

    aws.will("GetSecretValue", {"SecretString": database.app_url})
    names["AWS_LAMBDA_FUNCTION_NAME"] = "sluice-applier"
    applied = run("applier", {"Records": [record("1", json.loads(sent["MessageBody"]))]}, names)
    assert applied.answer == {"batchItemFailures": []}
    assert rows.execute(AUDITED).fetchall() == [
        (
            "function:sluice-webhook",
            "secret-unreadable",
            "acme#shipbob",
            json.dumps({"secret": SIGNING}),
            "SecretMissing",
        )
    ]


def test_a_token_of_metrics_that_may_not_be_read_is_noted(
    aws: ScriptedAws, database: Database, rows: psycopg.Connection[Any]
) -> None:
    """By whoever is the first to meet it; the answer is what it was."""
    aws.will("GetSecretValue", REFUSED, status=400)
    will_claim(aws)
    aws.will("GetSecretValue", {"SecretString": database.app_url})
    token = {"SLUICE_METRICS_TOKEN_SECRET": "token", "AWS_LAMBDA_FUNCTION_NAME": "sluice-health"}
    ran = ask(aws, "GET /metrics", {"authorization": "Bearer any"}, **token)
    assert ran.answer["statusCode"] == 503
    assert rows.execute(AUDITED).fetchall() == [
        (
            "function:sluice-health",
            "secret-unreadable",
            "metrics",
            json.dumps({"secret": "token"}),
            "SecretMissing",
        )
    ]


def test_only_one_environment_at_a_time_notes_it(aws: ScriptedAws) -> None:
    """Anybody may ask: while somebody else notes it, no database is asked."""
    aws.will("GetSecretValue", REFUSED, status=400)
    later = int((datetime.now(UTC).timestamp() + 20) * 1000)
    page = {"S": json.dumps({"owner": "another", "making_until_ms": later})}
    aws.will("GetItem", {"Item": {"version": {"N": "3"}, "page": page}})
    ran = ask(aws, "GET /metrics", SLUICE_METRICS_TOKEN_SECRET="token")
    assert ran.answer["statusCode"] == 503
    assert aws.operations == ["GetSecretValue", "GetItem"]
