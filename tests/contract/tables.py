"""The tables as template.yaml declares them, for suites that need no deploy."""

from __future__ import annotations

import uuid
from typing import Any


def create_state_table(client: Any, name: str) -> str:
    return _create(client, name, "leased-index", "leased", "lease_until")


def create_registry_table(client: Any, name: str) -> str:
    return _create(client, name, "due-index", "due_shard", "due_at")


def create_limits_table(client: Any, prefix: str) -> str:
    name = f"{prefix}-{uuid.uuid4()}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "subject", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "subject", "KeyType": "HASH"}],
    )
    return name


def _create(client: Any, name: str, index: str, hash_key: str, range_key: str) -> str:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "stream_key", "AttributeType": "S"},
            {"AttributeName": hash_key, "AttributeType": "S"},
            {"AttributeName": range_key, "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "stream_key", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": hash_key, "KeyType": "HASH"},
                    {"AttributeName": range_key, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return name
