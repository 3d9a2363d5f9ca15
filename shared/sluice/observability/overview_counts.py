"""A look at the whole, counted: a line for each finding, one for the whole, and figures without any client."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from aws_lambda_powertools.metrics import MetricUnit

from sluice.core.overview.figures import Figure, figures_of
from sluice.core.overview.picture import Overview
from sluice.observability.counts import metrics
from sluice.observability.logs import logger

MOST_LINES = 200
"""Findings told one by one. In an outage thousands say the same, and lines cost money."""


def count_overview(overview: Overview) -> None:
    """One line for each finding and one for the whole; metrics of the deployment, of sources and of streams."""
    for finding in overview.findings[:MOST_LINES]:
        since = finding.since and finding.since.isoformat()
        told = {
            "check": finding.check,
            "subject": finding.subject,
            "detail": finding.detail,
            "since": since,
        }
        logger.warning("finding", extra={name: said for name, said in told.items() if said})
    line = {
        "streams": len(overview.streams),
        "states": dict(Counter(str(view.state) for view in overview.streams)),
        "findings": dict(Counter(finding.check for finding in overview.findings)),
        "findings_left_off": max(len(overview.findings) - MOST_LINES, 0),
        "connections": overview.connections,
        "pool_size": overview.pool_size,
        "queues": {queue.name: queue.waiting for queue in overview.queues},
        "unknown": list(overview.unknown),
    }
    if overview.unknown:
        logger.error("overview", extra=line)
    else:
        logger.info("overview", extra=line)
    for _, alike in groupby(figures_of(overview), _dimensions):
        _send(list(alike))


def _dimensions(figure: Figure) -> tuple[str | None, str | None]:
    return figure.source, figure.stream


def _send(figures: list[Figure]) -> None:
    """What has the same dimensions goes in one line: fifteen metrics at most, and a line takes a hundred."""
    metrics.flush_metrics()
    for name, value in zip(("source", "stream"), _dimensions(figures[0]), strict=True):
        if value is not None:
            metrics.add_dimension(name, value)
    for figure in figures:
        metrics.add_metric(figure.name, MetricUnit(figure.unit), figure.value)
    metrics.flush_metrics()
