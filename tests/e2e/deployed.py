"""The deployed template as the end-to-end tests speak to it: its AWS, its database, its vendor."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

import psycopg

from local.deploy import Deployment
from local.stack import Stack
from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import AccountOptions
from ops.truth.cars import Difference, compare_cars
from sluice.core.keys import StreamKey
from sluice.core.limits.pages import clear, subject_of
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.registry import DynamoRegistry, RegistryEntry
from sluice.messages import SliceMessage
from sluice.queues.messages import SqsMessages
from sluice.sources.registry import check_settings
from tests.oracle import chain_faults, read_log

PATIENCE_S = 100.0
SELDOM = timedelta(days=7)
"""Streams are due once, when they are made; tests ask for everything after that."""


class InQueue(NamedTuple):
    """Messages to be had now; messages received, which are hidden until their time to be worked on is
    over; and messages that nobody has received yet because they were sent with a delay."""

    visible: int
    hidden: int
    delayed: int


@dataclass
class Deployed:
    """One embedded stack that is up. Clients are made by tests and have names of their own."""

    stack: Stack
    entries: dict[StreamKey, RegistryEntry] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str]:
        return self.stack.names()

    def aws(self, service: str) -> Any:
        """A client with the account's root rights."""
        if service not in self._clients:
            self._clients[service] = Deployment(self.stack.places, self.names).client(service)
        return self._clients[service]

    @cached_property
    def vendor(self) -> CarsVendorControl:
        return CarsVendorControl(self.names["VENDOR_CARS_URL"])

    @cached_property
    def registry(self) -> DynamoRegistry:
        return DynamoRegistry(self.aws("dynamodb"), self.names["SLUICE_REGISTRY_TABLE"])

    @cached_property
    def messages(self) -> SqsMessages:
        return SqsMessages(self.aws("sqs"), self.names["SLUICE_QUEUE_URL"])

    @cached_property
    def database(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(
            self.names["DATABASE_URL"], autocommit=True, row_factory=psycopg.rows.dict_row
        )

    @cached_property
    def server(self) -> psycopg.Connection[Any]:
        """The database's superuser, who may end other people's connections."""
        url = self.names["POSTGRES_SUPERUSER_URL"].rsplit("/", 1)[0] + "/sluice"
        return psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        self.vendor.close()
        self.database.close()
        self.server.close()
        for client in self._clients.values():
            client.close()

    # --- clients ------------------------------------------------------------------------------------

    def add_client(
        self,
        client_id: str,
        *,
        cars: int,
        shape: str = "page",
        secret: str | None = None,
        with_secret: bool = True,
        options: AccountOptions | None = None,
        **settings: Any,
    ) -> StreamKey:
        """A vendor account with a catalogue, its secret, and its stream in the registry, due now.

        ``secret`` is what Secrets Manager is told; the account's own key unless said otherwise.
        """
        base = self.names["VENDOR_CARS_URL"]
        self.vendor.create_account(
            api_key(client_id), cars=cars, seed=len(client_id), options=options
        )
        if with_secret:
            self.add_secret(client_id, secret)
        chosen: dict[str, Any] = {
            "shape": shape, "base_url": base, "page_size": 100, "concurrency": 4,
            "slice_rows": 400, "volatile_fields": ["_fetched_at"],
        }  # fmt: skip
        if shape == "scroll":
            chosen["point_read_base_url"] = base
        checked = check_settings("cars", {**chosen, **settings}, allow_loopback=True)
        key = StreamKey(client_id, "cars", "cars")
        self.entries[key] = RegistryEntry(key, SELDOM, checked, secret_name(client_id))
        self.registry.apply(list(self.entries.values()))
        return key

    def clear_account(self, client_id: str) -> None:
        """As `sluice accounts clear` does, once a person has seen to a refused credential."""
        book = DynamoBook(
            self.aws("dynamodb"), self.names["SLUICE_LIMITS_TABLE"], chance=lambda: 0.5
        )
        clear(book, subject_of("cars", secret_name(client_id)))

    def add_secret(
        self, client_id: str, value: str | None = None, *, name: str | None = None
    ) -> None:
        """The client's vendor key in Secrets Manager, unless it is there already."""
        client = self.aws("secretsmanager")
        with contextlib.suppress(client.exceptions.ResourceExistsException):
            client.create_secret(
                Name=name or secret_name(client_id), SecretString=value or api_key(client_id)
            )

    def sync(self, *keys: StreamKey) -> datetime:
        """Ask for a full read that begins now."""
        since = datetime.now(UTC)
        for key in keys:
            self.messages.ask_for_slice(key, reason="manual", full_since=since)
        return since

    def ask(self, *keys: StreamKey, queue: str) -> None:
        """Ask for a slice of each stream in one of the queues, named by the variable of its URL."""
        for key in keys:
            body = SliceMessage.asking_for(key, reason="manual").model_dump_json(exclude_none=True)
            self.aws("sqs").send_message(
                QueueUrl=self.names[queue], MessageBody=body, MessageGroupId=key.client_id
            )

    def messages_in(self, queue: str) -> InQueue:
        """How many messages are in one of the queues."""
        prefix = "ApproximateNumberOfMessages"
        answer = self.aws("sqs").get_queue_attributes(
            QueueUrl=self.names[queue],
            AttributeNames=[prefix, f"{prefix}NotVisible", f"{prefix}Delayed"],
        )
        counts = {name: int(count) for name, count in answer["Attributes"].items()}
        return InQueue(counts[prefix], counts[f"{prefix}NotVisible"], counts[f"{prefix}Delayed"])

    def invoke(self, function: str, payload: dict[str, Any] | None = None) -> Any:
        """Call a function now; what it returns. An error it raised is raised here."""
        answer = self.aws("lambda").invoke(
            FunctionName=self.names[f"SLUICE_{function.upper()}_FUNCTION"],
            Payload=json.dumps(payload or {}),
        )
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    # --- waiting and looking ------------------------------------------------------------------------

    def run_of(
        self, key: StreamKey, since: datetime, patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The stream's first run begun after ``since``, once it has ended."""
        run: dict[str, Any] = until(
            lambda: self._ended_run(key, since), f"{key}'s run ends", patience_s
        )
        return run

    def _ended_run(self, key: StreamKey, since: datetime) -> dict[str, Any] | None:
        return self.database.execute(
            "SELECT * FROM sluice.runs WHERE stream_key = %s AND started_at >= %s AND ended_at IS NOT NULL"
            " ORDER BY started_at LIMIT 1",
            (str(key), since),
        ).fetchone()

    def difference(self, key: StreamKey) -> Difference:
        """The client's table against the vendor's truth."""
        truth = self.vendor.truth_records(api_key(key.client_id))
        return compare_cars(self.database, key.client_id, truth)

    def chain_faults(self, key: StreamKey) -> list[str]:
        """What is wrong with the stream's log of slices."""
        with psycopg.connect(self.names["DATABASE_URL"], autocommit=True) as connection:
            log, at = read_log(connection, str(key))
        return list(chain_faults(log, at))

    def state(self, key: StreamKey) -> dict[str, Any]:
        """The stream's item in the state table."""
        answer = self.aws("dynamodb").get_item(
            TableName=self.names["SLUICE_STATE_TABLE"],
            Key={"stream_key": {"S": str(key)}},
            ConsistentRead=True,
        )
        return {name: next(iter(value.values())) for name, value in answer.get("Item", {}).items()}

    def let_lease_lapse(self, key: StreamKey) -> None:
        """Play the passing of the lease's time: its end is moved to two minutes ago."""
        past = int((time.time() - 120) * 1000)
        self.aws("dynamodb").update_item(
            TableName=self.names["SLUICE_STATE_TABLE"],
            Key={"stream_key": {"S": str(key)}},
            UpdateExpression="SET lease_until = :past",
            ConditionExpression="attribute_exists(lease_owner)",
            ExpressionAttributeValues={":past": {"N": str(past)}},
        )

    def log_lines(self, function: str) -> Sequence[str]:
        """What a function logged so far."""
        pages = (
            self.aws("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/sluice-{function}")
        )
        return [event["message"] for page in pages for event in page["events"]]


def secret_name(client_id: str) -> str:
    return f"sluice/e2e/{client_id}"


def api_key(client_id: str) -> str:
    """The simulated vendor's throw-away key of a client; long enough to be masked in logs."""
    return f"canary-key-of-{quote(client_id, safe='')}"


def until(look: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of ``look``; fails with ``what`` when none comes."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain until {what}"
        time.sleep(0.1)
    return found
