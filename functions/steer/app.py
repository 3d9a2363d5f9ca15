"""Steer: a button of the status page asks for an action; it is done, audited, and told."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring_pages
from sluice.observability import logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    shown = wiring_pages.act_for_person(event, context.aws_request_id)
    logger.info(
        "acted", extra={"action": event.get("do"), "outcome": shown.view, "error": shown.error}
    )
    return shown.answer
