"""Migrate: applies one phase of migrations/ when CloudFormation (or a person) asks."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring
from sluice.observability import logger
from sluice.postgres.cloudformation import answering


@logger.inject_lambda_context(clear_state=True)
@answering
def handler(event: dict[str, Any], context: LambdaContext) -> list[str]:
    """A custom resource's event, or ``{"phase": "pre"}``; a deleted stack keeps its data."""
    if event.get("RequestType") == "Delete":
        return []
    properties = event.get("ResourceProperties", {})
    applied = list(wiring.migrate(properties.get("Phase") or event.get("phase", "pre")))
    logger.info("migrated", extra={"applied": applied})
    return applied
