"""The one module that builds adapters and hands them to use cases.

Everything here is built once per Lambda environment and kept over warm invocations: clients,
the database connection, the vendors' HTTP connections.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.core.slices import SliceReport
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import DynamoRegistry
from sluice.messages import SliceMessage
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.migrations import apply_migrations
from sluice.queues.messages import SqsMessages
from sluice.secrets.manager import SecretsManagerSecrets
from sluice.settings import Settings
from sluice.sources.registry import VendorConnections, open_stream
from sluice.usecases import clean_up as _clean_up
from sluice.usecases import plan as _plan
from sluice.usecases import run_slice as _run_slice

AWS_CALL = Config(
    connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}
)


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return str(uuid.uuid4())


@cache
def settings() -> Settings:
    return Settings.read(os.environ)


@cache
def aws(service: str) -> Any:
    """A client per service and environment; endpoint and region come from the AWS environment."""
    return boto3.client(service, config=AWS_CALL)  # type: ignore[call-overload]


@cache
def secrets() -> SecretsManagerSecrets:
    return SecretsManagerSecrets(config=AWS_CALL)


@cache
def leases() -> DynamoLeaseStore:
    return DynamoLeaseStore(aws("dynamodb"), settings().state_table)


@cache
def registry() -> DynamoRegistry:
    return DynamoRegistry(aws("dynamodb"), settings().registry_table)


@cache
def messages() -> SqsMessages:
    return SqsMessages(aws("sqs"), settings().queue_url)


@cache
def commits() -> PostgresCommits:
    """The database, checked once per environment to have the schema that this code needs."""
    secret = settings().database_secret
    if not secret:
        raise SettingInvalid("SLUICE_DATABASE_SECRET is not set; deploy template.yaml again")
    connection = PostgresConnection(lambda: secrets().text(secret), application_name="sluice")
    return PostgresCommits(connection)


@dataclass(frozen=True, slots=True)
class RegisteredStreams:
    """Opens streams as the registry describes them, with credentials from Secrets Manager."""

    connections: VendorConnections

    def open(self, key: StreamKey) -> Stream:
        entry = registry().get(key)
        return open_stream(
            key,
            settings=entry.settings,
            credentials=secrets().text(entry.secret),
            refresh=lambda: secrets().refreshed(entry.secret),
            connections=self.connections,
        )


@cache
def streams() -> RegisteredStreams:
    allow_loopback = settings().stage == "local"
    return RegisteredStreams(VendorConnections(allow_loopback=allow_loopback, sleep=time.sleep))


def run_slice(message: SliceMessage, *, deadline: datetime) -> SliceReport:
    kit = _run_slice.Kit(
        leases=leases(),
        commits=commits(),
        messages=messages(),
        streams=streams(),
        clock=now,
        new_id=new_id,
        chance=random.SystemRandom().random,
    )
    return _run_slice.run_slice(message, deadline, kit)


def migrate(phase: str) -> Sequence[str]:
    """Apply one phase of the migrations that came with this deploy, as the schema's owner."""
    secret = os.environ.get("SLUICE_MIGRATION_DATABASE_SECRET")
    if not secret:
        raise SettingInvalid(
            "SLUICE_MIGRATION_DATABASE_SECRET is not set; deploy template.yaml again"
        )
    folder = Path(str(resources.files("sluice_migrations")))
    return apply_migrations(secrets().text(secret), phase=phase, folder=folder)


def plan() -> _plan.Planned:
    return _plan.plan(registry(), messages(), now)


def clean_up() -> _clean_up.CleanUp:
    return _clean_up.clean_up(leases(), commits(), messages(), now)
