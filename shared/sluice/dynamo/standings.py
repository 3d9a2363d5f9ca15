"""What the state table says of many streams at once. The items are those of ``leases``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sluice.core.keys import StreamKey
from sluice.core.spreading import Spread
from sluice.core.underway import Standing
from sluice.dynamo.batches import BatchTable
from sluice.dynamo.items import Item, read_moment, read_number, read_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READ = (
    "stream_key",
    "fencing_token",
    "base_seq",
    "seq",
    "continued_seq",
    "has_more",
    "lease_until",
    "not_before",
    "updated_at",
)
"""Not the watermark, which is the largest part of an item."""


class DynamoStandings:
    """Implements ``core.scheduling.Standings``.

    Reads consistently: from a copy that lags behind, a stream that just ended would pass for running and
    wait for another tick.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, spread: Spread = map) -> None:
        self._table = BatchTable(client, table, spread=spread)

    def of(self, keys: Sequence[StreamKey]) -> Mapping[StreamKey, Standing]:
        items = self._table.get_many([str(key) for key in keys], READ)
        return {StreamKey.parse(read_text(item, "stream_key")): _standing(item) for item in items}


def _standing(item: Item) -> Standing:
    return Standing(
        fencing_token=read_number(item, "fencing_token"),
        base_seq=read_number(item, "base_seq"),
        seq=read_number(item, "seq"),
        continued_seq=read_number(item, "continued_seq"),
        has_more="has_more" in item and bool(item["has_more"]["BOOL"]),
        lease_until=read_moment(item, "lease_until"),
        not_before=read_moment(item, "not_before"),
        acquired_at=read_moment(item, "updated_at"),
    )
