"""Powertools' batch processor keeps a record's exception to itself; this one says it first."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor

from sluice.observability import logger, metrics


class OutspokenProcessor(BatchProcessor):
    """Logs and counts each message that goes back to the queue, then fails it as Powertools does."""

    line = "slice_failed"
    metric = "SlicesFailed"

    def failure_handler(self, record: Any, exception: Any) -> Any:
        logger.error(self.line, exc_info=exception, extra={"body": getattr(record, "body", None)})
        metrics.add_metric(self.metric, MetricUnit.Count, 1)
        return super().failure_handler(record, exception)


class OutspokenPushProcessor(OutspokenProcessor):
    """The same for messages that ask for a push to be applied."""

    line = "push_failed"
    metric = "PushesFailed"
