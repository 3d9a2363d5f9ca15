"""Pushes, counted: how many requests were believed, what became of each push, and what only polling found.

Dimensions are bounded as of slices: whatever strangers write into a path is the source ``unknown``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from aws_lambda_powertools.metrics import MetricUnit

from sluice.core.keys import StreamKey
from sluice.core.slices import Outcome, SliceReport, Traffic
from sluice.core.webhooks import Refusal
from sluice.observability.counts import metrics
from sluice.observability.logs import logger


class Received(Protocol):
    """What became of one request; see ``usecases.receive_webhook.Receipt``."""

    @property
    def reception(self) -> StrEnum: ...
    @property
    def source(self) -> str: ...
    @property
    def refusal(self) -> Refusal | None: ...
    @property
    def client_id(self) -> str | None: ...
    @property
    def event_id(self) -> str | None: ...
    @property
    def topic(self) -> str | None: ...
    @property
    def sent_at(self) -> datetime | None: ...
    @property
    def detail(self) -> str | None: ...


class AppliedPush(Protocol):
    """What became of one push; see ``usecases.apply_hint.ApplyReport``."""

    @property
    def outcome(self) -> StrEnum: ...
    @property
    def key(self) -> StreamKey: ...
    @property
    def event_id(self) -> str: ...
    @property
    def waited(self) -> timedelta: ...
    @property
    def topic(self) -> str | None: ...
    @property
    def object_id(self) -> str | None: ...
    @property
    def detail(self) -> str: ...
    @property
    def traffic(self) -> Traffic: ...


_LOUD = frozenset({"failed", "given_up", "deferred", "rejected"})
"""Outcomes that are a warning: the push was not, or not yet, stored."""


def count_webhook(receipt: Received) -> None:
    """One line and one set of metrics per request. Of one that was refused, nothing that it said is written."""
    line: dict[str, Any] = {
        "reception": str(receipt.reception),
        "refusal": receipt.refusal and str(receipt.refusal),
        "source": receipt.source,
        "client_id": receipt.client_id,
        "event_id": receipt.event_id,
        "topic": receipt.topic,
        "sent_at": receipt.sent_at and receipt.sent_at.isoformat(),
        "detail": receipt.detail,
    }
    logger.info("webhook", extra={name: said for name, said in line.items() if said is not None})
    metrics.add_dimension("source", receipt.source)
    metrics.add_dimension("reception", str(receipt.refusal or receipt.reception))
    metrics.add_metric("WebhooksByReception", MetricUnit.Count, 1)


def count_push(report: AppliedPush) -> None:
    """One line and one set of metrics per push."""
    key, traffic = report.key, report.traffic
    waited_ms = round(report.waited.total_seconds() * 1000)
    line = {
        "stream_key": str(key),
        "client_id": key.client_id,
        "source": key.source,
        "stream": key.stream,
        "outcome": str(report.outcome),
        "event_id": report.event_id,
        "topic": report.topic,
        "object_id": report.object_id,
        "waited_ms": waited_ms,
        "requests": traffic.requests,
        "retries": traffic.retries,
        "errors": traffic.errors,
        "detail": report.detail,
    }
    if report.outcome in _LOUD:
        logger.warning("push", extra=line)
    else:
        logger.info("push", extra=line)
    metrics.flush_metrics()  # an earlier push of the same invocation has dimensions of its own
    metrics.add_dimension("source", key.source)
    metrics.add_dimension("stream", key.stream)
    metrics.add_dimension("outcome", str(report.outcome))
    metrics.add_metric("PushesByOutcome", MetricUnit.Count, 1)
    metrics.add_metric("PushWaitedMs", MetricUnit.Milliseconds, waited_ms)
    metrics.add_metric("VendorRequests", MetricUnit.Count, traffic.requests)


def count_found_by_polling(report: SliceReport) -> None:
    """Rows that a poll inserted or changed in a stream that is pushed: what no push had brought by then.

    An upper bound of what pushes missed, since a poll may be faster than a push. Says nothing of a slice that
    was not committed.
    """
    if report.outcome is not Outcome.COMMITTED:
        return
    found = report.counts.inserted + report.counts.updated
    metrics.flush_metrics()
    metrics.add_dimension("source", report.key.source)
    metrics.add_dimension("stream", report.key.stream)
    metrics.add_metric("FoundByPolling", MetricUnit.Count, found)
    metrics.flush_metrics()
    if found:
        logger.info(
            "found_by_polling",
            extra={"stream_key": str(report.key), "client_id": report.key.client_id, "rows": found},
        )
