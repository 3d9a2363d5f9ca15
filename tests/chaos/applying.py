"""What a worker does with a delivery, and with what one brought. An older deploy has none of this."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sluice.core.slices import Delivery
from sluice.dynamo.book import DynamoBook
from sluice.messages import ApplyMessage
from sluice.postgres.inbox import PostgresInbox
from sluice.postgres.portions import PostgresPortions
from sluice.postgres.pushes import PostgresPushes
from sluice.queues.deliveries import SqsDeliveries
from sluice.queues.pushes import SqsPushQueue
from sluice.sources import pushes
from sluice.usecases import apply_hint, receive_webhook
from sluice.webhooks.client_secrets import ClientWebhookSecrets
from sluice.webhooks.http_api import request_of
from tests.chaos.moved import BookSwitches
from tests.chaos.timing import TIMES

if TYPE_CHECKING:
    from tests.chaos.worker_process import Environment

QUEUE = "pushes"


class Applying:
    """The use cases of pushes, with the ports that an environment has."""

    def __init__(self, environment: Environment) -> None:
        apply_hint.STORE_MARGIN = TIMES.merge_margin  # an invocation is short here
        here = self._environment = environment
        self._looked = apply_hint.Looked()
        self._queue = SqsPushQueue(here.aws["sqs"], here.settings["push_queue_url"])
        self._deliveries = SqsDeliveries(here.aws["sqs"], {QUEUE: here.settings["push_queue_url"]})
        book = DynamoBook(
            here.aws["dynamodb"], here.settings["limits_table"], chance=here.random.random
        )
        self._switches = BookSwitches(book, here.clock)
        known: Mapping[str, str] = here.settings["webhook_secrets"]
        self._secrets = ClientWebhookSecrets(
            lambda client_id, _: client_id if client_id in known else None,
            lambda name: known[name],
            here.clock,
        )

    def receive(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """A request as the gateway hands it on; what became of it and the answer's status."""
        here = self._environment
        kit = receive_webhook.Kit(
            sources=pushes.PUSH_SOURCES,
            secrets=self._secrets,
            inbox=PostgresInbox(here.commits.connection),
            queue=self._queue,
            clock=here.clock,
        )
        receipt = receive_webhook.receive_webhook(request_of(json.loads(task["body"])), kit)
        outcome = receipt.refusal or receipt.reception
        return {"outcome": f"webhook.{outcome}", "status": receipt.status, "body": receipt.body}

    def apply(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """A message of the queue of pushes."""
        here = self._environment
        kit = apply_hint.Kit(
            pushes=PostgresPushes(here.commits.connection),
            queue=self._queue,
            messages=here.messages,
            deliveries=self._deliveries,
            switches=self._switches,
            streams=here.streams,
            looked=self._looked,
            clock=here.clock,
            chance=here.chance,
            portions=PostgresPortions(here.commits.connection, pushes.statements_of),
        )
        message = ApplyMessage.model_validate_json(task["body"])
        delivery = Delivery(task["message_id"], task["receipt"], QUEUE)
        report = apply_hint.apply_push(message, here.clock() + TIMES.invocation, kit, delivery)
        return {
            "outcome": f"apply.{report.outcome}",
            "event": f"{message.client_id} {message.event_id}",
            "waited_ms": int(report.waited / timedelta(milliseconds=1)),
        }
