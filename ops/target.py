"""Which deployment a command speaks to: the embedded one, or a stack in AWS.

Order: what the environment says (``SLUICE_STATE_TABLE`` and friends), then ``.sluice/env`` of an
embedded stack that is up, then the outputs of the CloudFormation stack (``--stack``, by the usual
AWS profile and region).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import psycopg
from psycopg.rows import dict_row

from sluice.core.errors import DatabaseUnavailable, SettingInvalid
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import DynamoRegistry
from sluice.queues.messages import SqsMessages
from sluice.secrets.manager import SecretsManagerSecrets

ENV_FILE = Path(".sluice/env")
_OUTPUTS = {
    "SLUICE_STATE_TABLE": "StateTableName",
    "SLUICE_REGISTRY_TABLE": "RegistryTableName",
    "SLUICE_QUEUE_URL": "SliceQueueUrl",
    "SLUICE_DLQ_URL": "SliceDeadLetterQueueUrl",
    "SLUICE_DATABASE_SECRET": "DatabaseSecretArn",
}
_AWS = (
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)


@dataclass(frozen=True)
class Target:
    """One deployment: its names, and connections made when first needed."""

    names: Mapping[str, str]
    embedded: bool

    def aws(self, service: str) -> Any:
        return boto3.client(service)  # type: ignore[call-overload]

    @cached_property
    def registry(self) -> DynamoRegistry:
        return DynamoRegistry(self.aws("dynamodb"), self.names["SLUICE_REGISTRY_TABLE"])

    @cached_property
    def leases(self) -> DynamoLeaseStore:
        return DynamoLeaseStore(self.aws("dynamodb"), self.names["SLUICE_STATE_TABLE"])

    @cached_property
    def messages(self) -> SqsMessages:
        return SqsMessages(self.aws("sqs"), self.names["SLUICE_QUEUE_URL"])

    @cached_property
    def secrets(self) -> SecretsManagerSecrets:
        return SecretsManagerSecrets()

    def database_url(self) -> str:
        """``DATABASE_URL`` if given, else what the deployment's own secret says."""
        given = self.names.get("DATABASE_URL") or os.environ.get("DATABASE_URL")
        return given or self.secrets.text(self.names["SLUICE_DATABASE_SECRET"])

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        """A connection for a person's questions; close it when done."""
        try:
            return psycopg.connect(
                self.database_url(),
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,
                connect_timeout=10,
                application_name="sluice-ops",
            )
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(f"the database does not answer: {error}") from error


def find_target(stack: str = "sluice", env_file: Path = ENV_FILE) -> Target:
    """The deployment meant; SettingInvalid says how to name one when none is found."""
    if "SLUICE_STATE_TABLE" in os.environ:
        return Target(dict(os.environ), embedded=os.environ.get("SLUICE_STAGE") == "local")
    if env_file.exists() and "AWS_PROFILE" not in os.environ:
        names = read_env_file(env_file)
        os.environ.update({name: names[name] for name in _AWS if name in names})
        return Target(names, embedded=True)
    return Target(_stack_outputs(stack), embedded=False)


def read_env_file(path: Path) -> dict[str, str]:
    """KEY=VALUE lines; anything else is ignored."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _stack_outputs(stack: str) -> dict[str, str]:
    try:
        answer = boto3.client("cloudformation").describe_stacks(StackName=stack)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise SettingInvalid(
            f"no deployment found: `sluice up` starts an embedded one; for AWS, set AWS_PROFILE and "
            f"AWS_REGION and name the stack with --stack (asked for {stack!r}: {error})"
        ) from error
    outputs = {o["OutputKey"]: o["OutputValue"] for o in answer["Stacks"][0].get("Outputs", [])}
    return {name: outputs[key] for name, key in _OUTPUTS.items() if key in outputs}
