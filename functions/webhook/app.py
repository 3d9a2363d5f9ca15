"""Webhook: a vendor's request is believed or not, noted, queued and answered."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring_webhook
from sluice.observability import count_webhook, logger, metrics
from sluice.webhooks.http_api import answer_of, request_of


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    receipt = wiring_webhook.receive_webhook(request_of(event))
    count_webhook(receipt)
    return answer_of(receipt.status, receipt.body)
