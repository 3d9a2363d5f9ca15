"""What happened, counted: metrics in the embedded metric format, and one canonical line per slice.

Dimensions are bounded: source, stream and outcome, never the client. The number of metrics, each of
which costs money, must not grow with the number of clients; clients are in the line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

from sluice.core.slices import Outcome, SliceReport, by_endpoint
from sluice.observability.logs import logger

NAMESPACE = "Sluice"


class _SilentWhenEmpty(AmazonCloudWatchEMFProvider):
    """An invocation that counted nothing has nothing to say; Powertools would warn of it."""

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:  # noqa: FBT001, FBT002  # Powertools' signature
        if self.metric_set:
            super().flush_metrics(raise_on_empty_metrics)


METRIC_OF = {"facts": "FactsRead", "counted": "FactsCounted"}
"""Counts that are no rows."""

metrics = Metrics(provider=_SilentWhenEmpty(namespace=NAMESPACE))


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
        "run_id": report.run_id,
        "fencing_token": report.fencing_token,
        "counts": asdict(report.counts),
        "pages": traffic.pages,
        "requests": traffic.requests,
        "retries": traffic.retries,
        "errors": traffic.errors,
        "bytes_received": traffic.bytes_received,
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
