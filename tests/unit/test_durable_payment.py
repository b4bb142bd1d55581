"""The payment as a durable function, run in process by AWS's own test runner: the same ends as the state machine's."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from aws_durable_execution_sdk_python.lambda_service import ErrorObject, InvocationStatus
from aws_durable_execution_sdk_python.retries import RetryDecision
from aws_durable_execution_sdk_python_testing.runner import (
    DurableFunctionTestResult,
    DurableFunctionTestRunner,
)
from botocore.exceptions import ClientError
from moto import mock_aws

from examples.durable_payment import worker, workflow
from tools.cost.prices import DURABLE_INVOCATIONS, DURABLE_OPERATIONS

ORDER = {"orderId": "order-1", "amount": 12.5}
SECONDS = 30


class RunnerCallbacks:
    """The callback API of Lambda, as the worker calls it, on the test runner."""

    def __init__(self, runner: DurableFunctionTestRunner) -> None:
        self.runner, self.settled = runner, set[str]()

    def _settle(self, callback_id: str) -> None:
        if callback_id in self.settled:  # as AWS answers; the runner has another error for it
            raise ClientError({"Error": {"Code": "CallbackTimeoutException"}}, "SendDurableExecutionCallbackSuccess")
        self.settled.add(callback_id)

    def send_durable_execution_callback_success(self, CallbackId: str, Result: str) -> None:  # noqa: N803
        self._settle(CallbackId)
        self.runner.send_callback_success(CallbackId, Result.encode())

    def send_durable_execution_callback_failure(self, CallbackId: str, Error: dict[str, str]) -> None:  # noqa: N803
        self._settle(CallbackId)
        self.runner.send_callback_failure(CallbackId, ErrorObject.from_dict({**Error}))

    def send_durable_execution_callback_heartbeat(self, CallbackId: str) -> None:  # noqa: N803
        if CallbackId not in self.settled:
            self.runner.send_callback_heartbeat(CallbackId)


@dataclass
class Payments:
    runner: DurableFunctionTestRunner
    queue: str
    notification_queue: str

    def start(self, payment: object = ORDER) -> str:
        return self.runner.run_async(input=json.dumps(payment), timeout=SECONDS)

    def request(self, execution_id: str) -> dict[str, Any]:
        """The record that the worker gets, once the function waits."""
        self.runner.wait_for_callback(execution_id, timeout=SECONDS)
        [body] = self.receive(self.queue, wait=5)
        return {"messageId": "1", "body": body}

    def notifications(self) -> list[dict[str, Any]]:
        bodies = self.receive(self.notification_queue, wait=0)
        return [json.loads(json.loads(body)["Message"]) for body in bodies]

    def end(self, execution_id: str) -> DurableFunctionTestResult:
        return self.runner.wait_for_result(execution_id, timeout=SECONDS)

    @staticmethod
    def receive(queue: str, wait: int) -> list[str]:
        answer = workflow.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        return [message["Body"] for message in answer.get("Messages", [])]


@contextmanager
def runner_of_aws() -> Iterator[DurableFunctionTestRunner]:
    """AWS's, and what it leaves open: timers and its event loop."""
    with DurableFunctionTestRunner(workflow.lambda_handler, poll_interval=0.05) as runner:
        yield runner
    loop = runner._scheduler._loop
    for timer in asyncio.all_tasks(loop):
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(timer)
    loop.close()


@pytest.fixture
def payments(monkeypatch: pytest.MonkeyPatch) -> Iterator[Payments]:
    with mock_aws(), runner_of_aws() as runner:
        sqs, sns = boto3.client("sqs"), boto3.client("sns")
        queues = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("payments", "notifications")]
        topic = sns.create_topic(Name="notifications")["TopicArn"]
        arn = sqs.get_queue_attributes(QueueUrl=queues[1], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        settings = {"PAYMENT_QUEUE_URL": queues[0], "NOTIFICATION_TOPIC_ARN": topic, "PAYMENT_SUCCESS_RATE": "1"}
        for name, value in {**settings, "CALLBACK_SECONDS": "3600", "HEARTBEAT_SECONDS": "0"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(worker, "aws_lambda", RunnerCallbacks(runner))
        yield Payments(runner, *queues)


def failed(result: DurableFunctionTestResult) -> tuple[str | None, str | None]:
    """Name and cause."""
    assert (result.status, result.result) == (InvocationStatus.FAILED, None)
    assert result.error
    return result.error.data, result.error.message


def test_a_payment_succeeds_and_is_notified_once_however_often_it_is_answered(payments: Payments) -> None:
    execution_id = payments.start()
    record = payments.request(execution_id)
    assert worker.lambda_handler({"Records": [record, record]}, None) == {"batchItemFailures": []}
    body = {"outcome": "SUCCEEDED", "message": "Payment processed successfully.", "orderId": "order-1"}
    result = payments.end(execution_id)
    assert isinstance(result.result, str)
    assert (result.status, json.loads(result.result)) == (
        InvocationStatus.SUCCEEDED,
        {**body, "executionId": execution_id},
    )
    assert payments.notifications() == [{**body, "executionId": execution_id}]


@pytest.mark.parametrize(
    ("payment", "error", "cause", "order_id"),
    [
        (ORDER, "Failed to process payment", "Invalid Credit Card", "order-1"),
        ({"orderId": "order-1"}, "Payment.InvalidRequest", "amount must be a number above 0.", "order-1"),
        ([], "Payment.InvalidRequest", "The payment must be a JSON object with orderId and amount.", None),
    ],
    ids=str,
)
def test_a_payment_fails_as_the_worker_says(
    payments: Payments, monkeypatch: pytest.MonkeyPatch, payment: object, error: str, cause: str, order_id: str | None
) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "0")
    execution_id = payments.start(payment)
    worker.lambda_handler({"Records": [payments.request(execution_id)]}, None)
    assert failed(payments.end(execution_id)) == (error, cause)
    about = {"orderId": order_id, "executionId": execution_id}
    assert payments.notifications() == [{"outcome": "FAILED", "Error": error, "Cause": cause, **about}]


def test_a_dead_letter_fails_its_payment(payments: Payments) -> None:
    execution_id = payments.start()
    worker.dead_letter_handler({"Records": [payments.request(execution_id)]}, None)
    assert failed(payments.end(execution_id))[0] == "Callback.Undeliverable"
    assert [body["Error"] for body in payments.notifications()] == ["Callback.Undeliverable"]


@pytest.mark.parametrize("limit", ["CALLBACK_SECONDS", "HEARTBEAT_SECONDS"])
def test_what_nobody_answers_times_out(payments: Payments, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setenv(limit, "1")
    execution_id = payments.start()
    assert failed(payments.end(execution_id))[0] == "Callback.TimedOut"
    assert [body["Error"] for body in payments.notifications()] == ["Callback.TimedOut"]


def test_heartbeats_keep_a_payment_waiting(payments: Payments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTBEAT_SECONDS", "2")
    execution_id = payments.start()
    record = payments.request(execution_id)
    callback_id = json.loads(record["body"])["callbackId"]
    for _ in range(4):
        time.sleep(1)
        worker.aws_lambda.send_durable_execution_callback_heartbeat(CallbackId=callback_id)
    worker.lambda_handler({"Records": [record]}, None)
    assert payments.end(execution_id).status is InvocationStatus.SUCCEEDED


@pytest.mark.parametrize(("client", "call"), [("sqs", "send_message"), ("sns", "publish")])
def test_what_fails_once_is_tried_again(
    payments: Payments, monkeypatch: pytest.MonkeyPatch, client: str, call: str
) -> None:
    aws, failures = getattr(workflow, client), [ClientError({"Error": {"Code": "ServiceUnavailable"}}, call)]
    original = getattr(aws, call)

    def flaky(**arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return original(**arguments)

    monkeypatch.setattr(aws, call, flaky)
    execution_id = payments.start()
    worker.lambda_handler({"Records": [payments.request(execution_id)]}, None)
    assert payments.end(execution_id).status is InvocationStatus.SUCCEEDED
    assert (len(payments.notifications()), failures) == (1, [])


def test_a_message_that_cannot_be_read_comes_again_and_names_nothing(
    payments: Payments, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [{"messageId": "1", "body": '{"callbackId": "c2VjcmV0"'}]
    assert worker.lambda_handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert "c2VjcmV0" not in capsys.readouterr().out


def test_a_publish_whose_answer_is_lost_is_made_twice(payments: Payments, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, publish = [ConnectionError()], workflow.sns.publish

    def without_answer(**arguments: Any) -> Any:
        answer = publish(**arguments)
        if lost:
            raise lost.pop()
        return answer

    monkeypatch.setattr(workflow.sns, "publish", without_answer)
    execution_id = payments.start()
    worker.lambda_handler({"Records": [payments.request(execution_id)]}, None)
    assert payments.end(execution_id).status is InvocationStatus.SUCCEEDED
    assert len(payments.notifications()) == 2


def test_a_notification_that_fails_for_good_fails_a_payment_that_was_made(
    payments: Payments, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AuthorizationError"}}, "Publish")

    monkeypatch.setattr(workflow.sns, "publish", refused)
    monkeypatch.setattr(workflow, "RETRIES", lambda _error, _attempt: RetryDecision.no_retry())
    execution_id = payments.start()
    worker.lambda_handler({"Records": [payments.request(execution_id)]}, None)
    assert payments.end(execution_id).status is InvocationStatus.FAILED  # and there is no redrive
    assert payments.notifications() == []


@pytest.mark.parametrize("rate", ["1", "0"])
def test_the_cost_is_of_as_many_operations_and_invocations(
    payments: Payments, monkeypatch: pytest.MonkeyPatch, rate: str
) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", rate)
    invocations = 0
    handler = payments.runner._invoker.handler

    def counted(*arguments: Any) -> Any:
        nonlocal invocations
        invocations += 1
        return handler(*arguments)

    monkeypatch.setattr(payments.runner._invoker, "handler", counted)
    execution_id = payments.start()
    worker.lambda_handler({"Records": [payments.request(execution_id)]}, None)
    operations = payments.end(execution_id).get_all_operations()
    assert (1 + len(operations), invocations) == (DURABLE_OPERATIONS, DURABLE_INVOCATIONS)  # 1: the execution itself
