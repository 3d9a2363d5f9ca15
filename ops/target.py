"""Which deployment a command speaks to: the embedded one, or a stack in AWS.

Order: the stack that ``--stack`` names; what the environment says (``SLUICE_STATE_TABLE`` and
friends); ``.sluice/env`` of an embedded stack that is up, unless AWS_PROFILE is set; then the
CloudFormation stack ``sluice``, by the usual AWS profile and region.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from psycopg.rows import dict_row

from sluice.core.errors import DatabaseUnavailable, SchemaTooOld, SettingInvalid
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import DynamoRegistry
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import UNAVAILABLE, PostgresConnection, first_line
from sluice.queues.messages import SqsMessages
from sluice.secrets.manager import SecretsManagerSecrets

ENV_FILE = Path(__file__).resolve().parents[1] / ".sluice" / "env"
DEFAULT_STACK = "sluice"
OUTPUTS = {
    "SLUICE_STATE_TABLE": "StateTableName",
    "SLUICE_REGISTRY_TABLE": "RegistryTableName",
    "SLUICE_LIMITS_TABLE": "LimitsTableName",
    "SLUICE_QUEUE_URL": "SliceQueueUrl",
    "SLUICE_BACKFILL_QUEUE_URL": "BackfillQueueUrl",
    "SLUICE_DLQ_URL": "SliceDeadLetterQueueUrl",
    "SLUICE_PUSH_QUEUE_URL": "PushQueueUrl",
    "SLUICE_PUSH_DLQ_URL": "PushDeadLetterQueueUrl",
    "SLUICE_WEBHOOK_URL": "WebhookUrl",
    "SLUICE_DATABASE_SECRET": "DatabaseSecretArn",
    "SLUICE_WORKER_FUNCTION": "WorkerFunctionName",
    "SLUICE_POOL_SIZE": "PoolSize",
}
AWS_CALL = Config(
    connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
)
OLD_SCHEMA = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)

Clients = Callable[[str], Any]
Sessions = Callable[..., Any]


@dataclass(frozen=True)
class Target:
    """One deployment: its names, and connections made when first needed.

    ``where`` is how people call it. ``aws`` makes a client for a service.
    """

    names: Mapping[str, str]
    embedded: bool
    where: str
    aws: Clients = field(repr=False)

    def name(self, variable: str) -> str:
        """One of the deployment's names; SettingInvalid when it has none."""
        value = self.names.get(variable)
        if not value:
            output = OUTPUTS.get(variable, variable)
            raise SettingInvalid(
                f"{self.where} does not say its {variable} (output {output}); deploy template.yaml again"
            )
        return value

    @property
    def stack(self) -> str:
        """The CloudFormation stack's name."""
        return self.names.get("SLUICE_STACK") or DEFAULT_STACK

    @cached_property
    def registry(self) -> DynamoRegistry:
        table = self.name("SLUICE_REGISTRY_TABLE")
        return DynamoRegistry(self.aws("dynamodb"), table)

    @cached_property
    def leases(self) -> DynamoLeaseStore:
        table = self.name("SLUICE_STATE_TABLE")
        return DynamoLeaseStore(self.aws("dynamodb"), table)

    @cached_property
    def messages(self) -> SqsMessages:
        """A deployment older than the queue of backfills has one queue for all."""
        queue_url = self.name("SLUICE_QUEUE_URL")
        return SqsMessages(self.aws("sqs"), queue_url, self.names.get("SLUICE_BACKFILL_QUEUE_URL"))

    def secret_exists(self, name: str) -> bool:
        """False only when Secrets Manager says so; a person may not be allowed to ask."""
        try:
            self.aws("secretsmanager").describe_secret(SecretId=name)
        except ClientError as error:
            return error.response["Error"]["Code"] != "ResourceNotFoundException"
        except BotoCoreError as error:
            raise SettingInvalid(f"Secrets Manager cannot be asked: {first_line(error)}") from error
        return True

    def database_url(self) -> str:
        """``DATABASE_URL`` if given, else what the deployment's own secret says."""
        given = self.names.get("DATABASE_URL")
        if given:
            return given
        secret = self.name("SLUICE_DATABASE_SECRET")
        return SecretsManagerSecrets(client=self.aws("secretsmanager")).text(secret)

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A connection for a person's questions, to a schema that is new enough for this code.

        DatabaseUnavailable, SchemaTooOld or SettingInvalid, also for what goes wrong inside the block.
        """
        url = self.database_url()
        with _translated():
            _check_schema(url)
            with psycopg.connect(
                url,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,
                connect_timeout=10,
                application_name="sluice-ops",
            ) as connection:
                yield connection


def find_target(
    stack: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    env_file: Path = ENV_FILE,
    session: Sessions = boto3.Session,
) -> Target:
    """The deployment meant; SettingInvalid says how to name one when none is found."""
    given = {"DATABASE_URL": environment["DATABASE_URL"]} if "DATABASE_URL" in environment else {}
    if stack is None and "SLUICE_STATE_TABLE" in environment:
        return Target(
            dict(environment),
            embedded=environment.get("SLUICE_STAGE") == "local",
            where="the environment (SLUICE_...)",
            aws=_clients(session, environment),
        )
    if stack is None and env_file.exists() and "AWS_PROFILE" not in environment:
        return _embedded(env_file, session)
    aws = _clients(session, environment)
    wanted = stack or DEFAULT_STACK
    names = {**_stack_outputs(wanted, aws), **given, "SLUICE_STACK": wanted}
    return Target(names, embedded=False, where=f"the stack {wanted!r}", aws=aws)


def read_env_file(path: Path) -> dict[str, str]:
    """KEY=VALUE lines; anything else is ignored."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _embedded(env_file: Path, session: Sessions) -> Target:
    names = read_env_file(env_file)
    if not _answers(names.get("AWS_ENDPOINT_URL", "")):
        raise SettingInvalid(
            f"{env_file} names an embedded stack that does not answer; `sluice up` starts a new one,"
            " `sluice down` clears this one away"
        )
    aws = _clients(
        session,
        names,
        endpoint_url=names["AWS_ENDPOINT_URL"],
        aws_access_key_id=names.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=names.get("AWS_SECRET_ACCESS_KEY"),
    )
    return Target(names, embedded=True, where="the embedded stack", aws=aws)


def _answers(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    try:
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=2):
            return True
    except OSError:
        return False


def _clients(session: Sessions, environment: Mapping[str, str], **options: Any) -> Clients:
    """Makes clients of one session; what is wrong with profile, region or credentials is one line.

    boto3 alone does not look at AWS_REGION, which every other SDK does.
    """
    made = cache(lambda: session(region_name=environment.get("AWS_REGION")))

    def client(service: str) -> Any:
        try:
            return made().client(service, config=AWS_CALL, **options)
        except (BotoCoreError, ValueError) as error:
            raise _no_deployment(error) from error

    return client


def _stack_outputs(stack: str, aws: Clients) -> dict[str, str]:
    client = aws("cloudformation")
    try:
        answer = client.describe_stacks(StackName=stack)
    except ClientError as error:
        raise _stack_refused(stack, client.meta.region_name, error) from error
    except BotoCoreError as error:
        raise _no_deployment(error) from error
    outputs = {o["OutputKey"]: o["OutputValue"] for o in answer["Stacks"][0].get("Outputs", [])}
    names = {name: outputs[key] for name, key in OUTPUTS.items() if key in outputs}
    if not names:
        raise SettingInvalid(
            f"the stack {stack!r} is not Sluice's (it has no output StateTableName);"
            " name another with --stack"
        )
    return names


def _stack_refused(stack: str, region: str, error: ClientError) -> SettingInvalid:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if "does not exist" in message:
        return SettingInvalid(
            f"there is no stack {stack!r} in {region}; name another with --stack, set AWS_REGION,"
            " or deploy it with `make deploy`"
        )
    return SettingInvalid(
        f"the stack {stack!r} in {region} cannot be looked at: {(message or code).splitlines()[0]} ({code})"
    )


def _no_deployment(error: Exception) -> SettingInvalid:
    why = "no embedded stack is up and"
    match error:
        case NoRegionError():
            why = f"{why} no AWS region is set"
        case NoCredentialsError():
            why = f"{why} there are no AWS credentials"
        case _:
            why = first_line(error)
    return SettingInvalid(
        f"no deployment found: {why}; `sluice up` starts an embedded one; for AWS, set AWS_PROFILE and"
        " AWS_REGION, and name the stack with --stack if it is not called 'sluice'"
    )


def _check_schema(url: str) -> None:
    connection = PostgresConnection(url, application_name="sluice-ops")
    try:
        PostgresCommits(connection).check_schema()
    finally:
        connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    """psycopg's errors as Sluice's."""
    try:
        yield
    except UNAVAILABLE as error:
        raise DatabaseUnavailable(f"database: {first_line(error)}") from error
    except OLD_SCHEMA as error:
        raise SchemaTooOld(
            f"the database is older than this code ({first_line(error)}): deploy the stack again or run"
            " `sluice migrate pre`"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SettingInvalid(
            f"database: {first_line(error)}; use a role that is a member of sluice_app"
        ) from error
