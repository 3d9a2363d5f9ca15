"""Cleanup: frees stale leases, re-sends lost continuations, closes abandoned runs."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring
from sluice.observability import count_clean_up, logger, metrics


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    done = asdict(wiring.clean_up())
    count_clean_up(done)
    return done
