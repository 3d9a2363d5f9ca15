"""Many items at a time: what is tried again, what is refused, what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sluice.core.errors import InvariantBroken, SettingInvalid, SluiceError, StateUnavailable
from sluice.dynamo.batches import MOST_TRIES, BatchTable, Statement

MADE: dict[str, Any] = {"TableName": "registry"}


def failed(code: str, message: str = "as it said") -> dict[str, Any]:
    return {"TableName": "registry", "Error": {"Code": code, "Message": message}}


class Scripted:
    """A table whose answers are scripted; ``asked`` are the calls that were made, ``waits`` the pauses."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self.stub = Stubber(self.client)
        self.asked: list[dict[str, Any]] = []
        self.waits: list[float] = []
        self.client.meta.events.register("provide-client-params", self._note)
        self.table = BatchTable(self.client, "registry", sleep=self.waits.append)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.asked.append(params)

    def will_execute(self, *responses: dict[str, Any]) -> None:
        self.stub.add_response("batch_execute_statement", {"Responses": list(responses)})

    def will_get(self, keys: Sequence[str], unread: Sequence[str] = ()) -> None:
        answer: dict[str, Any] = {"Responses": {"registry": [item(key) for key in keys]}}
        if unread:
            answer["UnprocessedKeys"] = {"registry": {"Keys": [item(key) for key in unread]}}
        self.stub.add_response("batch_get_item", answer)

    def statements(self, call: int) -> list[str]:
        return [each["Statement"] for each in self.asked[call]["Statements"]]

    def keys(self, call: int) -> list[str]:
        return [
            key["stream_key"]["S"] for key in self.asked[call]["RequestItems"]["registry"]["Keys"]
        ]


@pytest.fixture
def scripted() -> Any:
    made = Scripted()
    with made.stub:
        yield made
        made.stub.assert_no_pending_responses()
    made.client.close()


def item(key: str) -> dict[str, Any]:
    return {"stream_key": {"S": key}}


def several(many: int) -> list[Statement]:
    return [Statement(f"update {number}", [{"N": str(number)}]) for number in range(many)]


def test_updates_go_in_batches_of_25_and_are_answered_in_order(scripted: Scripted) -> None:
    scripted.will_execute(*[MADE] * 25)
    scripted.will_execute(failed("ConditionalCheckFailed"), MADE)
    assert scripted.table.update_many(several(27)) == [*[True] * 25, False, True]
    assert scripted.statements(1) == ["update 25", "update 26"]
    assert scripted.asked[1]["Statements"][0]["Parameters"] == [{"N": "25"}]
    assert scripted.waits == []


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "InternalServerError",
        "TransactionConflict",
    ],
)
def test_only_what_was_throttled_is_tried_again(scripted: Scripted, code: str) -> None:
    """The call itself succeeds, so botocore does not."""
    scripted.will_execute(MADE, failed(code), failed("ConditionalCheckFailed"), failed(code))
    scripted.will_execute(failed(code), MADE)
    scripted.will_execute(failed("ConditionalCheckFailed"))
    assert scripted.table.update_many(several(4)) == [True, False, False, True]
    assert scripted.statements(1) == ["update 1", "update 3"]
    assert scripted.statements(2) == ["update 1"]
    assert scripted.waits == [0.05, 0.1]


def test_what_is_throttled_to_the_end_is_unavailable(scripted: Scripted) -> None:
    for _ in range(MOST_TRIES):
        scripted.will_execute(failed("ThrottlingError"))
    with pytest.raises(StateUnavailable, match="table registry: 1 updates"):
        scripted.table.update_many(several(1))
    assert sum(scripted.waits) > 4
    assert max(scripted.waits) == 2.0


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDenied", SettingInvalid),
        ("ResourceNotFound", SettingInvalid),
        ("ValidationError", InvariantBroken),
        ("ItemCollectionSizeLimitExceeded", InvariantBroken),
    ],
)
def test_a_statement_that_can_never_be_made_says_what_to_do(
    scripted: Scripted, code: str, error: type[SluiceError]
) -> None:
    scripted.will_execute(MADE, failed(code))
    with pytest.raises(error, match="table registry"):
        scripted.table.update_many(several(2))


def test_a_refused_call_is_translated_too(scripted: Scripted) -> None:
    scripted.stub.add_client_error("batch_execute_statement", "AccessDeniedException")
    with pytest.raises(SettingInvalid, match="role"):
        scripted.table.update_many(several(1))
    scripted.stub.add_client_error("batch_get_item", "InternalServerError")
    with pytest.raises(StateUnavailable):
        scripted.table.get_many(["a"], ["stream_key"])


def test_keys_go_in_batches_of_100_and_each_is_read_once(scripted: Scripted) -> None:
    """DynamoDB refuses a batch that names a key twice."""
    keys = [f"k{number}" for number in range(101)]
    scripted.will_get(keys[:100])
    scripted.will_get([])
    assert scripted.table.get_many([*keys, "k0"], ["stream_key", "seq"]) == [*map(item, keys[:100])]
    assert scripted.keys(1) == ["k100"]
    asked = scripted.asked[0]["RequestItems"]["registry"]
    assert (asked["ConsistentRead"], asked["ProjectionExpression"]) == (True, "stream_key, seq")


def test_keys_handed_back_are_read_again(scripted: Scripted) -> None:
    scripted.will_get(["a"], unread=["b", "c"])
    scripted.will_get(["c"], unread=["b"])
    scripted.will_get([])
    assert scripted.table.get_many(["a", "b", "c"], ["stream_key"]) == [item("a"), item("c")]
    assert (scripted.keys(1), scripted.keys(2)) == (["b", "c"], ["b"])
    assert scripted.waits == [0.05, 0.1]


def test_keys_handed_back_to_the_end_are_unavailable(scripted: Scripted) -> None:
    for _ in range(MOST_TRIES):
        scripted.will_get([], unread=["a"])
    with pytest.raises(StateUnavailable, match="1 reads"):
        scripted.table.get_many(["a"], ["stream_key"])


def test_a_page_is_read_when_it_is_asked_for_and_the_next_begins_behind_it(
    scripted: Scripted,
) -> None:
    scripted.stub.add_response(
        "query", {"Items": [item("a"), item("b")], "LastEvaluatedKey": item("b")}
    )
    scripted.stub.add_response("query", {"Items": [], "LastEvaluatedKey": item("c")})
    scripted.stub.add_response("query", {"Items": [item("d")]})
    pages = scripted.table.pages("an-index", "a = :a", {":a": {"S": "x"}}, ["stream_key"], most=2)
    assert scripted.asked == []
    assert next(pages) == [item("a"), item("b")]
    assert len(scripted.asked) == 1
    assert list(pages) == [[], [item("d")]]
    starts = [asked.get("ExclusiveStartKey") for asked in scripted.asked]
    assert starts == [None, item("b"), item("c")]
    assert {asked["Limit"] for asked in scripted.asked} == {2}


def test_a_page_that_cannot_be_read_is_translated(scripted: Scripted) -> None:
    scripted.stub.add_client_error("query", "ProvisionedThroughputExceededException")
    pages = scripted.table.pages("an-index", "a = :a", {":a": {"S": "x"}}, ["stream_key"], most=2)
    with pytest.raises(StateUnavailable):
        next(pages)


def test_nothing_to_do_makes_no_call(scripted: Scripted) -> None:
    assert scripted.table.update_many([]) == []
    assert scripted.table.get_many([], ["stream_key"]) == []
    assert scripted.asked == []
