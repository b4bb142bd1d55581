"""Answers the callbacks of payment requests, as the payment provider says; and those of dead letters, with a failure.

A heartbeat comes before the charge: a payment that nobody waits for is not charged.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import ClientError

aws_lambda = boto3.client("lambda")

Response = dict[str, list[dict[str, str]]]


def lambda_handler(event: dict[str, Any], _context: object) -> Response:
    return each(event, answer)


def dead_letter_handler(event: dict[str, Any], _context: object) -> Response:
    return each(event, report)


def each(event: dict[str, Any], handle: Callable[[dict[str, Any]], None]) -> Response:
    """Whatever fails comes again. Of an error the type is logged, because its text may hold a callback ID."""
    failed = []
    for record in event["Records"]:
        try:
            handle(json.loads(record["body"]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue brings the record again
            if settled(error):
                print("nobody waits for this answer")
            else:
                print(f"record goes back to the queue: {type(error).__name__}")
                failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def answer(request: dict[str, Any]) -> None:
    callback_id, payment = request["callbackId"], request["payload"]
    problem = payment_problem(payment)
    if problem:
        return fail(callback_id, "Payment.InvalidRequest", problem)
    aws_lambda.send_durable_execution_callback_heartbeat(CallbackId=callback_id)
    if not charge(payment, request["executionId"]):
        return fail(callback_id, "Failed to process payment", "Invalid Credit Card")
    result = json.dumps("Payment processed successfully.")
    aws_lambda.send_durable_execution_callback_success(CallbackId=callback_id, Result=result)
    return None


def report(request: dict[str, Any]) -> None:
    fail(request["callbackId"], "Callback.Undeliverable", "The payment request could not be handled.")


def fail(callback_id: str, error: str, cause: str) -> None:
    aws_lambda.send_durable_execution_callback_failure(
        CallbackId=callback_id, Error={"ErrorType": error, "ErrorMessage": cause, "ErrorData": error}
    )


def settled(error: Exception) -> bool:
    """Whether the callback was answered before, or timed out."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "CallbackTimeoutException"


def charge(_payment: dict[str, Any], idempotency_key: str) -> bool:
    """Yes or no, the same each time for the same key, the ARN of an execution. Put your payment provider here."""
    digest = hashlib.sha256(idempotency_key.encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48 < float(os.environ["PAYMENT_SUCCESS_RATE"])


def payment_problem(payment: object) -> str | None:
    if not isinstance(payment, dict):
        return "The payment must be a JSON object with orderId and amount."
    order_id, amount, problems = payment.get("orderId"), payment.get("amount"), []
    if not (isinstance(order_id, str) and 0 < len(order_id) <= 256):
        problems.append("orderId must be text of 1 to 256 characters")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not (0 < amount < math.inf):
        problems.append("amount must be a number above 0")
    return f"{'; '.join(problems)}." if problems else None
