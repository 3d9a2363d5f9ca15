"""The one module that builds adapters and hands them to use cases.

Everything here is built once per Lambda environment and kept over warm invocations: clients,
the database connection, the vendors' HTTP connections.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sluice.core.desk.admitting import DeskRules
from sluice.core.errors import RetryLater, SettingInvalid, SluiceError
from sluice.core.keys import StreamKey
from sluice.core.limits.breaker import BreakerRules
from sluice.core.overview.picture import Overview
from sluice.core.ports import Stream
from sluice.core.priorities import Priority
from sluice.core.slices import Delivery, Outcome, SliceReport
from sluice.core.spreading import Spread
from sluice.core.steering.ports import BookSwitches
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.known_entries import KnownEntries, SwitchesAndFile
from sluice.dynamo.leases import DynamoLeaseStore
from sluice.dynamo.registry import DynamoRegistry
from sluice.dynamo.standings import DynamoStandings
from sluice.messages import ApplyMessage, SecretMessage, SliceMessage
from sluice.postgres.commits import PostgresCommits
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.first_load import FirstLoads
from sluice.postgres.inbox import PostgresInbox
from sluice.postgres.migrations import apply_migrations
from sluice.postgres.overview import PostgresHistories
from sluice.postgres.partitions import EventPartitions
from sluice.postgres.portions import PostgresPortions
from sluice.postgres.pushes import PostgresPushes
from sluice.postgres.retention import PostgresHistory
from sluice.postgres.secret_failures import SecretFailures
from sluice.queues.deliveries import SqsDeliveries
from sluice.queues.messages import SqsMessages
from sluice.queues.pushes import SqsPushQueue
from sluice.secrets.manager import SecretsManagerSecrets
from sluice.settings import Settings
from sluice.sources.pushes import hurried, statements_of, topics_of
from sluice.sources.registry import VendorConnections, open_stream
from sluice.usecases import apply_hint as _apply_hint
from sluice.usecases import clean_up as _clean_up
from sluice.usecases import overview as _overview
from sluice.usecases import plan as _plan
from sluice.usecases import run_slice as _run_slice
from sluice.usecases.admission import ClientDesks
from sluice.wiring_overview import Stores, kit_of

AWS_CALL = Config(
    connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}
)

QUICK_AWS_CALL = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}
)
"""Of the function that receives webhooks: its vendor waits for the answer, and sends again without one."""

CALLS_AT_ONCE = 50
"""By the dispatcher. A call costs it 2 to 4 ms of processor time, and SQS may take a hundred to answer."""

ONE_OF_MANY_CALLS = AWS_CALL.merge(
    Config(max_pool_connections=CALLS_AT_ONCE, parameter_validation=False)
)
"""Parameters are made by code alone; looking at them again would be a quarter of that processor time."""


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
def book() -> DynamoBook:
    return DynamoBook(aws("dynamodb"), settings().limits_table, chance=random.SystemRandom().random)


@cache
def switches() -> BookSwitches:
    return BookSwitches(book(), now)


@cache
def desks() -> ClientDesks:
    return ClientDesks(book(), now, DeskRules(most_running=settings().slices_per_client))


@cache
def messages() -> SqsMessages:
    return SqsMessages(aws("sqs"), settings().queue_url, settings().backfill_queue_url)


@cache
def connection() -> PostgresConnection:
    """The one connection of this environment."""
    return PostgresConnection(_database_url, application_name="sluice")


def _database_url() -> str:
    return secrets().text(_database_secret())


def _database_secret() -> str:
    secret = settings().database_secret
    if not secret:
        raise SettingInvalid("SLUICE_DATABASE_SECRET is not set; deploy template.yaml again")
    return secret


@cache
def commits() -> PostgresCommits:
    """The database, checked once per environment to have the schema that this code needs."""
    _database_secret()
    return PostgresCommits(connection())


def this_function() -> str:
    """As the audit names it."""
    return f"function:{os.environ.get('AWS_LAMBDA_FUNCTION_NAME', 'unknown')}"


@cache
def secret_failures() -> SecretFailures:
    return SecretFailures(connection(), this_function(), now)


def note_secret(message: SecretMessage) -> None:
    """Note a failure that a function without a database met."""
    failures = replace(secret_failures(), actor=message.actor)
    failures.note(message.secret_unreadable, message.scope, message.why)


def _noted(read: Callable[[str], str], secret: str, key: StreamKey) -> str:
    """The secret; a failure to read it is noted in the audit before it is raised."""
    try:
        return read(secret)
    except SluiceError as error:
        secret_failures().note(secret, str(key), type(error).__name__)
        raise


@dataclass(frozen=True, slots=True)
class RegisteredStreams:
    """Opens streams as the registry describes them, with credentials from Secrets Manager."""

    connections: VendorConnections
    entries: KnownEntries
    hurries: bool = False
    """For a push: streams find themselves due whatever their rhythm says."""

    def open(self, key: StreamKey) -> Stream:
        entry = self.entries.get(key)
        return open_stream(
            key,
            settings={**entry.settings, **(hurried(key) if self.hurries else {})},
            credentials=_noted(secrets().text, entry.secret, key),
            refresh=lambda: _noted(secrets().refreshed, entry.secret, key),
            connections=self.connections,
            account=entry.secret,
        )


@cache
def entries() -> KnownEntries:
    return KnownEntries(registry().get, now)


@cache
def switches_and_file() -> SwitchesAndFile:
    """What stops a stream, for whoever is about to work on it."""
    return SwitchesAndFile(switches(), entries())


@cache
def streams() -> RegisteredStreams:
    allow_loopback = settings().stage == "local"
    pause = timedelta(seconds=settings().breaker_pause_s)
    connections = VendorConnections(
        allow_loopback=allow_loopback,
        sleep=time.sleep,
        book=book(),
        breaker=BreakerRules(settings().breaker_failures, pause),
    )
    return RegisteredStreams(connections, entries())


@cache
def deliveries() -> SqsDeliveries:
    told = settings()
    urls = [told.queue_url, told.backfill_queue_url, told.push_queue_url]
    return SqsDeliveries(aws("sqs"), {url.rsplit("/", 1)[-1]: url for url in urls if url})


def push_queue(client: Any) -> SqsPushQueue:
    url = settings().push_queue_url
    if not url:
        raise SettingInvalid("SLUICE_PUSH_QUEUE_URL is not set; deploy template.yaml again")
    return SqsPushQueue(client, url)


def run_slice(message: SliceMessage, *, deadline: datetime, delivery: Delivery) -> SliceReport:
    kit = _run_slice.Kit(
        leases=leases(),
        commits=commits(),
        messages=messages(),
        deliveries=deliveries(),
        desks=desks(),
        switches=switches_and_file(),
        streams=replace(streams(), hurries=message.reason == "push"),
        clock=now,
        new_id=new_id,
        chance=random.SystemRandom().random,
        brake_of=lambda key: entries().get(key).brake,
    )
    return _run_slice.run_slice(message, deadline, kit, delivery)


@cache
def first_loads() -> FirstLoads:
    return FirstLoads(connection())


def is_a_backstop(message: SliceMessage, report: SliceReport) -> bool:
    """Was this slice a poll of a stream that is pushed as well? Then what it found, no push had brought.

    Not in a first load, a backfill or a read that starts anew, nor for a client that receives no pushes.
    """
    is_pushed = bool(topics_of(message.source).get(message.key.stream))
    if report.outcome is not Outcome.COMMITTED or not is_pushed:
        return False
    if message.priority in (Priority.BACKFILL, Priority.PUSH) or message.full_since is not None:
        return False
    if entries().get(message.key).webhook_secret is None:
        return False
    try:
        return first_loads().is_over(message.key, report.run_id)
    except RetryLater:  # the slice is stored: a figure is no reason to make it again
        return False


@cache
def looked() -> _apply_hint.Looked:
    return _apply_hint.Looked()


def apply_push(
    message: ApplyMessage, *, deadline: datetime, delivery: Delivery
) -> _apply_hint.ApplyReport:
    kit = _apply_hint.Kit(
        inbox=PostgresInbox(commits().connection),
        pushes=PostgresPushes(commits().connection),
        portions=PostgresPortions(commits().connection, statements_of),
        queue=push_queue(aws("sqs")),
        messages=messages(),
        deliveries=deliveries(),
        switches=switches_and_file(),
        streams=streams(),
        looked=looked(),
        clock=now,
        chance=random.SystemRandom().random,
    )
    return _apply_hint.apply_push(message, deadline, kit, delivery)


def migrate(phase: str) -> Sequence[str]:
    """Apply one phase of the migrations that came with this deploy, as the schema's owner."""
    secret = os.environ.get("SLUICE_MIGRATION_DATABASE_SECRET")
    if not secret:
        raise SettingInvalid(
            "SLUICE_MIGRATION_DATABASE_SECRET is not set; deploy template.yaml again"
        )
    folder = Path(str(resources.files("sluice_migrations")))
    url = secrets().text(secret)
    return apply_migrations(url, phase=phase, folder=folder, actor=this_function())


@cache
def many_calls() -> Spread:
    """How the dispatcher, which may find tens of thousands of streams due, makes its calls."""
    return ThreadPoolExecutor(CALLS_AT_ONCE).map


@cache
def aws_for_many_calls(service: str) -> Any:
    return boto3.client(service, config=ONE_OF_MANY_CALLS)  # type: ignore[call-overload]


def plan(*, deadline: datetime) -> _plan.Planned:
    dynamodb = aws_for_many_calls("dynamodb")
    kit = _plan.PlanKit(
        schedule=DynamoRegistry(dynamodb, settings().registry_table, spread=many_calls()),
        standings=DynamoStandings(dynamodb, settings().state_table, spread=many_calls()),
        messages=replace(messages(), client=aws_for_many_calls("sqs"), spread=many_calls()),
        book=book(),
        board=switches().board(),
        clock=now,
        new_id=new_id,
    )
    return _plan.plan(kit, deadline)


def clean_up() -> _clean_up.CleanUp:
    connection = commits().connection
    return _clean_up.clean_up(
        leases(),
        commits(),
        messages(),
        now,
        inbox=PostgresInbox(connection),
        events=EventPartitions(connection),
        history=PostgresHistory(connection),
        history_kept=timedelta(days=settings().history_days),
    )


def overview() -> Overview:
    """The one picture of this deployment; see ``usecases.overview``. The connection is given back after it."""
    histories = PostgresHistories(connection(), check=lambda: commits().check_schema())
    board = switches().board
    stores = Stores(aws, os.environ, registry(), leases(), histories, board, now)
    try:
        return _overview.look(kit_of(stores))
    finally:
        connection().close()
