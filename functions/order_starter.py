"""Starts the workflow of each order that the API has stored, once each: the table's stream brings what failed again."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import lambda_entry, logger
from callbacks.executions import start_once
from callbacks.settings import setting
from orders.stream import BatchResponse, Image, order_id_of, process_stream


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> BatchResponse:
    return process_stream(event, record_handler)


def record_handler(image: Image) -> None:
    """Start the workflow of an order, unless it has been started. Raises NotAStreamEvent or ExecutionNotStarted."""
    order_id = order_id_of(image)
    if "expiresAt" in image or "ended" in image:  # as the workflow's first step sets it, or its end
        return
    # Named after the order, so that one order has one workflow
    start_once(setting("ORDER_STATE_MACHINE_ARN"), order_id, {"orderId": order_id})
    logger.info("workflow started")
