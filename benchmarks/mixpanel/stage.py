"""What these benchmarks run on: an embedded Postgres, an embedded AWS, the simulated Mixpanel and worker processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg

from benchmarks.mixpanel.vendor import BEHIND
from local import aws, postgres
from local.places import PROJECT, Places, free_port
from local.postgres import Database
from local.processes import start
from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import ProjectSpec
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.postgres.migrations import apply_migrations
from sluice.queues.messages import SqsMessages
from sluice.sources.registry import check_settings
from tests.contract.tables import create_limits_table, create_registry_table, create_state_table

CLIENT = "bench"
ACCOUNT = ProjectSpec()
SECRET = "sluice/bench"  # noqa: S105  # its name
STARTS_S = 60.0
"""The vendor's program has so long to start before the moment that its world begins with."""

ROUNDING_S = 1e-4
"""By so much its time stands later, lest a sum of floats end in the millisecond before."""

Worked = Mapping[str, Any]
"""What ``benchmarks.worker.work`` says that a run cost."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process, which stays for all runs: only its first is cold."""

    program: subprocess.Popen[str]

    def work(self) -> Worked:
        """Let it do what is asked for; what that cost. RuntimeError when it died over it."""
        if self.program.stdin is None or self.program.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        self.program.stdin.write("run\n")
        self.program.stdin.flush()
        told = self.program.stdout.readline()
        if not told:
            raise RuntimeError(f"the worker ended with {self.program.wait()}")
        worked: Worked = json.loads(told)
        return worked


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything up, and a worker that waits."""

    database: Database
    vendor: MixpanelControl
    worker: Worker
    messages: SqsMessages
    registry: DynamoRegistry

    def register(self, stream: str, **settings: Any) -> None:
        """The stream as a clients file would have it; ``settings`` are the project's."""
        wanted = {"project_id": ACCOUNT.id, "base_url": self.vendor.base_url, **settings}
        checked = check_settings("mixpanel", wanted, allow_loopback=True)
        self.registry.apply([RegistryEntry(_key(stream), timedelta(days=7), checked, SECRET)])

    def run(self, stream: str, *, full: bool = False) -> Worked:
        """Let the worker do a run, all its slices. RuntimeError when the run fails."""
        asked = datetime.now(UTC) if full else None
        self.messages.ask_for_slice(_key(stream), reason="manual", full_since=asked)
        worked = self.worker.work()
        if "run_failed" in worked["outcomes"]:
            raise RuntimeError(f"the run failed: {worked['outcomes']}")
        return worked

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database answers its owner."""
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def cursor(self, stream: str) -> Mapping[str, Any]:
        """The stream's, as it is stored."""
        query = "SELECT cursor FROM sluice.sync_commit WHERE stream_key = %s"
        ((found,),) = self.rows(query, str(_key(stream)))
        cursor: Mapping[str, Any] = found
        return cursor

    def tuples_written(self, table: str) -> int:
        """Inserts, updates and deletes that Postgres counted on the table so far."""
        query = (
            "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = %s"
        )
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
        ((found,),) = self.rows(query, table)
        return int(found)


def calls_per_slice(worked: Worked) -> tuple[float, float, float]:
    """DynamoDB writes and reads, and SQS calls that are not the event source's, each by slice."""
    dynamo, sqs, slices = worked["dynamodb_calls"], worked["sqs_calls"], worked["slices"]
    writes = sum(n for name, n in dynamo.items() if name in ("UpdateItem", "PutItem"))
    own = sum(n for name, n in sqs.items() if name not in ("ReceiveMessage", "DeleteMessage"))
    return writes / slices, (sum(dynamo.values()) - writes) / slices, own / slices


@contextmanager
def stage(begins: datetime) -> Iterator[Stage]:
    """All programs in a temporary folder under .sluice/, gone afterwards. The vendor's time stands at ``begins``,
    which must lie in the past; its world is still to be made."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="bench-")))
        places = Places(folder)
        places.make()
        database = _database(places, ends)
        vendor = _vendor(places, begins, ends)
        cloud = aws.new(places)
        cloud.start(auth=False)
        ends.callback(cloud.stop)
        yield _wired(database, vendor, cloud, ends)


def _key(stream: str) -> StreamKey:
    return StreamKey(CLIENT, "mixpanel", stream)


def _database(places: Places, ends: ExitStack) -> Database:
    server = postgres.create(places.run / "postgres", places.logs / "postgres.log")
    server.start()
    ends.callback(server.stop)
    database = postgres.create_database(server)
    apply_migrations(database.owner_url, phase="pre", folder=PROJECT / "migrations")
    return database


def _vendor(places: Places, begins: datetime, ends: ExitStack) -> MixpanelControl:
    port, log = free_port(), places.logs / "vendor.log"
    behind_s = time.time() + STARTS_S - begins.timestamp()
    program = start(
        "vendor",
        [sys.executable, "-m", "benchmarks.mixpanel.vendor", "--port", str(port)],
        log,
        env={**os.environ, BEHIND: str(behind_s)},
    )
    ends.callback(program.stop)
    program.wait_until(lambda: "listening on" in log.read_text(encoding="utf-8"))
    control = ends.enter_context(MixpanelControl(f"http://127.0.0.1:{port}"))
    control.advance_clock(begins.timestamp() - control.hold_clock() + ROUNDING_S)
    return control


@contextmanager
def _worker(environment: Mapping[str, str]) -> Iterator[Worker]:
    program = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.mixpanel.worker"],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            yield Worker(program)
        finally:
            program.kill()  # it has nothing to put in order


def _wired(
    database: Database, vendor: MixpanelControl, cloud: aws.MiniStack, ends: ExitStack
) -> Stage:
    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=cloud.endpoint,
            region_name=aws.REGION,
            aws_access_key_id=aws.ROOT_KEY,
            aws_secret_access_key=aws.ROOT_KEY,
        )

    secrets, dynamo, sqs = client("secretsmanager"), client("dynamodb"), client("sqs")
    secrets.create_secret(Name="database", SecretString=database.app_url)
    pair = f"{ACCOUNT.service_account}:{ACCOUNT.service_secret}"
    secrets.create_secret(Name=SECRET, SecretString=pair)
    registry = create_registry_table(dynamo, "registry")
    queue, backfills = (
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "360"})["QueueUrl"]
        for name in ("slices", "backfills")
    )
    environment = cloud.environment() | {
        "SLUICE_STAGE": "local",
        "SLUICE_STATE_TABLE": create_state_table(dynamo, "state"),
        "SLUICE_REGISTRY_TABLE": registry,
        "SLUICE_LIMITS_TABLE": create_limits_table(dynamo, "limits"),
        "SLUICE_QUEUE_URL": queue,
        "SLUICE_BACKFILL_QUEUE_URL": backfills,
        "SLUICE_DATABASE_SECRET": "database",
        "POWERTOOLS_METRICS_NAMESPACE": "Sluice",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "MALLOC_ARENA_MAX": "2",  # as template.yaml sets it
    }
    worker = ends.enter_context(_worker(environment))
    return Stage(
        database, vendor, worker, SqsMessages(sqs, queue), DynamoRegistry(dynamo, registry)
    )
