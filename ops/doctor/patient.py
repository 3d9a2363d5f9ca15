"""The deployment that is looked at: its stack and what belongs to it, asked for once and remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import psycopg
from botocore.exceptions import ClientError
from psycopg.rows import dict_row

from ops.target import Target
from sluice.core.errors import DatabaseUnavailable
from sluice.postgres.connection import UNAVAILABLE, first_line

FUNCTION = "AWS::Lambda::Function"
LAYER = "AWS::Lambda::LayerVersion"
MAPPING = "AWS::Lambda::EventSourceMapping"
QUEUE = "AWS::SQS::Queue"
TABLE = "AWS::DynamoDB::Table"
SCHEDULE = "AWS::Scheduler::Schedule"
ALARM = "AWS::CloudWatch::Alarm"
LOG_GROUP = "AWS::Logs::LogGroup"

Database = psycopg.Connection[dict[str, Any]]


@dataclass
class Patient:
    """One deployment. ``pause`` waits some seconds, where only a second look tells."""

    target: Target
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pause: Callable[[float], None] = time.sleep
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    def aws(self, service: str) -> Any:
        """A client of the deployment's AWS; the same at each call."""
        if service not in self._clients:
            self._clients[service] = self.target.aws(service)
        return self._clients[service]

    @property
    def embedded(self) -> bool:
        return self.target.embedded

    @cached_property
    def stack(self) -> Mapping[str, Any]:
        """The CloudFormation stack as AWS describes it."""
        answer = self.aws("cloudformation").describe_stacks(StackName=self.target.stack)
        found: Mapping[str, Any] = answer["Stacks"][0]
        return found

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """What the stack was deployed with, by the names of the template's parameters."""
        given = self.stack.get("Parameters", [])
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in given}

    @cached_property
    def _resources(self) -> Sequence[Mapping[str, Any]]:
        pages = self.aws("cloudformation").get_paginator("list_stack_resources")
        return [
            each
            for page in pages.paginate(StackName=self.target.stack)
            for each in page["StackResourceSummaries"]
        ]

    def resources(self, kind: str) -> Mapping[str, str]:
        """The stack's resources of one type: by logical id, what AWS calls them."""
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in self._resources
            if each["ResourceType"] == kind and each.get("PhysicalResourceId")
        }

    @cached_property
    def functions(self) -> Mapping[str, Mapping[str, Any] | None]:
        """The configuration of each function of the stack, by its name; None for one that is not there."""
        names = sorted(self.resources(FUNCTION).values())
        return {name: self._function(name) for name in names}

    def _function(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self.aws("lambda").get_function_configuration(
                FunctionName=name
            )
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return found

    @cached_property
    def mappings(self) -> Mapping[str, Mapping[str, Any] | None]:
        """The event source mappings of the stack, by logical id; None for one that is not there."""
        return {name: self._mapping(uuid) for name, uuid in self.resources(MAPPING).items()}

    def _mapping(self, uuid: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self.aws("lambda").get_event_source_mapping(UUID=uuid)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return found

    def queue(self, url: str) -> Mapping[str, str]:
        """A queue's attributes as they are now."""
        answer = self.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        found: Mapping[str, str] = answer["Attributes"]
        return found

    @cached_property
    def queues(self) -> Mapping[str, Mapping[str, str]]:
        """The attributes of each queue of the stack, by logical id."""
        return {name: self.queue(url) for name, url in self.resources(QUEUE).items()}

    @cached_property
    def application_url(self) -> str:
        """The database's URL as the functions have it: out of the secret, whatever DATABASE_URL says."""
        secret = self.target.name("SLUICE_DATABASE_SECRET")
        answer = self.aws("secretsmanager").get_secret_value(SecretId=secret)
        return str(answer.get("SecretString", "")).strip()

    @contextmanager
    def connected(self, url: str) -> Iterator[Database]:
        """A connection whatever the schema is like; DatabaseUnavailable also for what goes wrong inside."""
        try:
            with psycopg.connect(
                url,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,
                connect_timeout=5,
                application_name="sluice-doctor",
            ) as connection:
                yield connection
        except (*UNAVAILABLE, psycopg.Error) as error:
            raise DatabaseUnavailable(f"database: {first_line(error)}") from error


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"]).rsplit(".", 1)[-1]
