"""A backup of the state table, and its restore: items come back as they were, newer ones are gone.

No engine, role or command does this; a person restoring a DynamoDB backup does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sluice.dynamo.items import Item


@dataclass(slots=True)
class StateBackup:
    """``client`` talks to the embedded AWS itself, past every proxy."""

    client: Any
    table: str
    _items: dict[str, Item] | None = field(default=None)

    def snapshot(self) -> int:
        """Remember every item; returns how many."""
        self._items = self._scan()
        return len(self._items)

    def restore(self) -> int:
        """The table as it was at ``snapshot``; returns how many items were another since.

        A writer between two of its writes meets a table half restored, which a restore into a new table
        would spare it: the harder case is the one tried.
        """
        if self._items is None:
            raise LookupError("there is no backup to restore")
        now = self._scan()
        changed = 0
        for key, item in self._items.items():
            if now.get(key) != item:
                self.client.put_item(TableName=self.table, Item=item)
                changed += 1
        for key in now.keys() - self._items.keys():
            self.client.delete_item(TableName=self.table, Key={"stream_key": {"S": key}})
            changed += 1
        return changed

    def _scan(self) -> dict[str, Item]:
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table, ConsistentRead=True
        )
        return {item["stream_key"]["S"]: item for page in pages for item in page["Items"]}
