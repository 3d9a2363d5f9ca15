"""Monitor: looks at the whole every five minutes, and counts what is wrong."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring
from sluice.core.errors import StateUnavailable
from sluice.observability import count_overview, logger, metrics


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    seen = wiring.overview()
    count_overview(seen)
    metrics.flush_metrics()
    if (
        seen.unknown
    ):  # an error of the function, so that an alarm hears that the monitor is half blind
        raise StateUnavailable(f"not all could be looked at: {'; '.join(seen.unknown)}")
    return {"streams": len(seen.streams), "findings": len(seen.findings)}
