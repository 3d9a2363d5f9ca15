"""Builds what answers ``/health``, ``/ready`` and ``/metrics``.

Beside ``wiring``, whose parts it takes. Anybody may ask, so what is asked of stores is asked by one environment at a
time and kept for all (``usecases.kept_answer``), and the database connection is given back each time.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

import boto3

from sluice import wiring
from sluice.core.errors import SettingInvalid, SluiceError
from sluice.core.webhooks import Headers
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.observability.logs import logger
from sluice.observability.prometheus import exposition
from sluice.postgres.commits import REQUIRED_MIGRATION, PostgresCommits
from sluice.postgres.connection import PostgresConnection, first_line
from sluice.postgres.secret_failures import SecretFailures
from sluice.queues.depths import SqsDepths
from sluice.secrets.manager import SecretsManagerSecrets
from sluice.usecases import health, ready
from sluice.usecases.kept_answer import KeptAnswer
from sluice.versions import VERSION, code_digest
from sluice.wiring_overview import QUEUES

READY_KEPT_FOR = timedelta(seconds=10)
METRICS_KEPT_FOR = timedelta(seconds=30)
NOTED_FOR = timedelta(minutes=10)
"""So long nobody tries again to note that the token's secret cannot be read."""

INVOCATION = timedelta(seconds=25)
"""The function's timeout: whoever makes an answer has answered by then, or is dead."""

STATEMENT_TIMEOUT = timedelta(seconds=3)

TABLE = "table"


@cache
def aws(service: str) -> Any:
    """Quick to give up: who asks whether we are ready does not wait for minutes."""
    return boto3.client(service, config=wiring.QUICK_AWS_CALL)  # type: ignore[call-overload]


@cache
def secrets() -> SecretsManagerSecrets:
    return SecretsManagerSecrets(config=wiring.QUICK_AWS_CALL)


def answer(route: str, headers: Headers) -> health.Reply:
    """What the API says to this request."""
    return health.answer(route, headers, _kit())


@cache
def _kit() -> health.Kit:
    versions = {"version": VERSION, "code": code_digest(), "schema_required": REQUIRED_MIGRATION}
    parts = _parts()
    readiness = _kept("health#ready", lambda: ready.body_of(_look(parts)), READY_KEPT_FOR)
    return health.Kit(
        versions=versions,
        readiness=readiness,
        parts=[part.name for part in parts],
        table=TABLE,
        figures=_figures(),
        tell=_tell,
        clock=wiring.now,
    )


def _figures() -> health.Figures | None:
    secret = wiring.settings().metrics_token_secret
    if not secret:
        return None
    kept = _kept("health#metrics", _draw, METRICS_KEPT_FOR)
    return health.Figures(kept, lambda: _token(secret))


def _token(secret: str) -> str:
    """The secret's text; a failure to read it is noted in the audit before it is raised."""
    try:
        return secrets().text(secret)
    except SluiceError as error:
        _note(secret, error)
        raise


def _note(secret: str, error: SluiceError) -> None:
    """By one environment at a time and seldom: strangers may ask, and a note takes a connection."""

    def noted() -> str:
        with _given_back(_database()):
            failures = SecretFailures(_database(), wiring.this_function(), wiring.now)
            failures.note(secret, "metrics", type(error).__name__)
        return "{}"

    try:
        _kept("health#secret", noted, NOTED_FOR).get()
    except SluiceError as failed:
        _tell("audit", failed)


def _kept(subject: str, make: Callable[[], str], kept_for: timedelta) -> KeptAnswer:
    book = DynamoBook(
        aws("dynamodb"), wiring.settings().limits_table, chance=random.SystemRandom().random
    )
    return KeptAnswer(book, subject, make, wiring.now, wiring.new_id, kept_for, INVOCATION)


def _draw() -> str:
    with _given_back(wiring.connection()):
        return exposition(wiring.overview())


@cache
def _database() -> PostgresConnection:
    return PostgresConnection(
        lambda: secrets().text(_database_secret()), statement_timeout=STATEMENT_TIMEOUT
    )


def _parts() -> Sequence[ready.Part]:
    """In the order of asking. The secret is read anew: one that was kept says nothing."""
    return (
        ready.Part(TABLE, lambda: _leases().stale(before=wiring.now(), limit=1)),
        ready.Part("secrets", lambda: secrets().refreshed(_database_secret())),
        ready.Part("queue", lambda: SqsDepths(aws("sqs"), _queue_urls()).depths()),
        ready.Part("database", _begin_and_end, needs="secrets"),
        ready.Part("schema", _check_schema, needs="database"),
    )


def _look(parts: Sequence[ready.Part]) -> Mapping[str, ready.Word]:
    with _given_back(_database()):
        return ready.look(parts, wiring.now, _tell)


def _begin_and_end() -> None:
    with _database().transaction():
        pass


def _check_schema() -> None:
    """Anew each time: a database may be put back to an older one."""
    PostgresCommits(_database()).check_schema()


@cache
def _leases() -> DynamoLeaseStore:
    return DynamoLeaseStore(aws("dynamodb"), wiring.settings().state_table)


def _queue_urls() -> dict[str, str]:
    return {queue: url for queue, name in QUEUES.items() if (url := os.environ.get(name))}


def _database_secret() -> str:
    secret = wiring.settings().database_secret
    if not secret:
        raise SettingInvalid("SLUICE_DATABASE_SECRET is not set; deploy template.yaml again")
    return secret


def _tell(part: str, error: SluiceError) -> None:
    logger.warning("not_ready", extra={"part": part, "why": first_line(error)})


@contextmanager
def _given_back(connection: PostgresConnection) -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()
