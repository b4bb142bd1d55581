"""The payment callback from start to notification, on a deployed stack."""

import json

import pytest

from tests.e2e.stack import Notifications, Stack, poll

Order = dict[str, object]

SUCCESS_MESSAGE = "Payment processed successfully."


def numbered(order: Order, count: int) -> list[object]:
    return [{**order, "orderId": f"order-{number}"} for number in range(count)]


def test_payments_succeed_and_fail_and_each_end_is_told_the_truth(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    # Given
    orders = numbered(order, 24)  # all alike once in 8 million runs
    # When
    executions = stack.start_all(orders)
    # Then
    statuses = set()
    for number, execution_id in enumerate(executions):
        end = stack.ended(execution_id)
        statuses.add(end["status"])
        [notification] = notifications.of(execution_id)
        told = {"orderId": f"order-{number}", "executionId": execution_id}
        if end["status"] == "SUCCEEDED":
            assert notification == {"outcome": "SUCCEEDED", "message": SUCCESS_MESSAGE, **told}
            assert json.loads(end["output"]) == notification
            assert stack.states_entered(execution_id) == ["RequestPayment", "NotifySuccess"]
        else:
            assert end["status"] == "FAILED"
            error = {"Error": "Failed to process payment", "Cause": "Invalid Credit Card"}
            assert notification == {"outcome": "FAILED", **error, **told}
            assert (end["error"], end["cause"]) == (error["Error"], error["Cause"])
            assert stack.states_entered(execution_id) == ["RequestPayment", "NotifyFailure", "PaymentFailed"]
    assert statuses == {"SUCCEEDED", "FAILED"}


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        ({"amount": 10, "cvv": "123"}, "orderId must be text of 1 to 256 characters."),
        ({"orderId": "order-1"}, "amount must be a number above 0."),
        ({"orderId": 7, "amount": -1}, "orderId must be text of 1 to 256 characters; amount must be a number above 0."),
        ({}, "orderId must be text of 1 to 256 characters; amount must be a number above 0."),
        ({"orderId": "order-1", "amount": float("inf")}, "amount must be a number above 0."),
        ([], "The payment must be a JSON object with orderId and amount."),
        ("text", "The payment must be a JSON object with orderId and amount."),
        (None, "The payment must be a JSON object with orderId and amount."),
    ],
    ids=str,
)
def test_an_input_that_is_no_payment_fails_at_once_and_says_why(
    stack: Stack, notifications: Notifications, payload: object, cause: str
) -> None:
    execution_id = stack.start(payload)
    end = stack.ended(execution_id)
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", "Payment.InvalidRequest", cause)
    order_id = "order-1" if isinstance(payload, dict) and payload.get("orderId") == "order-1" else None
    [notification] = notifications.of(execution_id)
    assert notification == {
        "outcome": "FAILED",
        "Error": "Payment.InvalidRequest",
        "Cause": cause,
        "orderId": order_id,
        "executionId": execution_id,
    }


def test_a_message_delivered_twice_gets_the_same_answer_twice(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    # Given a payment request that was sent to the queue three times over
    with stack.consumer_off("PaymentWorkerFunctionName"):
        executions = [stack.start({**order, "orderId": f"again-{number}"}) for number in range(6)]
        bodies = [stack.receive("PaymentQueueUrl")["Body"] for _ in executions]
        for body in bodies * 3:
            stack.send("PaymentQueueUrl", body)
    # When the worker has seen all of them
    poll("empty queue", lambda: stack.depth("PaymentQueueUrl") == 0 or None, seconds=60)
    # Then each workflow ended once, as a direct invocation with the same message says it should
    from payment_worker import payment_succeeds

    expected = {}
    for message in map(json.loads, bodies):
        expected[message["executionId"]] = "SUCCEEDED" if payment_succeeds(message["taskToken"], 0.5) else "FAILED"
    assert {execution_id: stack.ended(execution_id)["status"] for execution_id in executions} == expected
    notifications.settle()
    assert [notifications.count(execution_id) for execution_id in executions] == [1] * len(executions)


def test_200_executions_from_8_threads_all_end_with_one_notification_each(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    executions = stack.start_all(numbered(order, 200), threads=8)
    ends = [stack.ended(execution_id, seconds=60)["status"] for execution_id in executions]
    assert set(ends) == {"SUCCEEDED", "FAILED"}
    for execution_id in executions:
        notifications.of(execution_id)
    notifications.settle()
    assert [notifications.count(execution_id) for execution_id in executions] == [1] * 200
