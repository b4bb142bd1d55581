"""What follows a write to the table of orders: the workflow starts once, gets its link, and is answered as decided."""

import io
import json
import re
import time
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

import order_confirmer
import order_processor
import order_starter
from callbacks import executions
from orders import store
from orders.stream import NotAStreamEvent, RecordsFailed
from tests.unit.order_table import CONFIRMATION_ID, TOKEN, offered, waits
from tests.unit.support import CONTEXT, FakeStepFunctions, client_error, sample_event

MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:OrderConfirmation"

pytestmark = pytest.mark.usefixtures("table")


# ------------------------------------------------------------------ starting
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


STARTED = {"stateMachineArn": MACHINE_ARN, "name": "order-1", "input": '{"orderId": "order-1"}'}


def test_a_new_order_is_started_under_its_own_name(start: FakeStart) -> None:
    order_starter.lambda_handler(sample_event("order_starter/new_order"), CONTEXT)
    assert start.started == [STARTED]


def test_an_order_that_has_been_started_is_left_alone(start: FakeStart) -> None:
    order_starter.lambda_handler(sample_event("order_starter/order_in_process"), CONTEXT)
    start.errors.append(client_error("ExecutionAlreadyExists", "StartExecution"))
    order_starter.lambda_handler(sample_event("order_starter/new_order"), CONTEXT)
    assert start.started == []


@pytest.mark.parametrize(
    "error", [client_error("ThrottlingException", "StartExecution"), ConnectTimeoutError(endpoint_url="https://aws")]
)
def test_an_order_that_cannot_be_started_comes_again(start: FakeStart, error: Exception) -> None:
    start.errors.append(error)
    with pytest.raises(RecordsFailed, match="1 of 1 records"):
        order_starter.lambda_handler(sample_event("order_starter/new_order"), CONTEXT)


def test_a_bad_record_keeps_no_other_from_being_started(start: FakeStart) -> None:
    with pytest.raises(RecordsFailed, match="1 of 2 records"):
        order_starter.lambda_handler(sample_event("order_starter/batch_with_bad_record"), CONTEXT)
    assert start.started == [STARTED]


@pytest.mark.parametrize("handler", [order_starter.lambda_handler, order_confirmer.lambda_handler])
@pytest.mark.parametrize("event", [None, {}, {"Records": []}, {"Records": "text"}], ids=repr)
def test_an_event_of_something_else_is_refused(handler: Any, event: Any) -> None:
    with pytest.raises(NotAStreamEvent, match="it has no Records"):
        handler(event, CONTEXT)
    with pytest.raises(RecordsFailed):
        handler({"Records": [{"dynamodb": {"Keys": {}}}]}, CONTEXT)


# ------------------------------------------------------------------ the link
@pytest.fixture
def api_url(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ORDER_API_URL", "https://api.example/v1")
    return "https://api.example/v1"


def test_an_order_gets_an_unguessable_link_that_expires_with_the_wait(api_url: str) -> None:
    store.create("order-1", "2 books")
    links = set()
    for _ in range(2):
        processed = order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)
        link = re.fullmatch(rf"{api_url}/confirmations/([\w-]{{32}})", processed["link"])
        assert link
        assert "order-1" not in link[1]
        assert 86_390 < processed["expiresAt"] - time.time() <= 86_400
        order = store.find_by_confirmation(link[1])
        assert order
        assert (order.state, order.expires_at) == ("WAITING", processed["expiresAt"])
        links.add(link[1])
    assert len(links) == 2


def test_a_repeat_does_not_put_off_the_end(api_url: str) -> None:
    store.create("order-1", "2 books")
    first = store.offer_confirmation("order-1", CONFIRMATION_ID, int(time.time()) + 100)
    assert order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)["expiresAt"] == first


def test_an_order_that_is_not_there_is_not_processed(api_url: str, table: Any) -> None:
    with pytest.raises(store.UnknownOrder):
        order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)
    assert table.scan()["Items"] == []


@pytest.mark.parametrize(
    "event", [None, {}, {"orderId": "order-1"}, {"orderId": "order 1", "waitSeconds": 1}], ids=repr
)
def test_a_malformed_event_is_refused(event: Any) -> None:
    with pytest.raises(order_processor.InvalidRequest, match="The input must be like"):
        order_processor.lambda_handler(event, CONTEXT)


def test_a_link_is_not_logged(api_url: str, printed: io.StringIO) -> None:
    store.create("order-1", "2 books")
    link = order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)["link"]
    assert link[-32:] not in printed.getvalue()


# ------------------------------------------------------------------ the answer
def follow_up(sample: str = "decision") -> None:
    order_confirmer.lambda_handler(sample_event(f"order_confirmer/{sample}"), CONTEXT)


@pytest.mark.parametrize(("first", "second"), [("decision", "token"), ("token", "decision")])
def test_the_workflow_is_answered_when_both_are_there_whichever_comes_first(
    table: Any,
    step_functions: FakeStepFunctions,
    first: str,
    second: str,
) -> None:
    offered(table)
    for comes in (first, second):
        assert step_functions.calls == []
        if comes == "token":
            waits(table)
        else:
            store.decide("order-1", "confirm", "API")
        follow_up(comes)
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["taskToken"]) == ("success", TOKEN)
    assert json.loads(arguments["output"]).keys() == {"decidedAt", "decidedBy"}
    follow_up(first)
    assert len(step_functions.calls) == 1


def test_a_cancelled_order_fails_its_workflow(table: Any, step_functions: FakeStepFunctions) -> None:
    offered(table)
    waits(table)
    store.decide("order-1", "cancel", "API")
    follow_up()
    failure = {"taskToken": TOKEN, "error": "Order.Cancelled", "cause": "The order was cancelled."}
    assert step_functions.calls == [("failure", failure)]


def test_a_callback_that_fails_comes_again_and_a_new_token_too(
    table: Any,
    step_functions: FakeStepFunctions,
    printed: io.StringIO,
) -> None:
    offered(table)
    waits(table)
    store.decide("order-1", "confirm", "API")
    step_functions.errors.append(client_error("ThrottlingException"))
    with pytest.raises(RecordsFailed):
        follow_up()
    follow_up()
    waits(table, "ANOTHER-TASK-TOKEN")
    follow_up("token")
    assert [arguments["taskToken"] for _, arguments in step_functions.calls] == [TOKEN, TOKEN, "ANOTHER-TASK-TOKEN"]
    assert store.waiting_task("order-1") is None
    assert "TASK-TOKEN" not in printed.getvalue()


def test_a_token_that_is_settled_is_forgotten(table: Any, step_functions: FakeStepFunctions) -> None:
    offered(table)
    waits(table)
    store.decide("order-1", "confirm", "API")
    step_functions.settled.add(TOKEN)
    follow_up()
    assert store.waiting_task("order-1") is None


def test_a_token_that_came_meanwhile_is_not_forgotten(table: Any) -> None:
    offered(table)
    waits(table)
    answered = store.waiting_task("order-1")
    assert answered
    waits(table, "ANOTHER-TASK-TOKEN")
    store.forget_task("order-1", answered)
    assert store.waiting_task("order-1")
