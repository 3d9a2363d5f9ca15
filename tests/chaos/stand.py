"""The stand: every program of the suite, started in one temp folder and gone with it."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.config import Config

from local import aws
from local.places import PROJECT, Places
from local.processes import start
from local.vendors.cars.control import CarsVendorControl
from sluice.core.keys import StreamKey
from sluice.core.limits.pages import clear, subject_of
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.queues.messages import SqsMessages
from tests.chaos import database_clock, facts
from tests.chaos.aws_proxy import AwsProxy
from tests.chaos.database import ChaosDatabase
from tests.chaos.event_source import MOST_RECEIVES, EventSource
from tests.chaos.fates import Fates
from tests.chaos.mixpanel_world import REREAD_S, MixpanelWorld
from tests.chaos.others import Compared
from tests.chaos.pushing import Gateway, PushSource
from tests.chaos.shipbob_world import ShipBobWorld
from tests.chaos.state_backup import StateBackup
from tests.chaos.streams import Client, clients
from tests.chaos.tally import Tally
from tests.chaos.tcp_proxy import TcpProxy
from tests.chaos.timing import TIMES
from tests.chaos.workers import Nursery
from tests.contract.tables import (
    create_limits_table,
    create_registry_table,
    create_state_table,
)
from tests.memory.events import EventVendor

SLOTS = 8
PUSH_SLOTS = 4
"""Workers that receive pushes and apply them, beside those of slices."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of everything. ``merchants`` and their ``orders`` are ShipBob's, ``projects`` and their
    ``profiles`` Mixpanel's. A vendor without any is not there; without both, nothing is pushed."""

    clients: int = 24
    cars: int = 250
    facts: int = 4
    slots: int = SLOTS
    merchants: int = 0
    orders: int = 100
    projects: int = 0
    profiles: int = 90


class Stand:
    """Everything that a round needs. Use as a context manager.

    With ``real_waits`` a message waits in the queue for as long as where it is deployed, up to 15 minutes.
    """

    real_waits = False

    def __init__(self, seed: int, size: Size | None = None, without: Sequence[str] = ()) -> None:
        self.seed = seed
        self.size = size or Size()
        self.without = list(without)
        self.tally = Tally()
        self.clients: list[Client] = clients(self.size.clients, self.size.cars)
        began = datetime.now(UTC) - facts.HISTORY
        self.event_vendors = {
            facts.key_of(n): facts.vendor(seed * 100 + n, began) for n in range(self.size.facts)
        }
        self.shipbob: ShipBobWorld | None = None
        self.mixpanel: MixpanelWorld | None = None
        self.pushes: PushSource | None = None
        self.older: Nursery | None = None
        self.flood: list[Compared] = []
        self.beside_poison: list[Compared] = []
        self.ahead_s = 0.0
        self.settled_at = datetime.now(UTC)
        self.forged: set[str] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Stand:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        parent = PROJECT / ".sluice" / "chaos"
        parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=parent))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._start_database()
        self._start_aws()
        self._start_vendor()
        self._start_pushing_vendors()
        self._start_workers()

    def _start_database(self) -> None:
        self.database = ChaosDatabase(self.folder / "database", {"fsync": "off"})
        self._stack.callback(self.database.stop)
        self.database.start()
        with psycopg.connect(self.database.database.owner_url, autocommit=True) as owner:
            owner.execute(facts.CREATE_TABLE)
        database_clock.create(self.database)
        self.proxy = TcpProxy(self.database.address, seed=self.seed)
        self._stack.callback(self.proxy.close)

    def _start_aws(self) -> None:
        places = Places(self.folder / "aws")
        places.make()
        self.cloud = aws.new(places)
        self._stack.callback(self.cloud.stop)
        self.cloud.start(auth=False)
        self.aws_proxy = AwsProxy(("127.0.0.1", self.cloud.port), seed=self.seed)
        self.aws_proxy.audit.holders = self.tally.holders
        self._stack.callback(self.aws_proxy.close)
        self.sqs, self.dynamodb = self._client("sqs"), self._client("dynamodb")
        self.state_table = create_state_table(self.dynamodb, "state")
        self.registry_table = create_registry_table(self.dynamodb, "registry")
        self.limits_table = create_limits_table(self.dynamodb, "limits")
        self.book = DynamoBook(self.dynamodb, self.limits_table, chance=random.random)
        self.state = StateBackup(self.dynamodb, self.state_table)
        self._make_queues()
        self.messages = SqsMessages(self.sqs, self.queue_url)

    def _make_queues(self) -> None:
        self.queue_url, self.dead_letters_url = self._queue("slices")
        self.push_queue_url, self.dead_pushes_url = self._queue("pushes")

    def _queue(self, name: str) -> tuple[str, str]:
        """A queue, and that of its dead letters."""
        dead: str = self.sqs.create_queue(QueueName=f"dead-{name}")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        policy = f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{MOST_RECEIVES}"}}'
        made: str = self.sqs.create_queue(
            QueueName=name,
            Attributes={"VisibilityTimeout": str(TIMES.visibility_s), "RedrivePolicy": policy},
        )["QueueUrl"]
        return made, dead

    def _start_vendor(self) -> None:
        log = self.folder / "vendor.log"
        words = [sys.executable, "-m", "local.vendors.cars", "--port", "0"]
        program = start("vendor-cars", words, log)
        self._stack.callback(program.stop)
        program.wait_until(lambda: "listening on" in log.read_text(encoding="utf-8"))
        address = log.read_text(encoding="utf-8").split("listening on ", 1)[1].split()[0]
        self.vendor_url = f"http://{address}"
        self.vendor = CarsVendorControl(self.vendor_url)
        self._stack.callback(self.vendor.close)
        for number, client in enumerate(self.clients):
            self.vendor.create_account(
                client.api_key, cars=client.cars, seed=self.seed * 1000 + number
            )

    def _start_pushing_vendors(self) -> None:
        self.gateway = Gateway()
        self._stack.callback(self.gateway.close)
        size, where = self.size, self.gateway.url
        if size.merchants:
            self.shipbob = ShipBobWorld(self.seed, size.merchants, size.orders, self.now_s, where)
        if size.projects:
            self.mixpanel = MixpanelWorld(
                self.seed, size.projects, size.profiles, self.now_s, where
            )
        for world in self.worlds:
            self._stack.callback(world.stop)
            world.start()

    @property
    def worlds(self) -> Sequence[ShipBobWorld | MixpanelWorld]:
        """Vendors that push."""
        return [each for each in (self.shipbob, self.mixpanel) if each is not None]

    def _start_workers(self) -> None:
        cadence = timedelta(seconds=TIMES.cadence_s)
        DynamoRegistry(self.dynamodb, self.registry_table).apply(
            [RegistryEntry(key, cadence, {}, "a name") for key in self.keys]
        )
        self.nursery = self.new_nursery()
        self.fates = Fates(random.Random(self.seed + 1))  # noqa: S311  # chance, not a secret
        self.event_source = EventSource(
            sqs=self._client("sqs"),
            queue_url=self.queue_url,
            nurseries=[self.nursery],
            slots=self.size.slots,
            random=random.Random(self.seed + 2),  # noqa: S311  # chance, not a secret
            fates=self.fates,
            tally=self.tally,
            newcomers=frozenset(str(key) for world in self.worlds for key in world.keys),
            free=self.tally.holders.free,
        )
        self._stack.callback(self.event_source.stop)
        self.event_source.start()
        if self.worlds:
            self._start_pushes()

    def _start_pushes(self) -> None:
        pushes = self.pushes = PushSource(
            sqs=self._client("sqs"),
            queue_url=self.push_queue_url,
            nurseries=[self.nursery],
            slots=PUSH_SLOTS,
            random=random.Random(self.seed + 3),  # noqa: S311  # chance, not a secret
            fates=self.fates,
            tally=self.tally,
            conditions=self.event_source.conditions,
        )
        self._stack.callback(pushes.stop)
        pushes.start()
        self.gateway.call = pushes.call

    def new_nursery(self, shared: Path | None = None) -> Nursery:
        """A process to fork workers from; ``shared`` is a folder with other code than this tree's."""
        nursery = Nursery(self._worker_settings(), self.folder / "workers.log", shared)
        self._stack.callback(nursery.stop)
        nursery.start()
        return nursery

    def _worker_settings(self) -> Mapping[str, Any]:
        return {
            "database_url": self.database.url_through(self.proxy.port),
            "aws_endpoint": f"http://127.0.0.1:{self.aws_proxy.port}",
            "state_table": self.state_table,
            "registry_table": self.registry_table,
            "limits_table": self.limits_table,
            "queue_url": self.queue_url,
            "push_queue_url": self.push_queue_url,
            "webhook_secrets": {k: v for world in self.worlds for k, v in world.secrets.items()},
            "without": self.without,
            "real_waits": self.real_waits,
            "clients": {
                str(client.key): {
                    "settings": client.settings(self.vendor_url),
                    "api_key": client.api_key,
                }
                for client in self.clients
            }
            | {
                str(key): {"settings": self._settings_of(vendor)}
                for key, vendor in self.event_vendors.items()
            }
            | {
                str(key): {
                    "settings": world.settings_of(key.client_id),
                    "api_key": world.tokens[key.client_id],
                }
                for world in self.worlds
                for key in world.keys
            },
        }

    def _settings_of(self, vendor: EventVendor) -> dict[str, Any]:
        return {"seed": vendor.seed, "began": vendor.began.isoformat()}

    def now_s(self) -> float:
        """Everybody's time, seconds since 1970."""
        return time.time() + self.ahead_s

    def move_time_on(self, seconds: float) -> None:
        """For everybody: workers, vendors, the database. While nothing is at work, or by a breaker."""
        self.ahead_s += seconds
        for source in self.event_sources:
            source.ahead_s = self.ahead_s
        self.vendor.advance_clock(seconds)
        database_clock.set_ahead(self.database, self.ahead_s)

    def begin_round(self) -> None:
        """What stood still goes on. With Mixpanel, so much time passes that days are read again."""
        for world in self.worlds:
            world.release()
        if self.mixpanel is not None:
            self.move_time_on(REREAD_S)
            self.aws_proxy.audit.forget()

    @property
    def event_sources(self) -> Sequence[EventSource]:
        """Of the slices' queue and of the pushes'."""
        return [self.event_source, *([self.pushes] if self.pushes else [])]

    def clear_account(self, api_key: str, source: str = "cars") -> None:
        """As a person does once the vendor is well again."""
        clear(self.book, subject_of(source, api_key))

    @property
    def keys(self) -> list[StreamKey]:
        of_worlds = [key for world in self.worlds for key in world.keys]
        return [client.key for client in self.clients] + list(self.event_vendors) + of_worlds

    def state_items(self) -> list[dict[str, Any]]:
        """Every item of the state table, as DynamoDB has it."""
        answer = self.dynamodb.scan(TableName=self.state_table, ConsistentRead=True)
        items: list[dict[str, Any]] = answer["Items"]
        return items

    def _client(self, service: str) -> Any:
        client = boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.cloud.endpoint,
            region_name=aws.REGION,
            aws_access_key_id=aws.ROOT_KEY,
            aws_secret_access_key=aws.ROOT_KEY,
            config=Config(
                connect_timeout=5,
                read_timeout=30,
                max_pool_connections=32,
                retries={"mode": "standard", "total_max_attempts": 6},
            ),
        )
        self._stack.callback(client.close)
        return client
