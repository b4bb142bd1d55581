"""An order follows its execution, and its workflow is answered as the order was decided."""

import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import order_closer
import order_confirmer
from orders import store, workflow
from tests.unit.order_table import EXECUTION_ID, FUTURE, TOKEN, offered, settled, waits
from tests.unit.support import CONTEXT, FakeStepFunctions, client_error, failed_records, sample_event

FIRST = "100000000000000000001"  # SequenceNumber of the first record of each sample
pytestmark = pytest.mark.usefixtures("table")


# ------------------------------------------------------------------ how the execution stands
class Execution:
    """What Step Functions says of an execution, and SNS takes about it; `then` is done once it has been asked."""

    def __init__(self) -> None:
        self.status, self.error = "RUNNING", None
        self.then: list[Callable[[], None]] = []
        self.asked = 0
        self.published: list[dict[str, Any]] = []
        self.errors: list[Exception] = []

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803 - as AWS names it
        assert executionArn == EXECUTION_ID
        self.asked += 1
        answer = {"status": self.status, **({"error": self.error} if self.error else {})}
        if self.then:
            self.then.pop(0)()
        return answer

    def publish(self, **arguments: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        body = json.loads(arguments["Message"])
        assert arguments["MessageAttributes"]["outcome"]["StringValue"] == body["outcome"]
        self.published.append(body)


@pytest.fixture
def execution(monkeypatch: pytest.MonkeyPatch) -> Iterator[Execution]:
    fake = Execution()
    monkeypatch.setenv("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:topic")
    monkeypatch.setattr(workflow, "_stepfunctions", fake)
    monkeypatch.setattr(workflow, "_sns", lambda: fake)
    yield fake
    assert fake.then == []


def close(sample: str = "stopped") -> None:
    order_closer.lambda_handler(sample_event(f"order_closer/{sample}"), CONTEXT)


def state_of(order_id: str = "order-1") -> str:
    order = store.find(order_id)
    assert order
    return order.state


# How it ended, with which error, how the order was settled: how the order then stands
ENDS = [
    ("ABORTED", None, None, "STOPPED"),
    ("ABORTED", None, "CONFIRMED", "STOPPED"),
    ("ABORTED", None, "CANCELLED", "STOPPED"),
    ("ABORTED", None, "EXPIRED", "EXPIRED"),
    ("TIMED_OUT", None, None, "FAILED"),
    ("FAILED", "SNS.NotFoundException", None, "FAILED"),
    ("FAILED", "SNS.NotFoundException", "CONFIRMED", "FAILED"),
    ("FAILED", "Order.Cancelled", "CANCELLED", "CANCELLED"),
    ("FAILED", "Order.Cancelled", None, "FAILED"),
    ("FAILED", "Order.Expired", "EXPIRED", "EXPIRED"),
    ("FAILED", "Order.Expired", "CONFIRMED", "FAILED"),
    ("FAILED", "Any", "FAILED", "FAILED"),
    ("SUCCEEDED", None, "CONFIRMED", "CONFIRMED"),
]


@pytest.mark.parametrize(("status", "error", "how", "state"), ENDS)
def test_an_order_ends_with_its_execution_and_the_token_that_nobody_answered_goes(
    table: Any, execution: Execution, printed: io.StringIO, status: str, error: Any, how: Any, state: str
) -> None:
    offered(table)
    waits(table)
    if how:
        settled(table, how)
    execution.status, execution.error = status, error
    for _ in range(2):
        close()
    assert state_of() == state
    decided = how in ("CONFIRMED", "CANCELLED")
    lost = decided and state != how
    assert bool(store.waiting_task("order-1")) == (decided and not lost)  # or else the confirmer removes it
    assert [(body["outcome"], body["decision"]) for body in execution.published] == [("NOT_CARRIED_OUT", how)] * lost
    assert ("decision not carried out" in printed.getvalue()) == lost


def test_an_order_that_is_stopped_in_its_first_step_ends(table: Any, execution: Execution) -> None:
    store.create("order-1", "2 books")
    execution.status = "ABORTED"
    close()
    assert state_of() == "STOPPED"


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE", "SUCCEEDED"])
def test_an_event_that_is_out_of_date_ends_nothing(table: Any, execution: Execution, status: str) -> None:
    offered(table)
    waits(table)
    execution.status = status
    close()
    assert state_of() == "WAITING"
    assert bool(store.waiting_task("order-1")) == (status != "SUCCEEDED")


def test_a_redrive_while_the_order_is_closed_leaves_it_open(table: Any, execution: Execution) -> None:
    offered(table)
    waits(table)

    def redrive() -> None:
        execution.status = "RUNNING"
        waits(table, "ANOTHER-TASK-TOKEN")

    execution.status, execution.then = "ABORTED", [redrive]
    close()
    assert state_of() == "WAITING"
    task = store.waiting_task("order-1")
    assert task
    assert task.task_token == "ANOTHER-TASK-TOKEN"


def test_a_stop_while_the_order_is_opened_closes_it_again(table: Any, execution: Execution) -> None:
    offered(table)
    waits(table)
    store.end(store.find("order-1"), "STOPPED")  # type: ignore[arg-type]

    def stop() -> None:
        execution.status = "ABORTED"

    execution.then = [stop]
    close()
    assert state_of() == "STOPPED"


def test_a_decision_while_the_order_is_closed_is_reported(table: Any, execution: Execution) -> None:
    offered(table)
    execution.status, find = "ABORTED", store.find

    def decide_behind(order_id: str) -> Any:
        order = find(order_id)
        if order and not order.settled:
            store.decide(order_id, "CONFIRMED", "API")
        return order

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "find", decide_behind)
        close()
    assert state_of() == "STOPPED"
    [body] = execution.published
    assert body.pop("message")
    ids = {"orderId": "order-1", "executionId": EXECUTION_ID}
    assert body == {"outcome": "NOT_CARRIED_OUT", "decision": "CONFIRMED", **ids}


def test_a_report_that_fails_comes_again(table: Any, execution: Execution) -> None:
    offered(table)
    store.decide("order-1", "CONFIRMED", "API")
    execution.status, execution.errors = "ABORTED", [client_error("ThrottlingException", "Publish")]
    with pytest.raises(workflow.AwsUnavailable):
        close()
    assert state_of() == "CONFIRMED"
    close()
    assert (state_of(), len(execution.published)) == ("STOPPED", 1)


@pytest.mark.parametrize(("status", "follows"), [("FAILED", "closer"), ("SUCCEEDED", "confirmer")])
def test_the_token_of_an_order_that_somebody_deleted_goes_with_its_execution(
    table: Any, execution: Execution, status: str, follows: str
) -> None:
    offered(table)
    waits(table)
    table.delete_item(Key={"pk": "ORDER#order-1"})
    execution.status = "RUNNING"
    follow_up("token")
    assert store.waiting_task("order-1")
    execution.status = status
    if follows == "closer":
        close()
    else:
        assert follow_up("token") == []
    assert store.waiting_task("order-1") is None
    assert store.find("order-1") is None


def test_another_execution_of_the_order_does_not_end_it(table: Any, execution: Execution) -> None:
    offered(table)
    waits(table, execution_id=EXECUTION_ID.replace(":order-1", ":by-hand"))
    execution.status = "ABORTED"
    close()
    assert (state_of(), execution.asked) == ("WAITING", 0)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"orderId": "order 1"}', '{"orderId": 1}', "7", None], ids=repr)
def test_the_end_of_an_execution_without_an_order_closes_none(table: Any, execution: Execution, text: Any) -> None:
    close("no_order")
    event = sample_event("order_closer/stopped")
    event["detail"]["input"] = text
    order_closer.lambda_handler(event, CONTEXT)
    assert execution.asked == 0
    close()  # of an order that is not in the table
    assert table.scan()["Items"] == []


@pytest.mark.parametrize("event", [None, {}, {"detail": {"executionArn": "arn", "input": "{}"}}], ids=repr)
def test_an_event_that_is_not_about_an_execution_is_refused(event: Any) -> None:
    for each in (event, sample_event("order_closer/malformed")):
        with pytest.raises(order_closer.NotAStatusEvent):
            order_closer.lambda_handler(each, CONTEXT)


@pytest.mark.parametrize(("how", "expires_at"), [("STOPPED", FUTURE), ("FAILED", FUTURE)])
def test_a_redrive_opens_the_order_again_for_as_long_as_it_waits(
    table: Any, execution: Execution, step_functions: FakeStepFunctions, how: str, expires_at: int
) -> None:
    offered(table, expires_at=int(time.time()) - 1)
    store.end(store.find("order-1"), how)  # type: ignore[arg-type]
    waits(table, expires_at=expires_at)
    follow_up("token")
    order = store.find("order-1")
    assert order
    assert (order.state, order.expires_at) == ("WAITING", expires_at)
    store.decide("order-1", "CONFIRMED", "API")
    follow_up("decision")
    assert step_functions.answers(TOKEN) == ["success"]


def test_a_redrive_after_the_order_would_have_expired_gives_people_time_again(table: Any, execution: Execution) -> None:
    offered(table, expires_at=int(time.time()) - 1)
    store.end(store.find("order-1"), "STOPPED")  # type: ignore[arg-type]
    close()  # whose event comes before the new token
    assert state_of() == "EXPIRED"
    waits(table)
    follow_up("token")
    assert state_of() == "WAITING"


def test_a_redrive_before_the_stop_is_noted_gives_people_time_again(table: Any, execution: Execution) -> None:
    offered(table, expires_at=int(time.time()) + 100)
    waits(table)
    follow_up("token")
    order = store.find("order-1")
    assert order
    assert (order.state, order.expires_at) == ("WAITING", FUTURE)


def test_a_token_whose_time_is_over_opens_nothing(table: Any, execution: Execution) -> None:
    offered(table, expires_at=int(time.time()) - 1)
    waits(table, expires_at=int(time.time()) - 1)
    follow_up("token")
    assert state_of() == "EXPIRED"


def test_a_redrive_carries_out_the_decision_that_had_found_nobody(
    table: Any, execution: Execution, step_functions: FakeStepFunctions
) -> None:
    offered(table)
    store.decide("order-1", "CANCELLED", "API")
    store.end(store.find("order-1"), "STOPPED")  # type: ignore[arg-type]
    waits(table)
    follow_up("token")
    assert step_functions.answers(TOKEN) == ["failure"]
    assert state_of() == "CANCELLED"


def test_a_redrive_that_succeeds_leaves_the_order_as_decided(table: Any, execution: Execution) -> None:
    offered(table)
    settled(table, "CONFIRMED")
    store.end(store.find("order-1"), "FAILED")  # type: ignore[arg-type]
    execution.status = "SUCCEEDED"
    close()
    assert state_of() == "CONFIRMED"


def test_a_decision_that_finds_nobody_waiting_is_reported(
    table: Any, execution: Execution, step_functions: FakeStepFunctions
) -> None:
    offered(table)
    waits(table)
    store.decide("order-1", "CONFIRMED", "API")
    step_functions.settled.add(TOKEN)
    execution.status = "ABORTED"
    follow_up()
    assert state_of() == "STOPPED"
    assert [body["outcome"] for body in execution.published] == ["NOT_CARRIED_OUT"]
    assert store.waiting_task("order-1") is None


def test_a_decision_between_two_waits_is_not_reported(
    table: Any, execution: Execution, step_functions: FakeStepFunctions
) -> None:
    offered(table)
    waits(table)
    store.decide("order-1", "CONFIRMED", "API")
    step_functions.settled.add(TOKEN)  # its wait has timed out, and the next one is to come
    follow_up()
    waits(table, "ANOTHER-TASK-TOKEN")
    follow_up("token")
    assert step_functions.answers("ANOTHER-TASK-TOKEN") == ["success"]
    assert (state_of(), execution.published) == ("CONFIRMED", [])


# ------------------------------------------------------------------ the answer
def follow_up(sample: str = "decision") -> list[str]:
    return failed_records(order_confirmer.lambda_handler(sample_event(f"order_confirmer/{sample}"), CONTEXT))


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
            store.decide("order-1", "CONFIRMED", "API")
        follow_up(comes)
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["taskToken"]) == ("success", TOKEN)
    assert json.loads(arguments["output"]).keys() == {"decidedAt", "decidedBy"}
    follow_up(first)
    assert len(step_functions.calls) == 1


def test_a_cancelled_order_fails_its_workflow(table: Any, step_functions: FakeStepFunctions) -> None:
    offered(table)
    waits(table)
    store.decide("order-1", "CANCELLED", "API")
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
    store.decide("order-1", "CONFIRMED", "API")
    step_functions.errors.append(client_error("ThrottlingException"))
    assert follow_up() == [FIRST]
    assert follow_up() == []
    waits(table, "ANOTHER-TASK-TOKEN")
    follow_up("token")
    assert [arguments["taskToken"] for _, arguments in step_functions.calls] == [TOKEN, TOKEN, "ANOTHER-TASK-TOKEN"]
    assert store.waiting_task("order-1") is None
    assert "TASK-TOKEN" not in printed.getvalue()


def test_a_token_that_is_settled_is_forgotten(
    table: Any, step_functions: FakeStepFunctions, execution: Execution
) -> None:
    execution.status = "SUCCEEDED"
    offered(table)
    waits(table)
    store.decide("order-1", "CONFIRMED", "API")
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
