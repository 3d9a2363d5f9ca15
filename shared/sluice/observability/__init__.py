"""What people and alarms see: JSON lines, metrics, and nothing secret in either."""

from __future__ import annotations

from sluice.observability.aws_calls import aws_calls
from sluice.observability.counts import (
    count_clean_up,
    count_plan,
    count_slice,
    counts_memory,
    metrics,
)
from sluice.observability.logs import logger
from sluice.observability.overview_counts import count_overview
from sluice.observability.push_counts import count_found_by_polling, count_push, count_webhook

__all__ = [
    "aws_calls",
    "count_clean_up",
    "count_found_by_polling",
    "count_overview",
    "count_plan",
    "count_push",
    "count_slice",
    "count_webhook",
    "counts_memory",
    "logger",
    "metrics",
]
