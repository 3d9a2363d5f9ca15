"""Worker: one SQS message is one slice of one client's stream."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import wiring
from sluice.core.slices import Delivery
from sluice.messages import SliceMessage
from sluice.observability import (
    count_found_by_polling,
    count_slice,
    counts_memory,
    logger,
    metrics,
)
from sluice.observability.batches import OutspokenProcessor

processor = OutspokenProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def run_one(record: SQSRecord, lambda_context: LambdaContext) -> None:
    message = SliceMessage.model_validate_json(record.body)
    left = timedelta(milliseconds=lambda_context.get_remaining_time_in_millis())
    queue = record.event_source_arn.rsplit(":", 1)[-1]
    delivery = Delivery(record.message_id, record.receipt_handle, queue)
    report = wiring.run_slice(message, deadline=datetime.now(UTC) + left, delivery=delivery)
    count_slice(report)
    if wiring.is_a_backstop(message, report):
        count_found_by_polling(report)


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
@counts_memory
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event, run_one, processor, context)
