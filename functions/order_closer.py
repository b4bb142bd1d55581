"""Closes the order of an execution that has ended without doing so itself: stopped by somebody, or failed.

Called with the events `Step Functions Execution Status Change`. What an event says may be out of date, so that it is
only taken for a reason to look.
"""

import json
import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import PrintableError, lambda_entry
from callbacks.request import printable_execution_id
from orders.model import ORDER_ID
from orders.workflow import follow_execution


class NotAStatusEvent(PrintableError):
    """The event is not as Step Functions sends it."""


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    match event:
        case {"detail": {"executionArn": str() as arn, "input": str() | None as text}} if printable_execution_id(arn):
            order_id = order_id_in(text)
        case _:
            raise NotAStatusEvent("not an event on the status of an execution; the folder events/ holds samples")
    if order_id:
        follow_execution(order_id, arn)


def order_id_in(execution_input: str | None) -> str | None:
    """The orderId in the input of an execution; None where there is none that the API takes."""
    try:
        execution_input = json.loads(execution_input or "null")
    except (ValueError, RecursionError):
        return None
    match execution_input:
        case {"orderId": str() as order_id} if re.fullmatch(ORDER_ID, order_id):
            return order_id
    return None
