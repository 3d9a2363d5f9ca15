"""A table's errors, translated once: by what to do next, with the cause kept."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from sluice.core.errors import InvariantBroken, SettingInvalid, SluiceError, StateUnavailable
from sluice.core.keys import StreamKey
from sluice.dynamo.table import Refused, Table, Written

KEY = StreamKey("acme", "cars", "cars")


@pytest.fixture
def client() -> Any:
    made = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        endpoint_url="http://127.0.0.1:9",
    )
    yield made
    made.close()


def update(client: Any) -> Written | Refused:
    return Table(client, "state").update(KEY, "SET a = :a", {":a": {"S": "b"}}, condition="a = :a")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ProvisionedThroughputExceededException", StateUnavailable),
        ("ThrottlingException", StateUnavailable),
        ("RequestLimitExceeded", StateUnavailable),
        ("InternalServerError", StateUnavailable),
        ("TransactionConflictException", StateUnavailable),
        ("ResourceNotFoundException", SettingInvalid),
        ("AccessDeniedException", SettingInvalid),
        ("UnrecognizedClientException", SettingInvalid),
        ("ValidationException", InvariantBroken),
    ],
)
@pytest.mark.parametrize("operation", ["update_item", "get_item", "query", "scan"])
def test_each_refusal_says_what_to_do_next(
    client: Any, operation: str, code: str, error: type[SluiceError]
) -> None:
    table = Table(client, "state")
    calls = {
        "update_item": lambda: update(client),
        "get_item": lambda: table.get(KEY),
        "query": lambda: table.query("an-index", "a = :a", {":a": {"S": "b"}}, limit=1),
        "scan": table.scan,
    }
    with Stubber(client) as stub:
        stub.add_client_error(operation, code, "as it said")
        with pytest.raises(error, match="table state") as raised:
            calls[operation]()
    assert raised.value.__cause__ is not None


def test_no_answer_at_all_is_unavailable(client: Any) -> None:
    """Nothing listens there."""
    with pytest.raises(StateUnavailable):
        update(client)


def test_missing_credentials_are_for_a_person(client: Any) -> None:
    def no_credentials(**_: Any) -> None:
        raise NoCredentialsError

    client.meta.events.register("before-sign", no_credentials)
    with pytest.raises(SettingInvalid, match="credentials"):
        update(client)


def test_a_malformed_call_is_a_bug(client: Any) -> None:
    with pytest.raises(InvariantBroken):
        Table(client, "state").update(KEY, "SET a = :a", {":a": "not a value"})


def test_a_refused_condition_is_an_answer(client: Any) -> None:
    """With the item that refused it, so that nobody has to read it."""
    with Stubber(client) as stub:
        stub.add_client_error(
            "update_item",
            "ConditionalCheckFailedException",
            modeled_fields={"Item": {"lease_owner": {"S": "other"}}},
        )
        assert update(client) == Refused({"lease_owner": {"S": "other"}})


def test_a_write_answers_with_the_item_as_it_is_now(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_response("update_item", {"Attributes": {"a": {"S": "b"}}})
        assert update(client) == Written({"a": {"S": "b"}})
