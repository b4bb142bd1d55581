"""Handles the records of the table's stream; those that fail come again, with what came after them."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from callbacks.entry import PrintableError, describe, logger, metrics
from callbacks.settings import ConfigurationError

Image = dict[str, Any]
BatchResponse = dict[str, list[dict[str, str]]]  # {"batchItemFailures": [{"itemIdentifier": <SequenceNumber>}, …]}


class NotAStreamEvent(PrintableError):
    """The event, or a record of it, is not as a stream sends it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"not an event of a DynamoDB stream: {problem}; the folder events/ holds samples")


def process_stream(event: dict[str, Any], record_handler: Callable[[Image], None]) -> BatchResponse:
    """Handle every record by the new image of its item, also after one that fails.

    Lambda sends the records again from the first one that failed. Raises NotAStreamEvent when there are no records;
    after the others are handled, NotAStreamEvent when one has no SequenceNumber and so cannot be named in the response,
    and ConfigurationError when a handler does: the fault is the function's. Lambda then sends the whole batch again.
    """
    if not (isinstance(event, dict) and event.get("Records") and isinstance(event["Records"], list)):
        raise NotAStreamEvent("it has no Records")
    failed = []
    fault: PrintableError | None = None
    for record in event["Records"]:
        try:
            record_handler(_new_image(record))
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream brings the record again
            logger.warning("record goes back to the stream", reason=describe(error))
            metrics.add_metric("RecordReturned", MetricUnit.Count, 1)
            match record:
                case {"dynamodb": {"SequenceNumber": str() as number}} if number:
                    failed.append({"itemIdentifier": number})
                case _:
                    fault = NotAStreamEvent("a record has no SequenceNumber")
            if isinstance(error, ConfigurationError):
                fault = error
    if fault:
        raise fault
    return {"batchItemFailures": failed}


def order_id_of(image: Image) -> str:
    """Raises NotAStreamEvent."""
    match image:
        case {"orderId": {"S": str() as order_id}}:
            return order_id
    raise NotAStreamEvent("an image has no orderId")


def _new_image(record: object) -> Image:
    match record:
        case {"dynamodb": {"NewImage": dict() as image}}:
            return image
    raise NotAStreamEvent("a record has no NewImage")
