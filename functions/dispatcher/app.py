"""Dispatcher: a schedule tick becomes one message for each stream that is due."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring
from sluice.observability import count_plan, logger, metrics


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    planned = wiring.plan()
    count_plan(planned.asked, planned.raced)
    return asdict(planned)
