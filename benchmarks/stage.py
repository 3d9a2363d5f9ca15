"""What a benchmark runs on: an embedded Postgres, an embedded AWS, the simulated cars vendor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg

from local import aws, postgres
from local.places import PROJECT, Places, free_port
from local.postgres import Database
from local.processes import start
from local.vendors.cars.control import CarsVendorControl
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.postgres.migrations import apply_migrations
from sluice.queues.messages import SqsMessages
from sluice.sources.registry import check_settings
from tests.contract.tables import create_limits_table, create_registry_table, create_state_table

API_KEY = "benchmark-key-of-one-account"
CLIENT = "bench"
KEY = StreamKey(CLIENT, "cars", "cars")


@dataclass
class Stage:
    """Everything up; a worker can be sent out."""

    database: Database
    vendor: CarsVendorControl
    environment: dict[str, str]
    messages: SqsMessages

    def crawl(self) -> dict[str, Any]:
        """Ask for a full read and let one worker process do all its slices; what that cost."""
        self.messages.ask_for_slice(KEY, reason="manual", full_since=datetime.now(UTC))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=PROJECT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            check=True,
        )
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        if "run_failed" in figures["outcomes"]:
            raise RuntimeError(f"the run failed: {figures['outcomes']}")
        return figures

    def raw_copy(self) -> float:
        """Seconds to COPY the very rows of the cars table into a logged table with its primary key."""
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS raw_copy")
            connection.execute("CREATE TABLE raw_copy (LIKE public.cars INCLUDING DEFAULTS)")
            connection.execute("ALTER TABLE raw_copy ADD PRIMARY KEY (client_id, car_id)")
            with connection.cursor().copy("COPY public.cars TO STDOUT") as out:
                rows = [bytes(block) for block in out]
            began = time.monotonic()
            with connection.cursor().copy("COPY raw_copy FROM STDIN") as copy:
                for block in rows:
                    copy.write(block)
            took = time.monotonic() - began
            connection.execute("DROP TABLE raw_copy")
        return took

    def tuples_written(self) -> int:
        """Inserts, updates and deletes that Postgres counted on the cars table so far."""
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(
                "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'cars'"
            ).fetchone()
        return int(row[0]) if row else 0

    def start_over(self) -> None:
        """An empty table and a stream never read."""
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            connection.execute(
                "TRUNCATE public.cars, sluice.sync_commit, sluice.commit_log, sluice.run,"
                " sluice.rejects, sluice.sighting"
            )


@contextmanager
def stage(cars: int) -> Iterator[Stage]:
    """All programs in a temporary folder under .sluice/, gone afterwards."""
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="bench-")))
        places = Places(folder)
        places.make()
        database = _database(places, ends)
        vendor = _vendor(places, ends)
        vendor.create_account(API_KEY, cars=cars)
        cloud = aws.new(places)
        cloud.start(auth=False)
        ends.callback(cloud.stop)
        yield _wired(database, vendor, cloud)


def _database(places: Places, ends: ExitStack) -> Database:
    server = postgres.create(places.run / "postgres", places.logs / "postgres.log")
    server.start()
    ends.callback(server.stop)
    database = postgres.create_database(server)
    apply_migrations(database.owner_url, phase="pre", folder=PROJECT / "migrations")
    return database


def _vendor(places: Places, ends: ExitStack) -> CarsVendorControl:
    port, log = free_port(), places.logs / "vendor.log"
    program = start(
        "vendor", [sys.executable, "-m", "local.vendors.cars", "--port", str(port)], log
    )
    ends.callback(program.stop)
    program.wait_until(lambda: "listening on" in log.read_text(encoding="utf-8"))
    return ends.enter_context(CarsVendorControl(f"http://127.0.0.1:{port}"))


def _wired(database: Database, vendor: CarsVendorControl, cloud: aws.MiniStack) -> Stage:
    environment = cloud.environment()

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=cloud.endpoint,
            region_name=aws.REGION,
            aws_access_key_id=aws.ROOT_KEY,
            aws_secret_access_key=aws.ROOT_KEY,
        )

    registry_table = create_registry_table(client("dynamodb"), "registry")
    secrets = client("secretsmanager")
    secrets.create_secret(Name="database", SecretString=database.app_url)
    secrets.create_secret(Name="sluice/bench", SecretString=API_KEY)
    queue_url, backfill_queue_url = (
        client("sqs").create_queue(QueueName=name, Attributes={"VisibilityTimeout": "360"})[
            "QueueUrl"
        ]
        for name in ("slices", "backfills")
    )
    settings = {
        "shape": "page", "base_url": vendor.base_url, "page_size": 100, "concurrency": 16,
        "requests_per_second": 1000, "volatile_fields": ["_fetched_at"],
        "delta_every": None, "archived_every": None, "crawl_every": timedelta(days=30),
    }  # fmt: skip
    checked = check_settings("cars", settings, allow_loopback=True)
    DynamoRegistry(client("dynamodb"), registry_table).apply(
        [RegistryEntry(KEY, timedelta(days=7), checked, "sluice/bench")]
    )
    environment |= {
        "SLUICE_STAGE": "local",
        "SLUICE_STATE_TABLE": create_state_table(client("dynamodb"), "state"),
        "SLUICE_REGISTRY_TABLE": registry_table,
        "SLUICE_LIMITS_TABLE": create_limits_table(client("dynamodb"), "limits"),
        "SLUICE_QUEUE_URL": queue_url,
        "SLUICE_BACKFILL_QUEUE_URL": backfill_queue_url,
        "SLUICE_DATABASE_SECRET": "database",
        "POWERTOOLS_METRICS_NAMESPACE": "Sluice",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "MALLOC_ARENA_MAX": "2",  # as template.yaml sets it
    }
    return Stage(database, vendor, environment, SqsMessages(client("sqs"), queue_url))
