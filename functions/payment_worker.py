"""Answers payment requests from a queue, as the payment provider says.

A task that is retried or redriven sends its request again, under another token. What must not happen twice, such as a
charge, therefore goes by the execution's ARN: it is the idempotency key.
"""

import math
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import lambda_entry, logger
from callbacks.request import parse_callback_request
from callbacks.task import Outcome, send_task_failure, send_task_success
from payment_provider import charge

MAX_ORDER_ID_CHARACTERS = 256


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    return process_batch(event, context, record_handler)


def record_handler(record: Record) -> Outcome:
    """Answer the task token of one message. Raises UnreadableMessage or CallbackNotDelivered."""
    request = parse_callback_request(record["body"])
    problem = request.problem or payment_problem(request.payload)
    if problem:
        answer, outcome = "invalid request", send_task_failure(request.task_token, "Payment.InvalidRequest", problem)
    elif charge(request.payload, request.idempotency_key):
        answer, outcome = "success", send_task_success(request.task_token, "Payment processed successfully.")
    else:
        answer, outcome = (
            "failure",
            send_task_failure(request.task_token, "Failed to process payment", "Invalid Credit Card"),
        )
    logger.info("payment request answered", answer=answer, outcome=outcome, correlation_id=request.execution_id)
    return outcome


def payment_problem(payload: object) -> str | None:
    """What keeps a payload from being a payment, in words for whoever sent it; None if it is one.

    A payment has an `orderId`, text of 1 to 256 characters, and an `amount`, a number above 0. The text names the
    fields and repeats none of their values.
    """
    if not isinstance(payload, dict):
        return "The payment must be a JSON object with orderId and amount."
    order_id, amount = payload.get("orderId"), payload.get("amount")
    problems = []
    if not (isinstance(order_id, str) and 0 < len(order_id) <= MAX_ORDER_ID_CHARACTERS):
        problems.append(f"orderId must be text of 1 to {MAX_ORDER_ID_CHARACTERS} characters")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not (0 < amount < math.inf):
        problems.append("amount must be a number above 0")
    return f"{'; '.join(problems)}." if problems else None
