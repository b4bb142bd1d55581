"""The payment callback as a Lambda durable function: the input, notifications, output and errors of template.yaml.

A request to the worker is `{"callbackId": …, "payload": <input>, "executionId": <ARN of the durable execution>}`. The
callback ID is a credential like a task token: it is never logged. An execution that fails has the cause as its
ErrorMessage and the error's name as its ErrorData, because the SDK makes ErrorType the name of a class.
"""

import json
import os
from typing import Any

import boto3
from aws_durable_execution_sdk_python import (
    CallbackError,
    CallbackExternalError,
    CallbackTimeoutError,
    DurableContext,
    DurableOperationError,
    durable_execution,
)
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig, WaitForCallbackConfig
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

MAX_ORDER_ID_CHARACTERS, MAX_MESSAGE_CHARACTERS = 256, 32_768
RETRIES = create_retry_strategy(
    RetryStrategyConfig(
        max_attempts=5, initial_delay=Duration.from_seconds(1), backoff_rate=2, jitter_strategy=JitterStrategy.FULL
    )
)

sqs, sns = boto3.client("sqs"), boto3.client("sns")


class PaymentFailed(DurableOperationError):
    """How an execution fails: `message` is the cause, `data` the name of the error."""


@durable_execution
def lambda_handler(payment: Any, context: DurableContext) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    execution_id = context.execution_context.durable_execution_arn

    def request_payment(callback_id: str, _context: object) -> None:
        request = {"callbackId": callback_id, "payload": payment, "executionId": execution_id}
        sqs.send_message(QueueUrl=os.environ["PAYMENT_QUEUE_URL"], MessageBody=json.dumps(request))

    def notify(body: dict[str, Any], name: str) -> None:
        context.step(lambda _: publish(body), name=name, config=StepConfig(retry_strategy=RETRIES))

    about = {"orderId": printable_order_id(payment), "executionId": execution_id}
    seconds, heartbeat = int(os.environ["CALLBACK_SECONDS"]), int(os.environ["HEARTBEAT_SECONDS"])
    try:
        answer = context.wait_for_callback(
            request_payment,
            name="RequestPayment",
            config=WaitForCallbackConfig(
                timeout=Duration.from_seconds(seconds),
                heartbeat_timeout=Duration.from_seconds(heartbeat),
                retry_strategy=RETRIES,
            ),
        )
        message = json.loads(answer)
    except CallbackError as failure:
        error, cause = name_and_cause(failure)
    except ValueError:
        error, cause = "Callback.InvalidOutput", "The answer is not JSON."
    else:
        if len(json.dumps(message)) > MAX_MESSAGE_CHARACTERS:
            message = "The answer is too long for a notification."
        body = {"outcome": "SUCCEEDED", "message": message, **about}
        notify(body, "NotifySuccess")
        return body
    notify({"outcome": "FAILED", "Error": error, "Cause": cause, **about}, "NotifyFailure")
    raise PaymentFailed(cause, data=error)


def name_and_cause(failure: CallbackError) -> tuple[str, str]:
    """As the state machine names them. The worker sends an error's name as ErrorData: the SDK drops the ErrorType."""
    match failure:
        case CallbackTimeoutError():
            return "Callback.TimedOut", "No answer or no heartbeat came in time."
        case CallbackExternalError():
            return failure.data or "Callback.Failed", failure.message or "No cause was given."
    return "Callback.NotSent", "The request could not be sent."


def publish(body: dict[str, Any]) -> None:
    sns.publish(
        TopicArn=os.environ["NOTIFICATION_TOPIC_ARN"],
        Message=json.dumps(body),
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": body["outcome"]}},
    )


def printable_order_id(payment: object) -> str | None:
    order_id = payment.get("orderId") if isinstance(payment, dict) else None
    return order_id[:MAX_ORDER_ID_CHARACTERS] if isinstance(order_id, str) else None
