"""A DynamoDB table keyed by one text: the few calls that Sluice makes, with errors translated once.

There is no delete here, and no role may delete: what an item remembers must outlive every failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from sluice.core.errors import InvariantBroken, SettingInvalid, SluiceError, StateUnavailable
from sluice.core.keys import StreamKey
from sluice.dynamo.items import Item, Values, text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONDITION_FAILED = "ConditionalCheckFailedException"

_REMEDIES = {
    "ResourceNotFoundException": "it is not there; deploy template.yaml, or check account and region",
    "AccessDeniedException": "this role may not do that; see the function's role in template.yaml",
    "UnrecognizedClientException": "AWS does not know these credentials; sign in again",
    "InvalidSignatureException": "AWS refuses the signature; check credentials and this machine's clock",
    "ExpiredTokenException": "these AWS credentials ran out; sign in again",
}
_NO_IDENTITY = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    NoRegionError,
)


@dataclass(frozen=True, slots=True)
class Written:
    """The item as it is after the write."""

    item: Item


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written: the item, as it stands, does not meet the condition. Empty if none is."""

    item: Item


@dataclass(frozen=True, slots=True)
class Table:
    """One table. StateUnavailable when it cannot answer, SettingInvalid when a person must act."""

    client: DynamoDBClient
    name: str
    key_name: str = "stream_key"

    def update(
        self, key: StreamKey | str, change: str, values: Values, *, condition: str | None = None
    ) -> Written | Refused:
        request: dict[str, Any] = {
            "TableName": self.name,
            "Key": {self.key_name: text(str(key))},
            "UpdateExpression": change,
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
        }
        if condition is not None:
            request["ConditionExpression"] = condition
            # The loser learns who holds the item without a second read.
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        with self._translated():
            try:
                answer = self.client.update_item(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] != CONDITION_FAILED:
                    raise
                refused: Any = error.response
                return Refused(refused.get("Item", {}))
        return Written(answer["Attributes"])

    def get(self, key: StreamKey | str) -> Item | None:
        """The item as the last write left it (a consistent read)."""
        with self._translated():
            answer = self.client.get_item(
                TableName=self.name, Key={self.key_name: text(str(key))}, ConsistentRead=True
            )
        return answer.get("Item")

    def query(self, index: str, condition: str, values: Values, *, limit: int) -> Sequence[Item]:
        """At most ``limit`` items in the index's order. The index may lag behind the table."""
        found: list[Item] = []
        start: dict[str, Any] = {}
        while len(found) < limit:
            with self._translated():
                answer = self.client.query(
                    TableName=self.name,
                    IndexName=index,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    Limit=limit - len(found),
                    **start,
                )
            found += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return found

    def scan(self) -> Sequence[Item]:
        """Every item. For people, and for functions that look at the whole: of the registry, not of state."""
        with self._translated():
            pages = self.client.get_paginator("scan").paginate(
                TableName=self.name, ConsistentRead=True
            )
            return [item for page in pages for item in page["Items"]]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise _translation(self.name, error) from error


def _translation(table: str, error: ClientError | BotoCoreError) -> SluiceError:
    """What to do next: almost always wait, as botocore's own retries are spent by now."""
    if isinstance(error, _NO_IDENTITY):
        return SettingInvalid(f"table {table}: {error}; set AWS credentials and region")
    if isinstance(error, ParamValidationError):
        return InvariantBroken(f"table {table}: {error}")
    if not isinstance(error, ClientError):
        return StateUnavailable(f"table {table}: {error}")
    code = error.response["Error"]["Code"]
    if code in _REMEDIES:
        return SettingInvalid(f"table {table}: {_REMEDIES[code]} ({code})")
    if code == "ValidationException":
        return InvariantBroken(f"table {table}: {error.response['Error'].get('Message', code)}")
    return StateUnavailable(f"table {table}: {code}")
