"""What people and alarms see: one canonical line per slice, and metrics of bounded dimensions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from sluice.core.slices import SliceReport
from sluice.observability.redaction import redact

__all__ = ["count_clean_up", "count_plan", "count_slice", "logger", "metrics"]


class _RedactingFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON line, without anything secret in it."""

    def serialize(self, log: Any) -> str:
        return redact(super().serialize(log))


logger = Logger(logger_formatter=_RedactingFormatter())
metrics = Metrics(namespace="Sluice")

_COUNTS = ("read", "inserted", "updated", "unchanged", "stale", "rejected", "deleted")


def count_slice(report: SliceReport) -> None:
    """One line and one set of metrics per slice. Clients are in the line, never in a dimension:
    the number of metrics must not grow with the number of clients."""
    logger.info("slice", extra=_line(report))
    metrics.add_dimension("source", report.key.source)
    metrics.add_dimension("stream", report.key.stream)
    metrics.add_dimension("outcome", report.outcome)
    metrics.add_metric("Slices", MetricUnit.Count, 1)
    counts = asdict(report.counts)
    for name in _COUNTS:
        metrics.add_metric(f"Rows{name.capitalize()}", MetricUnit.Count, counts[name])
    metrics.add_metric("VendorRequests", MetricUnit.Count, report.traffic.requests)
    metrics.add_metric("VendorRetries", MetricUnit.Count, report.traffic.retries)
    metrics.add_metric("VendorErrors", MetricUnit.Count, report.traffic.errors)
    for latency in list(report.traffic.latencies_ms)[:100]:
        metrics.add_metric("VendorLatency", MetricUnit.Milliseconds, latency)


def count_plan(asked: int, raced: int) -> None:
    """What a schedule tick asked for."""
    logger.info("plan", extra={"asked": asked, "raced": raced})
    metrics.add_metric("SlicesAsked", MetricUnit.Count, asked)


def count_clean_up(done: dict[str, int]) -> None:
    """What a cleanup pass freed, sent again and closed."""
    logger.info("clean_up", extra=done)
    metrics.add_metric("LeasesFreed", MetricUnit.Count, done["freed"])
    metrics.add_metric("MessagesResent", MetricUnit.Count, done["resent"])
    metrics.add_metric("RunsAbandoned", MetricUnit.Count, done["abandoned"])


def _line(report: SliceReport) -> dict[str, Any]:
    latencies = sorted(report.traffic.latencies_ms)
    return {
        "stream_key": str(report.key),
        "client_id": report.key.client_id,
        "source": report.key.source,
        "stream": report.key.stream,
        "outcome": str(report.outcome),
        "detail": report.detail,
        "seq": report.seq,
        "run_id": report.run_id,
        "fencing_token": report.fencing_token,
        "counts": asdict(report.counts),
        "pages": report.traffic.pages,
        "requests": report.traffic.requests,
        "retries": report.traffic.retries,
        "errors": report.traffic.errors,
        "latency_p95_ms": latencies[int(len(latencies) * 0.95)] if latencies else None,
        "timings_ms": report.timings_ms,
    }
