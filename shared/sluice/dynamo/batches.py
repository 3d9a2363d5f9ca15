"""A DynamoDB table asked for many items at a time: what the dispatcher does for thousands of streams.

Conditional updates go in batches through PartiQL, because no other call of DynamoDB makes many of them of
which each may be refused alone: a transaction fails as a whole, BatchWriteItem knows no conditions. Such a
batch answers 200 whatever became of its statements, and botocore, which sees the 200, sends none of the
throttled ones again: that is done here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from sluice.core.errors import InvariantBroken, SettingInvalid, SluiceError, StateUnavailable
from sluice.core.spreading import Spread
from sluice.dynamo.items import Item, Values, text
from sluice.dynamo.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import BatchStatementErrorTypeDef

T = TypeVar("T")

MOST_STATEMENTS = 25
MOST_KEYS = 100
"""DynamoDB takes no more in one call."""

MOST_TRIES = 8
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0
"""A throttled batch is tried for five seconds or so: longer than DynamoDB takes to split a hot partition's
burst, and short enough to fit the margin that a dispatcher keeps."""

REFUSED = "ConditionalCheckFailed"
PASSING = frozenset(
    {
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "InternalServerError",
        "TransactionConflict",
    }
)
"""Codes of statements that are worth trying again."""

_REMEDIES = {
    "ResourceNotFound": "it is not there; deploy template.yaml, or check account and region",
    "AccessDenied": "this role may not do that; see the function's role in template.yaml",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A conditional update of one item in PartiQL, and what stands for its question marks, in order."""

    text: str
    parameters: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class BatchTable(Table):
    """``spread`` says how many calls are made at once. Errors as of ``Table``."""

    spread: Spread = map
    sleep: Callable[[float], None] = time.sleep

    def update_many(self, statements: Sequence[Statement]) -> Sequence[bool]:
        """Make each update whose condition holds; which of them were made, in order.

        A batch whose answer was lost is sent again by botocore and finds its own updates: it says False
        of them. The answer is for counting.
        """
        batches = in_batches(statements, MOST_STATEMENTS)
        return [made for batch in self.spread(self._execute, batches) for made in batch]

    def get_many(self, keys: Sequence[str], attributes: Sequence[str]) -> Sequence[Item]:
        """The items there are (consistent reads), in no order. A key named twice is read once."""
        batches = in_batches(list(dict.fromkeys(keys)), MOST_KEYS)
        found = self.spread(lambda batch: self._get(batch, attributes), batches)
        return [item for items in found for item in items]

    def pages(
        self,
        index: str,
        condition: str,
        values: Values,
        attributes: Sequence[str],
        *,
        most: int,
    ) -> Iterator[Sequence[Item]]:
        """An index's items in its order, ``most`` of them a page, each page read when it is asked for."""
        start: dict[str, Any] = {}
        while True:
            with self._translated():
                answer = self.client.query(
                    TableName=self.name,
                    IndexName=index,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ProjectionExpression=", ".join(attributes),
                    Limit=most,
                    **start,
                )
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _execute(self, batch: Sequence[Statement]) -> Sequence[bool]:
        made = [False] * len(batch)
        left = list(range(len(batch)))
        for turn in range(MOST_TRIES):
            with self._translated():
                answer = self.client.batch_execute_statement(
                    Statements=[
                        {"Statement": batch[place].text, "Parameters": batch[place].parameters}
                        for place in left
                    ]
                )
            throttled = []
            for place, response in zip(left, answer["Responses"], strict=True):
                error = response.get("Error")
                if error is None:
                    made[place] = True
                elif error.get("Code") in PASSING:
                    throttled.append(place)
                elif error.get("Code") != REFUSED:
                    raise _complaint(self.name, error)
            if not throttled:
                return made
            left = throttled
            self._wait(turn)
        raise StateUnavailable(f"table {self.name}: {len(left)} updates were throttled to the end")

    def _get(self, keys: Sequence[str], attributes: Sequence[str]) -> Sequence[Item]:
        """DynamoDB hands back the keys that it had no capacity for."""
        found: list[Item] = []
        left: Any = [{self.key_name: text(key)} for key in keys]
        for turn in range(MOST_TRIES):
            asked: Any = {
                "Keys": left,
                "ConsistentRead": True,
                "ProjectionExpression": ", ".join(attributes),
            }
            with self._translated():
                answer = self.client.batch_get_item(RequestItems={self.name: asked})
            found += answer["Responses"].get(self.name, [])
            unread = answer.get("UnprocessedKeys", {}).get(self.name)
            if unread is None:
                return found
            left = unread["Keys"]
            self._wait(turn)
        raise StateUnavailable(f"table {self.name}: {len(left)} reads were throttled to the end")

    def _wait(self, turn: int) -> None:
        self.sleep(min(FIRST_WAIT_S * 2.0**turn, LONGEST_WAIT_S))


def in_batches(several: Iterable[T], most: int) -> Iterator[Sequence[T]]:
    """Lists of ``most``, the last one perhaps shorter; none is empty."""
    rest = iter(several)
    while batch := list(islice(rest, most)):
        yield batch


def _complaint(table: str, error: BatchStatementErrorTypeDef) -> SluiceError:
    code = error.get("Code", "")
    if code in _REMEDIES:
        return SettingInvalid(f"table {table}: {_REMEDIES[code]} ({code})")
    return InvariantBroken(f"table {table}: {error.get('Message', code)}")
