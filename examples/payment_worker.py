"""Answers payment requests from a queue: success or failure as a payment provider says.

A task that is retried or redriven sends its request again, under another token. What must not happen twice, such as a
charge, therefore goes by the execution's ID: the provider gets it as the idempotency key.
"""

import math
from functools import partial
from typing import Any

import urllib3
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import process_batch
from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.request import UnreadableMessage, parse_callback_request
from callbacks.settings import setting
from callbacks.task import Outcome, send_task_failure, send_task_success

MAX_ORDER_ID_CHARACTERS = 256
PROVIDER_SECONDS = 3  # of the function's 15: 12 are for the callback, whose every attempt may fail

_http = urllib3.PoolManager(timeout=urllib3.Timeout(total=PROVIDER_SECONDS), retries=False, maxsize=10)


class ProviderUnavailable(PrintableError):
    """The provider gave neither a yes nor a no: the request comes back to the queue."""


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_batch(event, context, partial(answer_payment_request, provider_url=setting("PAYMENT_PROVIDER_URL")))


def answer_payment_request(record: SQSRecord, provider_url: str) -> Outcome:
    """Answer the task token of one message. Raises UnreadableMessage, ProviderUnavailable or CallbackNotDelivered."""
    request = parse_callback_request(record.body)
    problem = payment_problem(request.payload)
    if problem:
        answer, outcome = "invalid request", send_task_failure(request.task_token, "Payment.InvalidRequest", problem)
    elif charge(provider_url, request.execution_id, request.payload):
        answer, outcome = "success", send_task_success(request.task_token, "Payment processed successfully.")
    else:
        answer, outcome = (
            "failure",
            send_task_failure(request.task_token, "Failed to process payment", "Invalid Credit Card"),
        )
    logger.info("payment request answered", answer=answer, outcome=outcome, correlation_id=request.execution_id)
    return outcome


def charge(provider_url: str, execution_id: str | None, payment: dict[str, Any]) -> bool:
    """Whether the provider takes the payment; asked again under the same key, it answers as before, and charges once."""
    if execution_id is None:  # a token is no key for outsiders
        raise UnreadableMessage("the body has no executionId")
    answer = _http.request("POST", provider_url, json=payment, headers={"Idempotency-Key": execution_id})
    if answer.status not in (200, 402):
        raise ProviderUnavailable(f"the provider answers {answer.status}")
    return answer.status == 200


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
