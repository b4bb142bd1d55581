"""Works off what the stream of the table of orders tells."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from callbacks.entry import PrintableError, describe, logger, metrics

Image = dict[str, Any]


class NotAStreamEvent(PrintableError):
    """The event, or a record of it, is not as a stream sends it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"not an event of a DynamoDB stream: {problem}; the folder events/ holds samples")


class RecordsFailed(PrintableError):
    """Some records were not followed up, so that the stream has to bring the batch again."""


def process_stream(event: dict[str, Any], follow_up: Callable[[Image], None]) -> None:
    """Follow up every record by the new image of its item, also after one that fails.

    Raises NotAStreamEvent, or RecordsFailed: then the batch comes again, split in two, also what had been followed up.
    (Failures that are reported by record would spare it that; the embedded AWS takes them for none.)
    """
    if not (isinstance(event, dict) and event.get("Records") and isinstance(event["Records"], list)):
        raise NotAStreamEvent("it has no Records")
    failed = 0
    for record in event["Records"]:
        try:
            follow_up(_new_image(record))
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream brings the record again
            logger.warning("record goes back to the stream", reason=describe(error))
            metrics.add_metric("RecordReturned", MetricUnit.Count, 1)
            failed += 1
    if failed:
        raise RecordsFailed(f"{failed} of {len(event['Records'])} records")


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
