"""Dispatcher: a schedule tick becomes one message for each stream that is due."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring
from sluice.observability import count_plan, logger, metrics


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    planned = asdict(wiring.plan(deadline=datetime.now(UTC) + left))
    count_plan(planned)
    return planned
