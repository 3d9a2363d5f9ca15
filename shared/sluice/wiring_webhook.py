"""Builds what receives webhooks: beside ``wiring``, whose parts it takes.

All of it is quick to give up, since the vendor sends again, and none of it is a database: whatever the pool and its
health, requests are received.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3

from sluice import wiring
from sluice.core.keys import StreamKey
from sluice.core.webhooks import WebhookRequest
from sluice.dynamo.registry import DynamoRegistry
from sluice.queues.secret_failures import ToldSecretFailures
from sluice.secrets.manager import SecretsManagerSecrets
from sluice.sources.pushes import PUSH_SOURCES
from sluice.sources.registry import streams_of
from sluice.usecases import receive_webhook as _receive_webhook
from sluice.webhooks.client_secrets import ClientWebhookSecrets


@cache
def aws(service: str) -> Any:
    return boto3.client(service, config=wiring.QUICK_AWS_CALL)  # type: ignore[call-overload]


@cache
def _kit() -> _receive_webhook.Kit:
    known = DynamoRegistry(aws("dynamodb"), wiring.settings().registry_table)
    kept = SecretsManagerSecrets(config=wiring.QUICK_AWS_CALL)
    queue = wiring.push_queue(aws("sqs"))
    failures = ToldSecretFailures(queue, wiring.this_function(), wiring.now)

    def name_of(client_id: str, source: str) -> str | None:
        keys = [StreamKey(client_id, source, stream) for stream in streams_of(source)]
        return known.webhook_secret(keys)

    return _receive_webhook.Kit(
        sources=PUSH_SOURCES,
        secrets=ClientWebhookSecrets(name_of, kept.refreshed, wiring.now, failures.note),
        inbox=_receive_webhook.NotedLater(),
        queue=queue,
        clock=wiring.now,
    )


def receive_webhook(request: WebhookRequest) -> _receive_webhook.Receipt:
    return _receive_webhook.receive_webhook(request, _kit())
