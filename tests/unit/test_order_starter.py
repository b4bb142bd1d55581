"""Each new order starts its workflow once."""

import io
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

import order_confirmer
import order_starter
from callbacks import executions
from callbacks.settings import ConfigurationError
from orders.stream import NotAStreamEvent
from tests.unit.support import CONTEXT, client_error, failed_records, sample_event

MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:OrderConfirmation"

pytestmark = pytest.mark.usefixtures("table")


class FakeStart:
    """Takes the calls of start_execution; `errors` are raised by the next of them, in order."""

    def __init__(self) -> None:
        self.started: list[dict[str, str]] = []
        self.errors: list[Exception] = []

    def start_execution(self, **arguments: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.started.append(arguments)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> FakeStart:
    fake = FakeStart()
    monkeypatch.setattr(executions, "_stepfunctions", fake)
    monkeypatch.setenv("ORDER_STATE_MACHINE_ARN", MACHINE_ARN)
    return fake


FIRST = "100000000000000000001"  # SequenceNumber of the first record of each sample


STARTED = {"stateMachineArn": MACHINE_ARN, "name": "order-1", "input": '{"orderId": "order-1"}'}


def test_a_new_order_is_started_under_its_own_name(start: FakeStart) -> None:
    order_starter.lambda_handler(sample_event("order_starter/new_order"), CONTEXT)
    assert start.started == [STARTED]


def test_an_order_that_has_been_started_is_left_alone(start: FakeStart) -> None:
    order_starter.lambda_handler(sample_event("order_starter/order_in_process"), CONTEXT)
    stopped = sample_event("order_starter/new_order")
    stopped["Records"][0]["dynamodb"]["NewImage"]["ended"] = {"S": "STOPPED"}
    order_starter.lambda_handler(stopped, CONTEXT)
    assert start.started == []
    start.errors.append(client_error("ExecutionAlreadyExists", "StartExecution"))
    order_starter.lambda_handler(sample_event("order_starter/new_order"), CONTEXT)
    assert start.started == []


@pytest.mark.parametrize(
    "error", [client_error("ThrottlingException", "StartExecution"), ConnectTimeoutError(endpoint_url="https://aws")]
)
def test_an_order_that_cannot_be_started_comes_again(start: FakeStart, error: Exception) -> None:
    start.errors.append(error)
    assert failed_records(order_starter.lambda_handler(sample_event("order_starter/new_order"), CONTEXT)) == [FIRST]


def test_a_bad_record_keeps_no_other_from_being_started(start: FakeStart) -> None:
    answer = order_starter.lambda_handler(sample_event("order_starter/batch_with_bad_record"), CONTEXT)
    assert failed_records(answer) == [FIRST]
    assert start.started == [STARTED]


def test_what_is_wrong_with_the_function_itself_fails_it_after_every_record(
    start: FakeStart, monkeypatch: pytest.MonkeyPatch, printed: io.StringIO
) -> None:
    monkeypatch.delenv("ORDER_STATE_MACHINE_ARN")
    with pytest.raises(ConfigurationError):
        order_starter.lambda_handler(sample_event("order_starter/batch_with_bad_record"), CONTEXT)
    assert printed.getvalue().count("record goes back to the stream") == 2


@pytest.mark.parametrize("handler", [order_starter.lambda_handler, order_confirmer.lambda_handler])
@pytest.mark.parametrize("event", [None, {}, {"Records": []}, {"Records": "text"}], ids=repr)
def test_an_event_of_something_else_is_refused(handler: Any, event: Any) -> None:
    with pytest.raises(NotAStreamEvent, match="it has no Records"):
        handler(event, CONTEXT)
    with pytest.raises(NotAStreamEvent, match="a record has no SequenceNumber"):
        handler({"Records": [{"dynamodb": {"Keys": {}}}]}, CONTEXT)
