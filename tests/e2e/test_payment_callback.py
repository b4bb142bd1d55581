"""The payment callback from start to notification, on a deployed stack."""

import json
from collections import defaultdict

import pytest

from tests.e2e.given import Stacks
from tools.stack import Notifications, Stack, poll

Order = dict[str, object]

SUCCESS_MESSAGE = "Payment processed successfully."


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["payment-callback"]


def numbered(order: Order, count: int) -> list[object]:
    return [{**order, "orderId": f"order-{number}"} for number in range(count)]


def test_payments_succeed_and_fail_and_each_end_is_notified_as_it_is(
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
        ids = {"orderId": f"order-{number}", "executionId": execution_id}
        if end["status"] == "SUCCEEDED":
            assert notification == {"outcome": "SUCCEEDED", "message": SUCCESS_MESSAGE, **ids}
            assert json.loads(end["output"]) == notification
            assert stack.states_entered(execution_id) == ["RequestPayment", "NotifySuccess"]
        else:
            assert end["status"] == "FAILED"
            error = {"Error": "Failed to process payment", "Cause": "Invalid Credit Card"}
            assert notification == {"outcome": "FAILED", **error, **ids}
            assert (end["error"], end["cause"]) == (error["Error"], error["Cause"])
            assert stack.states_entered(execution_id) == ["RequestPayment", "NotifyFailure", "PaymentFailed"]
    assert statuses == {"SUCCEEDED", "FAILED"}


def test_a_callback_that_never_comes_ends_in_a_timeout_and_a_notification(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    # Given a worker that does not answer
    with (
        stack.consumer_off("PaymentWorkerFunctionName"),
        stack.overdue("StateMachineWaitForCallbackArn", "RequestPayment", TimeoutSeconds=1) as time_is_up,
    ):
        execution_id = stack.start(order)
        # When
        time_is_up()
        end = stack.ended(execution_id)
    # Then
    assert (end["status"], end["error"]) == ("FAILED", "Callback.TimedOut")
    [notification] = notifications.of(execution_id)
    assert (notification["outcome"], notification["Error"]) == ("FAILED", end["error"])
    assert notification["Cause"] == end["cause"] == "No answer came within 3,600 seconds."  # as the definition says
    assert stack.states_entered(execution_id) == ["RequestPayment", "NotifyFailure", "PaymentFailed"]


def test_a_payment_that_somebody_stops_is_notified_as_aborted(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    # Given an execution that waits
    with stack.consumer_off("PaymentWorkerFunctionName"):
        execution_id = stack.start(order)
        poll("wait", lambda: stack.states_entered(execution_id) or None)
        # When
        stack.stop(execution_id, error="Order.Withdrawn", cause="The customer called.")
        [notification] = notifications.of(execution_id)
    # Then, although its request is answered later
    assert notification == {
        "outcome": "ABORTED",
        "Error": "Order.Withdrawn",
        "Cause": "The customer called.",
        "orderId": None,
        "executionId": execution_id,
    }
    poll("empty queue", lambda: stack.depth("PaymentQueueUrl") == 0 or None)
    notifications.settle()
    assert notifications.count(execution_id) == 1
    assert stack.ended(execution_id)["status"] == "ABORTED"
    assert stack.states_entered(execution_id) == ["RequestPayment"]


def test_an_input_that_is_no_payment_fails_at_once_and_says_why(stack: Stack, notifications: Notifications) -> None:
    # Given
    order_id, amount = "orderId must be text of 1 to 256 characters", "amount must be a number above 0"
    not_an_object = "The payment must be a JSON object with orderId and amount."
    invalid: list[tuple[object, str]] = [
        ({"amount": 10, "cvv": "123"}, f"{order_id}."),
        ({"orderId": 7, "amount": -1}, f"{order_id}; {amount}."),
        ({"orderId": "order-1"}, f"{amount}."),
        ({"orderId": "order-1", "amount": float("inf")}, f"{amount}."),
        ([], not_an_object),
        ("text", not_an_object),
        (None, not_an_object),
    ]
    # When
    executions = stack.start_all([payload for payload, _ in invalid])
    # Then
    for execution_id, (payload, cause) in zip(executions, invalid, strict=True):
        end = stack.ended(execution_id)
        assert (end["status"], end["error"], end["cause"]) == ("FAILED", "Payment.InvalidRequest", cause), payload
        [notification] = notifications.of(execution_id)
        assert notification == {
            "outcome": "FAILED",
            "Error": "Payment.InvalidRequest",
            "Cause": cause,
            "orderId": "order-1" if cause == f"{amount}." else None,
            "executionId": execution_id,
        }


def test_a_message_of_which_only_the_token_can_be_read_fails_its_workflow_at_once(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    # Given
    with stack.consumer_off("PaymentWorkerFunctionName"):
        execution_id = stack.start(order)
        token = json.loads(stack.receive("PaymentQueueUrl")["Body"])["taskToken"]
    # When
    head = f'{{"taskToken": "{token}", "executionId": "{execution_id}"'
    stack.send("PaymentQueueUrl", f'{head}, "payload": {{"taskToken": "forged", "orderId": ')
    # Then
    end = stack.ended(execution_id)
    assert (end["status"], end["error"]) == ("FAILED", "Payment.InvalidRequest")
    assert end["cause"] == "The message cannot be read: it is not JSON."
    [notification] = notifications.of(execution_id)
    assert (notification["Error"], notification["Cause"]) == (end["error"], end["cause"])


@pytest.mark.slow
def test_no_input_keeps_an_execution_from_its_notification(stack: Stack, notifications: Notifications) -> None:
    # Given inputs that SQS or SNS would refuse, or that are too large with a token beside them
    odd: list[object] = [
        {"orderId": "\ud83d", "amount": 1},
        {"orderId": "\uffff", "amount": 1, "\ufffe": "\udc00"},
        {"orderId": "o" * 3_000, "amount": 1},
        {"__proto__": {"orderId": "order-1"}, "amount": 1},
        '"' * 60_000,
        "x" * 262_100,
    ]
    # When
    executions = stack.start_all(odd)
    # Then
    for execution_id in executions:
        end = stack.ended(execution_id)
        [notification] = notifications.of(execution_id)
        assert end["status"] == notification["outcome"]
        assert (end.get("error"), end.get("cause")) == (notification.get("Error"), notification.get("Cause"))
        assert len(notification["orderId"] or "") <= 256
    if stack.on_aws:  # the embedded AWS measures no arguments
        assert end["error"] == "Callback.DataLimitExceeded"


def test_a_message_delivered_twice_gets_the_same_answer_twice(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    # Given payment requests that are in the queue twice, and come once more when they have been answered
    with stack.consumer_off("PaymentWorkerFunctionName"):
        executions = [stack.start({**order, "orderId": f"again-{number}"}) for number in range(6)]
        bodies = [stack.receive("PaymentQueueUrl")["Body"] for _ in executions]
        for body in bodies * 2:
            stack.send("PaymentQueueUrl", body)
    ends = {execution_id: stack.ended(execution_id)["status"] for execution_id in executions}
    for body in bodies:
        stack.send("PaymentQueueUrl", body)
    # When the worker has answered
    answers: defaultdict[str, list[str]] = defaultdict(list)

    def answered() -> bool | None:
        answers.clear()
        for line in stack.log_lines("PaymentWorkerFunctionName"):
            if "answer" in line:
                answers[line.get("correlation_id", "of no execution")].append(line["answer"])
        return all(len(answers[execution_id]) >= 2 for execution_id in executions) or None

    poll("two answers to each", answered)
    # Then it gave the same answer to each message, and each workflow ended that way, once
    for execution_id, status in ends.items():
        assert set(answers[execution_id]) == {"success" if status == "SUCCEEDED" else "failure"}
    notifications.settle()
    assert [notifications.count(execution_id) for execution_id in executions] == [1] * len(executions)


@pytest.mark.slow
def test_200_executions_from_8_threads_all_end_with_one_notification_each(
    stack: Stack, notifications: Notifications, order: Order
) -> None:
    executions = stack.start_all(numbered(order, 200), threads=8)
    ends = [stack.ended(execution_id)["status"] for execution_id in executions]
    assert set(ends) == {"SUCCEEDED", "FAILED"}
    for execution_id in executions:
        notifications.of(execution_id)
    notifications.settle()
    assert [notifications.count(execution_id) for execution_id in executions] == [1] * 200
