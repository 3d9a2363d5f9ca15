"""What people and alarms see: JSON lines, metrics, and nothing secret in either."""

from __future__ import annotations

from sluice.observability.aws_calls import aws_calls
from sluice.observability.counts import count_clean_up, count_plan, count_slice, metrics
from sluice.observability.logs import logger

__all__ = ["aws_calls", "count_clean_up", "count_plan", "count_slice", "logger", "metrics"]
