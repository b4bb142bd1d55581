"""Prepares an order to be confirmed: makes the link on which a person decides it. Your own checks of an order go here.

Called as `{"orderId": …, "waitSeconds": <how long the workflow waits>, "executionId": <execution ARN>}`.
"""

import re
import secrets
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.request import printable_execution_id
from callbacks.settings import setting
from orders import store
from orders.model import ORDER_ID

CONFIRMATION_ID_BYTES = 24  # 192 bits, 32 characters


class InvalidRequest(PrintableError):
    """The event is not as the state machine sends it."""


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    return process_order(event)


def process_order(event: dict[str, Any]) -> dict[str, Any]:
    """`{"link": …, "expiresAt": <seconds since 1970>}`. A link that a repeat makes leads to the same order.

    Raises InvalidRequest, UnknownOrder, AlreadySettled or TableUnavailable.
    """
    match event:
        case {"orderId": str() as order_id, "waitSeconds": int() as seconds} if re.fullmatch(ORDER_ID, order_id):
            pass
        case _:
            raise InvalidRequest('The input must be like {"orderId": "order-1"}, with an orderId that the API takes.')
    confirmation_id = secrets.token_urlsafe(CONFIRMATION_ID_BYTES)
    expires_at = store.offer_confirmation(order_id, confirmation_id, int(time.time()) + seconds)
    logger.info("order waits for confirmation", correlation_id=printable_execution_id(event.get("executionId")))
    return {"link": f"{setting('ORDER_API_URL')}/confirmations/{confirmation_id}", "expiresAt": expires_at}
