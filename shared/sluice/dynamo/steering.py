"""Steering in the registry: streams whose turn comes sooner, because somebody said so.

Attribute of its own: ``resumed_at`` (epoch ms), when the stream's pause ends or ended. What it was
asked for before that moment was thrown away by workers, so nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sluice.core.keys import StreamKey
from sluice.dynamo.items import Values, moment
from sluice.dynamo.registry import ACTIVE, NO, YES, next_due
from sluice.dynamo.table import Table, Written

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DUE_LATER = f"{ACTIVE} AND (attribute_not_exists(due_at) OR due_at > :at)"

AT_ONCE = 8
"""Writes at the same time: a switch for everybody moves many thousand streams while a person waits."""


class DynamoSteering:
    """Implements ``core.steering.Steering``. One conditional write per stream, each safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def next_due(self, key: StreamKey, cadence: timedelta, now: datetime) -> datetime:
        return next_due(key, cadence, now)

    def due_by(self, moments: Mapping[StreamKey, datetime]) -> int:
        return _count(self._due_by, moments)

    def resumed(self, moments: Mapping[StreamKey, datetime]) -> int:
        return _count(self._resumed, moments)

    def _due_by(self, key: StreamKey, at: datetime) -> bool:
        return self._change(key, "SET due_at = :at", at, DUE_LATER)

    def _resumed(self, key: StreamKey, at: datetime) -> bool:
        """The second write is for a stream that is due sooner anyway; it must not lose its turn."""
        if self._change(key, "SET due_at = :at, resumed_at = :at", at, DUE_LATER):
            return True
        self._change(key, "SET resumed_at = :at", at, ACTIVE)
        return False

    def _change(self, key: StreamKey, change: str, at: datetime, condition: str) -> bool:
        values: Values = {":at": moment(at), ":yes": YES, ":no": NO}
        return isinstance(self._table.update(key, change, values, condition=condition), Written)


def _count(
    move: Callable[[StreamKey, datetime], bool], moments: Mapping[StreamKey, datetime]
) -> int:
    """How many were moved. The first failure is raised once all were tried."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(list(pool.map(move, moments.keys(), moments.values())))
