"""Health: what is asked of the deployment over HTTP is answered. Is it alive, is it ready, what are its figures."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring_health
from sluice.observability import logger
from sluice.webhooks.http_api import page_of


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    headers = tuple((event.get("headers") or {}).items())
    reply = wiring_health.answer(event.get("routeKey", ""), headers)
    return page_of(reply.status, reply.body, reply.content_type, reply.headers)
