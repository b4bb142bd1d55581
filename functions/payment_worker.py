"""Answers payment requests from a queue: success or failure at random, in the place of a payment provider.

A task that is retried or redriven sends its request again, under another token. What must not happen twice, such as a
charge, therefore goes by the execution's ID: give it to a provider as the idempotency key, as the coin here does.
"""

import hashlib
import math
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import lambda_entry, logger
from callbacks.request import parse_callback_request
from callbacks.settings import ConfigurationError, setting
from callbacks.task import Outcome, send_task_failure, send_task_success

MAX_ORDER_ID_CHARACTERS = 256


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    return process_batch(event, context, partial(record_handler, success_rate=payment_success_rate()))


def record_handler(record: Record, success_rate: float) -> Outcome:
    """Answer the task token of one message. Raises UnreadableMessage or CallbackNotDelivered."""
    request = parse_callback_request(record["body"])
    problem = request.problem or payment_problem(request.payload)
    if problem:
        answer, outcome = "invalid request", send_task_failure(request.task_token, "Payment.InvalidRequest", problem)
    elif payment_succeeds(request.idempotency_key, success_rate):
        answer, outcome = "success", send_task_success(request.task_token, "Payment processed successfully.")
    else:
        answer, outcome = (
            "failure",
            send_task_failure(request.task_token, "Failed to process payment", "Invalid Credit Card"),
        )
    logger.info("payment request answered", answer=answer, outcome=outcome, correlation_id=request.execution_id)
    return outcome


def payment_succeeds(key: str, success_rate: float) -> bool:
    """Toss a coin that falls the same way each time for the same key, the ARN of an execution.

    The first 6 bytes of the key's SHA-256, as a fraction from 0 up to but not including 1, are under the rate.
    """
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48 < success_rate


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


def payment_success_rate() -> float:
    """The share of payments that succeed, 0 to 1, from PAYMENT_SUCCESS_RATE. Raises ConfigurationError."""
    try:
        rate = float(setting("PAYMENT_SUCCESS_RATE"))
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= 1:
        raise ConfigurationError("environment variable PAYMENT_SUCCESS_RATE is not a number from 0 to 1")
    return rate
