"""Fails the workflow behind a dead-lettered message, so that it does not wait for its timeout.

Serves any queue of callback requests. A message with no usable task token is left where it is: the redrive policy of
the dead-letter queue then moves it to the quarantine queue, untouched.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import lambda_entry, logger
from callbacks.request import parse_callback_request
from callbacks.task import Outcome, send_task_failure


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    return process_batch(event, context, record_handler)


def record_handler(record: Record) -> Outcome:
    """Fail the workflow of one message with `Callback.Undeliverable`.

    Raises UnreadableMessage or CallbackNotDelivered.
    """
    request = parse_callback_request(record["body"])
    receives = record["attributes"]["ApproximateReceiveCount"]
    cause = f"Message {record['messageId']} could not be processed; it was received {receives} times."
    if request.problem:
        cause = f"{cause} {request.problem}"
    outcome = send_task_failure(request.task_token, "Callback.Undeliverable", cause)
    logger.warning(
        "undeliverable message reported",
        messageId=record["messageId"],
        outcome=outcome,
        correlation_id=request.execution_id,
    )
    return outcome
