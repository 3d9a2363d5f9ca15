"""What happened, counted: metrics in the embedded metric format, and one canonical line per slice.

Dimensions are bounded: the stack, source, stream and outcome, never the client. The number of metrics, each of
which costs money, must not grow with the number of clients; clients are in the line. docs/metrics.md lists them.
"""

from __future__ import annotations

import math
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.core.slices import Outcome, SliceReport, by_endpoint
from sluice.observability.logs import logger

T = TypeVar("T")

NAMESPACE = "Sluice"


class _SilentWhenEmpty(AmazonCloudWatchEMFProvider):
    """An invocation that counted nothing has nothing to say; Powertools would warn of it."""

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:  # noqa: FBT001, FBT002  # Powertools' signature
        if self.metric_set:
            super().flush_metrics(raise_on_empty_metrics)


METRIC_OF = {"facts": "FactsRead", "counted": "FactsCounted"}
"""Counts that are no rows."""

# An empty service: Powertools would make a dimension of the function's name, and alarms ask for exactly ours.
metrics = Metrics(provider=_SilentWhenEmpty(namespace=NAMESPACE, service=""))
metrics.set_default_dimensions(stack=os.environ.get("SLUICE_STACK") or "sluice")


def count_slice(report: SliceReport) -> None:
    """One line and one set of metrics per slice."""
    _log_slice(report)
    metrics.flush_metrics()  # an earlier slice of the same invocation has dimensions of its own
    metrics.add_dimension("source", report.key.source)
    metrics.add_dimension("stream", report.key.stream)
    metrics.add_dimension("outcome", report.outcome)
    metrics.add_metric("SlicesByOutcome", MetricUnit.Count, 1)
    if report.outcome is Outcome.COMMITTED:
        _count_work(report)
        _count_time(report)


def counts_memory(handler: Callable[[Any, LambdaContext], T]) -> Callable[[Any, LambdaContext], T]:
    """After each invocation, also one that raised: the memory that was in use, beside what the function may have."""

    @wraps(handler)
    def counted(event: Any, context: LambdaContext) -> T:
        try:
            return handler(event, context)
        finally:
            _count_memory(context.memory_limit_in_mb)

    return counted


def _count_memory(limit_mb: int | str) -> None:
    """The most that this environment ever had in use: what came near the limit once will do so again."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / 1024 if sys.platform == "linux" else peak / 1024**2  # KB, but bytes on a Mac
    metrics.flush_metrics()
    metrics.add_metric("MemoryPercent", MetricUnit.Percent, 100 * peak_mb / int(limit_mb))


def count_plan(done: Mapping[str, int]) -> None:
    """What became of the streams that a schedule tick found due; see ``usecases.plan.Planned``."""
    logger.info("plan", extra=dict(done))
    metrics.add_metric("SlicesAsked", MetricUnit.Count, done["asked"])
    skipped = done["queued"] + done["running"] + done["paused"]
    metrics.add_metric("SlicesSkipped", MetricUnit.Count, skipped)
    metrics.add_metric("TicksUnfinished", MetricUnit.Count, int(done["more_due"]))


def count_clean_up(done: dict[str, int]) -> None:
    """What a cleanup pass freed, sent again and closed."""
    logger.info("clean_up", extra=done)
    metrics.add_metric("LeasesFreed", MetricUnit.Count, done["freed"])
    metrics.add_metric("MessagesResent", MetricUnit.Count, done["resent"])
    metrics.add_metric("RunsAbandoned", MetricUnit.Count, done["abandoned"])
    metrics.add_metric("DeliveriesPruned", MetricUnit.Count, done["pruned"])
    metrics.add_metric("DaysForgotten", MetricUnit.Count, done["forgotten"])
    old = done["old_runs"] + done["old_slices"] + done["old_rejects"]
    metrics.add_metric("HistoryForgotten", MetricUnit.Count, old)


def _count_work(report: SliceReport) -> None:
    """Rows and vendor traffic: only a committed slice has any."""
    for name, number in asdict(report.counts).items():
        metrics.add_metric(
            METRIC_OF.get(name, f"Rows{name.capitalize()}"), MetricUnit.Count, number
        )
    traffic = report.traffic
    metrics.add_metric("VendorRequests", MetricUnit.Count, traffic.requests)
    metrics.add_metric("VendorRetries", MetricUnit.Count, traffic.retries)
    metrics.add_metric("VendorErrors", MetricUnit.Count, traffic.errors)
    for latency in traffic.latencies_ms:
        metrics.add_metric("VendorLatencyMs", MetricUnit.Milliseconds, latency)


def _count_time(report: SliceReport) -> None:
    """How long the slice worked: fetch and merge. Without the outcome: only committed slices have a time."""
    spent = report.timings_ms.get("fetch", 0) + report.timings_ms.get("merge", 0)
    metrics.flush_metrics()
    metrics.add_dimension("source", report.key.source)
    metrics.add_dimension("stream", report.key.stream)
    metrics.add_metric("SliceMs", MetricUnit.Milliseconds, spent)
    metrics.flush_metrics()


def _log_slice(report: SliceReport) -> None:
    line = _line(report)
    match report.outcome:
        case Outcome.RUN_FAILED:
            logger.error("slice", extra=line)
        case Outcome.DEFERRED | Outcome.SUPERSEDED:
            logger.warning("slice", extra=line)
        case _:
            logger.info("slice", extra=line)


def _line(report: SliceReport) -> dict[str, Any]:
    traffic = report.traffic
    return {
        "stream_key": str(report.key),
        "client_id": report.key.client_id,
        "source": report.key.source,
        "stream": report.key.stream,
        "partition": report.key.partition,
        "outcome": str(report.outcome),
        "detail": report.detail,
        "seq": report.seq,
        "slice_id": report.slice_id,
        "run_id": report.run_id,
        "fencing_token": report.fencing_token,
        "counts": asdict(report.counts),
        "pages": traffic.pages,
        "requests": traffic.requests,
        "retries": traffic.retries,
        "errors": traffic.errors,
        "bytes_received": traffic.bytes_received,
        "wait_ms": traffic.waited_ms,
        "latency_p50_ms": percentile(traffic.latencies_ms, 50),
        "latency_p95_ms": percentile(traffic.latencies_ms, 95),
        "timings_ms": dict(report.timings_ms),
        "endpoints": by_endpoint(traffic),
        "derived": dict(report.derived),
    }


def percentile(values: Sequence[int], percent: int) -> int | None:
    """The nearest-rank percentile: the smallest value that ``percent`` % of all do not exceed."""
    if not values:
        return None
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]
