"""Each function's role is enough (every other end-to-end test) and not more (these)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sluice.core.keys import StreamKey
from sluice.core.webhooks import Hint
from sluice.messages import ApplyMessage
from tests.e2e.deployed import Deployed

FUNCTIONS = ("worker", "dispatcher", "cleanup", "migrate", "webhook", "applier", "health")
REFUSED = {"AccessDenied", "AccessDeniedException"}


@dataclass
class Role:
    """A function's rights, as credentials that a client may use."""

    deployed: Deployed
    credentials: dict[str, str]

    def client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.deployed.names["AWS_ENDPOINT_URL"],
            region_name=self.deployed.names["AWS_REGION"],
            aws_access_key_id=self.credentials["AccessKeyId"],
            aws_secret_access_key=self.credentials["SecretAccessKey"],
            aws_session_token=self.credentials["SessionToken"],
        )

    def is_refused(self, service: str, call: Callable[[Any], Any]) -> bool:
        client = self.client(service)
        try:
            call(client)
        except ClientError as error:
            return error.response["Error"]["Code"] in REFUSED
        finally:
            client.close()
        return False


@pytest.fixture(scope="module")
def roles(deployed: Deployed) -> dict[str, Role]:
    sts = deployed.aws("sts")
    made = {}
    for function in FUNCTIONS:
        configuration = deployed.aws("lambda").get_function_configuration(
            FunctionName=f"sluice-{function}"
        )
        assumed = sts.assume_role(RoleArn=configuration["Role"], RoleSessionName="look")
        made[function] = Role(deployed, assumed["Credentials"])
    return made


_PUSH = ApplyMessage.asking_for(
    Hint("roles", StreamKey("nobody", "shipbob", "orders"), "1", "order.shipped", None),
    received_at=datetime.now(UTC),
).model_dump_json()
"""A message that the applier can read: of a client that does not exist, so it is told of and dropped."""

KEY = {"stream_key": {"S": "nobody#cars#cars"}}
SUBJECT = {"subject": {"S": "desk#nobody"}}


def _delete_state(deployed: Deployed, client: Any) -> None:
    client.delete_item(TableName=deployed.names["SLUICE_STATE_TABLE"], Key=KEY)


def _delete_registry(deployed: Deployed, client: Any) -> None:
    client.delete_item(TableName=deployed.names["SLUICE_REGISTRY_TABLE"], Key=KEY)


def _delete_in_transaction(deployed: Deployed, client: Any) -> None:
    delete = {"Delete": {"TableName": deployed.names["SLUICE_STATE_TABLE"], "Key": KEY}}
    client.transact_write_items(TransactItems=[delete])


def _scan_state(deployed: Deployed, client: Any) -> None:
    client.scan(TableName=deployed.names["SLUICE_STATE_TABLE"])


def _update_registry(deployed: Deployed, client: Any) -> None:
    _update(client, deployed.names["SLUICE_REGISTRY_TABLE"])


def _update_state(deployed: Deployed, client: Any) -> None:
    _update(client, deployed.names["SLUICE_STATE_TABLE"])


def _move_registry(deployed: Deployed, client: Any) -> None:
    """A stream that is not there: the batch is answered, and the statement in it fails."""
    table = deployed.names["SLUICE_REGISTRY_TABLE"]
    statement = f'UPDATE "{table}" SET due_at = ? WHERE stream_key = ? AND due_at = ?'
    parameters = [{"N": "2"}, KEY["stream_key"], {"N": "1"}]
    client.batch_execute_statement(Statements=[{"Statement": statement, "Parameters": parameters}])


def _look_at_states(deployed: Deployed, client: Any) -> None:
    client.batch_get_item(RequestItems={deployed.names["SLUICE_STATE_TABLE"]: {"Keys": [KEY]}})


def _update(client: Any, table: str) -> None:
    client.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET paused = :yes",
        ConditionExpression="attribute_exists(stream_key)",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
    )


def _send(deployed: Deployed, client: Any) -> None:
    client.send_message(QueueUrl=deployed.names["SLUICE_QUEUE_URL"], MessageBody="{}")


def _send_push(deployed: Deployed, client: Any) -> None:
    client.send_message(QueueUrl=deployed.names["SLUICE_PUSH_QUEUE_URL"], MessageBody=_PUSH)


def _look_at_streams(deployed: Deployed, client: Any) -> None:
    client.batch_get_item(RequestItems={deployed.names["SLUICE_REGISTRY_TABLE"]: {"Keys": [KEY]}})


def _read_signing_secret(deployed: Deployed, client: Any) -> None:
    client.get_secret_value(SecretId="sluice/webhooks/e2e-roles")


def _send_dead_letter(deployed: Deployed, client: Any) -> None:
    client.send_message(QueueUrl=deployed.names["SLUICE_DLQ_URL"], MessageBody="{}")


def _send_backfill(deployed: Deployed, client: Any) -> None:
    client.send_message(QueueUrl=deployed.names["SLUICE_BACKFILL_QUEUE_URL"], MessageBody="{}")


def _revise_limits(deployed: Deployed, client: Any) -> None:
    client.update_item(
        TableName=deployed.names["SLUICE_LIMITS_TABLE"],
        Key=SUBJECT,
        UpdateExpression="SET page = :empty",
        ConditionExpression="attribute_exists(subject)",
        ExpressionAttributeValues={":empty": {"S": "{}"}},
    )


def _delete_limits(deployed: Deployed, client: Any) -> None:
    client.delete_item(TableName=deployed.names["SLUICE_LIMITS_TABLE"], Key=SUBJECT)


def _read_database_secret(deployed: Deployed, client: Any) -> None:
    client.get_secret_value(SecretId=deployed.names["SLUICE_DATABASE_SECRET"])


def _read_owner_secret(deployed: Deployed, client: Any) -> None:
    client.get_secret_value(SecretId=deployed.names["SLUICE_MIGRATION_DATABASE_SECRET"])


def _read_vendor_secret(deployed: Deployed, client: Any) -> None:
    client.get_secret_value(SecretId="sluice/e2e/roles")


DYNAMODB = "dynamodb"
Act = Callable[[Deployed, Any], None]
ACTS: dict[str, tuple[str, Act, set[str]]] = {
    # what is tried: the service, the call, and the functions that may
    "delete a lease": (DYNAMODB, _delete_state, set()),
    "delete a stream": (DYNAMODB, _delete_registry, set()),
    "delete a lease in a transaction": (DYNAMODB, _delete_in_transaction, set()),
    "scan the leases": (DYNAMODB, _scan_state, set()),
    "change a stream's settings": (DYNAMODB, _update_registry, set()),
    "move a stream's time": (DYNAMODB, _move_registry, {"dispatcher"}),
    "look at many leases": (DYNAMODB, _look_at_states, {"dispatcher"}),
    "change a lease": (DYNAMODB, _update_state, {"worker", "cleanup"}),
    "revise what workers share": (
        DYNAMODB,
        _revise_limits,
        {"worker", "dispatcher", "applier", "health"},
    ),
    "delete what people switched": (DYNAMODB, _delete_limits, set()),
    "send to the dead-letter queue": ("sqs", _send_dead_letter, set()),
    "read the application's database secret": (
        "secretsmanager",
        _read_database_secret,
        {"worker", "cleanup", "applier", "health"},
    ),
    "read the owner's database secret": ("secretsmanager", _read_owner_secret, {"migrate"}),
    "read a vendor's secret": ("secretsmanager", _read_vendor_secret, {"worker", "applier"}),
    "read what signs webhooks": (  # its name begins like a vendor's as well
        "secretsmanager",
        _read_signing_secret,
        {"webhook", "worker", "applier"},
    ),
    "look at a client's streams": (DYNAMODB, _look_at_streams, {"webhook"}),
    "send a push": ("sqs", _send_push, {"webhook", "applier"}),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("act", ACTS)
def test_a_role_allows_what_its_function_needs_and_no_more(
    deployed: Deployed, roles: dict[str, Role], function: str, act: str
) -> None:
    """Where a call is allowed it may still fail for its own reasons; it is not refused."""
    deployed.add_secret("roles")
    deployed.add_secret("roles", name="sluice/webhooks/e2e-roles")
    service, call, may = ACTS[act]
    refused = roles[function].is_refused(service, lambda client: call(deployed, client))
    assert refused == (function not in may)


@pytest.mark.parametrize("function", ["migrate", "webhook", "health"])
def test_who_makes_no_slices_may_not_ask_for_any(
    deployed: Deployed, roles: dict[str, Role], function: str
) -> None:
    assert roles[function].is_refused("sqs", lambda client: _send(deployed, client))


@pytest.mark.parametrize("function", ["dispatcher", "migrate", "webhook", "applier", "health"])
def test_who_asks_for_no_backfill_may_send_none(
    deployed: Deployed, roles: dict[str, Role], function: str
) -> None:
    """What a schedule asks for is fresh data, which has the other queue."""
    assert roles[function].is_refused("sqs", lambda client: _send_backfill(deployed, client))
