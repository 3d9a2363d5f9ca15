"""The contract suites' stores: clients of the embedded AWS and fresh tables there, and each ``Commits``."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config

from local import aws as embedded_aws
from local.postgres import Database
from sluice.core.ports import Leases
from sluice.dynamo.leases import DynamoLeaseStore
from tests.contract import tables
from tests.contract.stores import MemoryStore, PostgresStore, Store
from tests.memory.leases import MemoryLeases

Client = Callable[[str], Any]


@pytest.fixture
def new_client(cloud: embedded_aws.MiniStack) -> Iterator[Client]:
    """A client of the embedded AWS; each call makes a new one, all are closed after the test."""
    made: list[Any] = []

    def new(service: str) -> Any:
        client = boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=cloud.endpoint,
            region_name=embedded_aws.REGION,
            aws_access_key_id=embedded_aws.ROOT_KEY,
            aws_secret_access_key=embedded_aws.ROOT_KEY,
            config=Config(
                connect_timeout=2,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 4},
                max_pool_connections=16,
            ),
        )
        made.append(client)
        return client

    yield new
    for client in made:
        client.close()


@pytest.fixture
def state_table(new_client: Client) -> str:
    return tables.create_state_table(new_client("dynamodb"), f"state-{uuid.uuid4()}")


@pytest.fixture
def registry_table(new_client: Client) -> str:
    return tables.create_registry_table(new_client("dynamodb"), f"registry-{uuid.uuid4()}")


@pytest.fixture(params=["memory", "postgres", "pooled"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    database: Database = request.getfixturevalue("database")
    url = database.app_url
    if request.param == "pooled":
        url = request.getfixturevalue("pooled_url")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        made = PostgresStore(url, owner)
        yield made
        made.connection.close()


@pytest.fixture(params=["memory", "dynamodb"])
def leases(request: pytest.FixtureRequest) -> Leases:
    if request.param == "memory":
        return MemoryLeases()
    client = request.getfixturevalue("new_client")("dynamodb")
    return DynamoLeaseStore(client, request.getfixturevalue("state_table"))
