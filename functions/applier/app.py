"""Applier: one SQS message is what one push brought, applied in one small transaction."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring
from sluice.core.slices import Delivery
from sluice.messages import ApplyMessage, SecretMessage
from sluice.observability import count_push, logger, metrics
from sluice.observability.batches import OutspokenPushProcessor

processor = OutspokenPushProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def apply_one(record: SQSRecord, lambda_context: LambdaContext) -> None:
    secret = SecretMessage.found_in(record.body)
    if secret is not None:
        return wiring.note_secret(secret)
    message = ApplyMessage.model_validate_json(record.body)
    left = timedelta(milliseconds=lambda_context.get_remaining_time_in_millis())
    queue = record.event_source_arn.rsplit(":", 1)[-1]
    delivery = Delivery(record.message_id, record.receipt_handle, queue)
    return count_push(
        wiring.apply_push(message, deadline=datetime.now(UTC) + left, delivery=delivery)
    )


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event, apply_one, processor, context)
