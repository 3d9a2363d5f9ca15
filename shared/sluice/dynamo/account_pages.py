"""The pages of many vendor accounts at once, without writing them and without reading what else the book holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluice.core.spreading import Spread
from sluice.dynamo.batches import BatchTable
from sluice.dynamo.items import read_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoAccountPages:
    """Implements ``usecases.overview.ReadsPages``."""

    def __init__(self, client: DynamoDBClient, table: str, *, spread: Spread = map) -> None:
        self._table = BatchTable(client, table, key_name="subject", spread=spread)

    def pages(self, subjects: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Those of these subjects that have a page. Raises StateUnavailable."""
        items = self._table.get_many(subjects, ("subject", "page"))
        return {read_text(item, "subject"): json.loads(read_text(item, "page")) for item in items}
