"""Status: a CloudWatch custom widget asks for a page of HTML, and gets it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring_pages
from sluice.observability import logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    shown = wiring_pages.status_page(event, context.invoked_function_arn)
    logger.info("status_page", extra={"view": shown.view, "error": shown.error})
    return shown.answer
