"""Orders on a deployed stack, through the API and the page: decided once, whatever breaks, comes early or at once."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.given import Stacks
from tools.engine.rest import Answer, call, reachable
from tools.stack import Notifications, Stack, poll

MACHINE = "OrderConfirmationStateMachineArn"
STARTER, CONFIRMER = "OrderStarterFunctionName", "OrderConfirmerFunctionName"
CONFIRMED = ["ProcessOrder", "SendLink", "WaitForConfirmation", "CompleteOrder"]
CANCELLED = ["ProcessOrder", "SendLink", "WaitForConfirmation", "NotifyFailure", "OrderFailed"]


@dataclass(frozen=True)
class Api:
    """The API of a stack, for whoever has the key."""

    stack: Stack
    url: str
    key: str

    def open(self, order_id: str, details: str = "2 books") -> Answer:
        return call("POST", f"{self.url}/orders", key=self.key, body={"orderId": order_id, "orderDetails": details})

    def get(self, order_id: str) -> Any:
        return call("GET", f"{self.url}/orders/{order_id}", key=self.key).json

    def confirm(self, order_id: str, is_confirmed: object = True) -> Answer:
        url = f"{self.url}/orders/{order_id}/confirmation"
        return call("POST", url, key=self.key, body={"isConfirmed": is_confirmed})

    def execution_of(self, order_id: str) -> str:
        return f"{self.stack.outputs[MACHINE].replace(':stateMachine:', ':execution:')}:{order_id}"

    def waits(self, order_id: str, state: str = "WaitForConfirmation") -> str:
        """Returns the execution of an order when it waits and its token is stored."""
        execution_id = self.execution_of(order_id)

        def check() -> bool | None:
            return (self.token(order_id) and self.stack.states_entered(execution_id)[-1] == state) or None

        poll(f"wait of {order_id}", check)
        return execution_id

    def token(self, order_id: str) -> str | None:
        table = {"TableName": self.stack.outputs["OrderTableName"], "Key": {"pk": {"S": f"TOKEN#{order_id}"}}}
        item = self.stack.client("dynamodb").get_item(**table, ConsistentRead=True).get("Item")
        return str(item["taskToken"]["S"]) if item else None


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["order-confirmation"]


@pytest.fixture(scope="module")
def api(stack: Stack) -> Api:
    described = stack.client("apigateway").get_api_key(apiKey=stack.outputs["OrderApiKeyId"], includeValue=True)
    return Api(stack, reachable(stack.outputs["OrderApiUrl"], stack.endpoint_url), described["value"])


@pytest.fixture(scope="module")
def notifications(stack: Stack) -> Iterator[Notifications]:
    with Notifications(stack, "NotificationTestQueueUrl") as notifications:
        yield notifications


@pytest.fixture
def order_id() -> str:
    return f"order-{uuid4().hex[:12]}"


def published(notifications: Notifications, execution_id: str, outcome: str) -> list[dict[str, Any]]:
    """What was published of an execution with this outcome, once there is some."""

    def check() -> list[dict[str, Any]] | None:
        return [body for body in notifications.bodies(execution_id) if body["outcome"] == outcome] or None

    return poll(f"{outcome} of {execution_id}", check)


def link_to(api: Api, notifications: Notifications, execution_id: str) -> str:
    link: str = published(notifications, execution_id, "WAITING")[0]["link"]
    return reachable(link, api.stack.endpoint_url)


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.json.keys() == {"error"}
    return answer.status, answer.json["error"]["code"]


# ------------------------------------------------------------------ the ways of an order
def test_an_order_is_confirmed_and_its_end_is_notified_once(
    stack: Stack, api: Api, notifications: Notifications, order_id: str
) -> None:
    # Given
    opened = api.open(order_id)
    assert (opened.status, opened.headers["Location"]) == (202, f"./orders/{order_id}")
    execution_id = api.waits(order_id)
    waiting = api.get(order_id)
    assert (waiting["state"], waiting["decision"]) == ("WAITING", None)
    # When
    answer = api.confirm(order_id)
    # Then
    assert (answer.status, answer.json["state"]) == (200, "CONFIRMED")
    end = stack.ended(execution_id)
    body = {"outcome": "SUCCEEDED", "message": "Order confirmed.", "orderId": order_id, "executionId": execution_id}
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", body)
    assert stack.states_entered(execution_id) == CONFIRMED
    assert published(notifications, execution_id, "SUCCEEDED") == [body]
    assert len(published(notifications, execution_id, "WAITING")) == 1
    # And whatever comes later changes nothing
    assert api.confirm(order_id).json == answer.json == api.get(order_id)
    assert refusal(api.confirm(order_id, is_confirmed=False)) == (409, "AlreadyDecided")
    assert api.open(order_id).status == 202
    notifications.settle()
    assert len(published(notifications, execution_id, "SUCCEEDED")) == 1


def test_an_order_is_cancelled_on_its_page_which_opening_it_does_not(
    stack: Stack, api: Api, notifications: Notifications, order_id: str
) -> None:
    # Given
    api.open(order_id)
    execution_id = api.waits(order_id)
    link = link_to(api, notifications, execution_id)
    # When it is opened, and a form without a choice is posted
    opened = call("GET", link)
    assert (opened.status, "2 books" in opened.text) == (200, True)
    assert "frame-ancestors 'none'" in opened.headers["Content-Security-Policy"]
    assert call("POST", link, form={}).status == 422
    # Then nothing is decided
    assert api.get(order_id)["state"] == "WAITING"
    # When
    decided = call("POST", link, form={"decision": "cancel", "comment": "Ordered by mistake."})
    # Then
    assert (decided.status, "Ordered by mistake." in decided.text) == (200, True)
    end = stack.ended(execution_id)
    error = {"Error": "Order.Cancelled", "Cause": "The order was cancelled."}
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", *error.values())
    assert stack.states_entered(execution_id) == CANCELLED
    body = {"outcome": "FAILED", **error, "orderId": order_id, "executionId": execution_id}
    assert published(notifications, execution_id, "FAILED") == [body]
    decision = api.get(order_id)["decision"]
    assert decision.pop("decidedAt")
    assert decision == {"isConfirmed": False, "decidedBy": "confirmation link", "comment": "Ordered by mistake."}
    # And a repeat shows it, and its opposite turns nothing
    assert call("POST", link, form={"decision": "cancel"}).status == 200
    assert call("POST", link, form={"decision": "confirm"}).status == 409
    assert call("GET", link).status == 200


def test_an_order_that_nobody_decides_is_reminded_of_once_and_expires(
    stack: Stack, api: Api, notifications: Notifications, order_id: str
) -> None:
    with (
        stack.overdue(MACHINE, "WaitForConfirmation", TimeoutSeconds=1) as a_day_passes,
        stack.overdue(MACHINE, "WaitForDecision", TimeoutSeconds=1) as an_hour_passes,
    ):
        api.open(order_id)
        execution_id = api.execution_of(order_id)
        link = link_to(api, notifications, execution_id)
        # When
        a_day_passes()
        an_hour_passes()
    # Then
    end = stack.ended(execution_id)
    error = {"Error": "Order.Expired", "Cause": "Nobody decided in time."}
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", *error.values())
    last = ["SendReminder", "WaitForDecision", "DescribeFailure", "CloseOrder", "NotifyFailure", "OrderFailed"]
    assert stack.states_entered(execution_id) == ["ProcessOrder", "SendLink", "WaitForConfirmation", *last]
    [body] = published(notifications, execution_id, "FAILED")
    assert body.items() >= error.items()
    asked, reminded = published(notifications, execution_id, "WAITING")
    assert asked["link"] == reminded["link"]
    assert asked["message"] != reminded["message"]
    # And it can be decided no more, and nobody keeps its token
    poll("removal of the token", lambda: api.token(order_id) is None or None)
    assert api.get(order_id)["state"] == "EXPIRED"
    assert refusal(api.confirm(order_id)) == (410, "OrderExpired")
    assert call("GET", link).status == call("POST", link, form={"decision": "confirm"}).status == 410


def test_an_order_can_be_decided_after_the_reminder(stack: Stack, api: Api, order_id: str) -> None:
    with stack.overdue(MACHINE, "WaitForConfirmation", TimeoutSeconds=1) as a_day_passes:
        api.open(order_id)
        execution_id = api.execution_of(order_id)
        poll("order", lambda: api.get(order_id)["state"] == "WAITING" or None)
        a_day_passes()
    api.waits(order_id, "WaitForDecision")
    assert api.confirm(order_id).status == 200
    assert stack.ended(execution_id)["status"] == "SUCCEEDED"
    last = ["SendReminder", "WaitForDecision", "CompleteOrder"]
    assert stack.states_entered(execution_id) == ["ProcessOrder", "SendLink", "WaitForConfirmation", *last]


def test_an_order_that_somebody_stops_ends_and_decides_nothing(
    stack: Stack, api: Api, notifications: Notifications, order_id: str
) -> None:
    # Given
    api.open(order_id)
    execution_id = api.waits(order_id)
    link = link_to(api, notifications, execution_id)
    # When
    stack.stop(execution_id)
    # Then
    poll("end of the order", lambda: api.get(order_id)["state"] == "STOPPED" or None)
    assert api.token(order_id) is None
    assert refusal(api.confirm(order_id)) == (409, "OrderStopped")
    assert refusal(api.open(order_id)) == (409, "OrderStopped")
    opened, posted = call("GET", link), call("POST", link, form={"decision": "confirm"})
    assert (opened.status, posted.status) == (200, 409)
    assert "This order was stopped" in opened.text
    assert "This order was stopped" in posted.text
    assert api.get(order_id)["decision"] is None
    [body] = published(notifications, execution_id, "ABORTED")
    assert body.keys() == {"outcome", "Error", "Cause", "orderId", "executionId"}


def test_an_order_whose_workflow_is_stopped_in_its_first_step_ends(stack: Stack, api: Api, order_id: str) -> None:
    with stack.without_variable("OrderProcessorFunctionName", "ORDER_TABLE_NAME"):
        api.open(order_id)
        poll("execution", lambda: api.execution_of(order_id) in stack.executions(MACHINE) or None)
        stack.stop(api.execution_of(order_id))
        poll("end of the order", lambda: api.get(order_id)["state"] == "STOPPED" or None)
    assert refusal(api.confirm(order_id)) == (409, "OrderStopped")


def test_a_decision_whose_workflow_is_gone_is_reported(
    stack: Stack, api: Api, notifications: Notifications, order_id: str
) -> None:
    # Given a decision that the workflow does not hear of before it is stopped
    with stack.consumer_off(CONFIRMER):
        api.open(order_id)
        execution_id = api.waits(order_id)
        assert api.confirm(order_id).status == 200
        # When
        stack.stop(execution_id)
        # Then
        body, *_ = published(notifications, execution_id, "NOT_CARRIED_OUT")
    assert (body["decision"], body["orderId"]) == ("CONFIRMED", order_id)
    poll("line for the alarm", lambda: stack.log("decision not carried out") or None)
    poll("end of the order", lambda: api.get(order_id)["state"] == "STOPPED" or None)
    assert api.get(order_id)["decision"]["isConfirmed"]
    assert refusal(api.confirm(order_id)) == (409, "OrderStopped")


def redrive(stack: Stack, execution_id: str) -> None:
    stack.client("stepfunctions").redrive_execution(executionArn=execution_id)


def test_a_redrive_opens_a_stopped_order_again(
    stack: Stack, api: Api, notifications: Notifications, order_id: str
) -> None:
    # Given
    api.open(order_id)
    execution_id = api.waits(order_id)
    before = api.token(order_id)
    stack.stop(execution_id)
    poll("end of the order", lambda: api.get(order_id)["state"] == "STOPPED" or None)
    # When
    redrive(stack, execution_id)
    # Then
    poll("order", lambda: api.get(order_id)["state"] == "WAITING" or None)
    assert api.token(order_id) not in (None, before)
    assert api.confirm(order_id).status == 200
    assert stack.ended(execution_id)["status"] == "SUCCEEDED"
    assert len(published(notifications, execution_id, "SUCCEEDED")) == 1
    assert api.get(order_id)["state"] == "CONFIRMED"


def test_a_redrive_carries_out_the_decision_that_had_found_nobody(stack: Stack, api: Api, order_id: str) -> None:
    with stack.consumer_off(CONFIRMER):
        api.open(order_id)
        execution_id = api.waits(order_id)
        assert api.confirm(order_id, is_confirmed=False).status == 200
        stack.stop(execution_id)
        poll("end of the order", lambda: api.get(order_id)["state"] == "STOPPED" or None)
        redrive(stack, execution_id)
    end = stack.ended(execution_id)
    assert (end["status"], end["error"]) == ("FAILED", "Order.Cancelled")
    poll("order", lambda: api.get(order_id)["state"] == "CANCELLED" or None)
    poll("removal of the token", lambda: api.token(order_id) is None or None)


def test_an_execution_without_an_order_fails_and_says_why(stack: Stack, notifications: Notifications) -> None:
    odd = [{"orderId": "order 1"}, {"orderId": "\ud83d"}, {"orderId": "o" * 3_000}, {"__proto__": 1}, [], "text", None]
    inputs: list[Any] = [{"orderId": f"missing-{uuid4().hex[:8]}"}, *odd]
    executions = [stack.start(payload, MACHINE) for payload in inputs]
    for execution_id, payload, error in zip(
        executions, inputs, ["UnknownOrder", *["InvalidRequest"] * len(odd)], strict=True
    ):
        end = stack.ended(execution_id)
        assert (end["status"], end["error"]) == ("FAILED", error), payload
        [body] = published(notifications, execution_id, "FAILED")
        assert body["orderId"] == (payload.get("orderId") if error == "UnknownOrder" else None)


# ------------------------------------------------------------------ exactly once, whatever breaks
def test_of_100_contradictory_decisions_at_once_one_decides(stack: Stack, api: Api, order_id: str) -> None:
    # Given
    api.open(order_id)
    execution_id = api.waits(order_id)
    # When
    wanted = [number % 2 == 0 for number in range(100)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda is_confirmed: api.confirm(order_id, is_confirmed).status, wanted))
    # Then
    decided = api.get(order_id)["decision"]["isConfirmed"]
    assert answers == [200 if is_confirmed == decided else 409 for is_confirmed in wanted]
    assert stack.ended(execution_id)["status"] == ("SUCCEEDED" if decided else "FAILED")
    assert stack.states_entered(execution_id) == (CONFIRMED if decided else CANCELLED)
    types = Counter(event["type"] for event in stack.events(execution_id))
    assert types["TaskFailed"] == (0 if decided else 1)


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_decision_that_comes_before_the_workflow_waits_is_kept(
    stack: Stack, api: Api, order_id: str, is_confirmed: bool
) -> None:
    with stack.consumer_off(STARTER):
        api.open(order_id)
        assert api.confirm(order_id, is_confirmed).status == 200
    poll("execution", lambda: api.execution_of(order_id) in stack.executions(MACHINE) or None)
    end = stack.ended(api.execution_of(order_id))
    assert end["status"] == ("SUCCEEDED" if is_confirmed else "FAILED")


def test_a_decision_whose_callback_breaks_off_is_made_good(stack: Stack, api: Api, order_id: str) -> None:
    # Given a function that fails between decision and callback
    api.open(order_id)
    execution_id = api.waits(order_id)
    with stack.without_variable(CONFIRMER, "ORDER_TABLE_NAME"):
        # When
        assert api.confirm(order_id).status == 200
        poll("failure", lambda: stack.log("goes back to the stream") or None)
        assert stack.client("stepfunctions").describe_execution(executionArn=execution_id)["status"] == "RUNNING"
    # Then
    assert stack.ended(execution_id)["status"] == "SUCCEEDED"


def test_a_decision_whose_callback_is_lost_counts_when_the_order_would_expire(
    stack: Stack, api: Api, order_id: str
) -> None:
    with (
        stack.consumer_off(CONFIRMER),
        stack.overdue(MACHINE, "WaitForConfirmation", TimeoutSeconds=3) as a_day_passes,
        stack.overdue(MACHINE, "WaitForDecision", TimeoutSeconds=1) as an_hour_passes,
    ):
        api.open(order_id)
        execution_id = api.waits(order_id)
        assert api.confirm(order_id).status == 200
        a_day_passes()
        an_hour_passes()
        end = stack.ended(execution_id)
    assert end["status"] == "SUCCEEDED"
    last = ["DescribeFailure", "CloseOrder", "ReadDecision", "FollowDecision", "CompleteOrder"]
    assert stack.states_entered(execution_id)[-5:] == last
    assert api.get(order_id)["state"] == "CONFIRMED"


def test_an_order_whose_start_breaks_off_is_started_later(stack: Stack, api: Api, order_id: str) -> None:
    with stack.without_variable(STARTER, "ORDER_STATE_MACHINE_ARN"):
        assert api.open(order_id).status == 202
        poll("failure", lambda: stack.log("ORDER_STATE_MACHINE_ARN is missing") or None)
        assert api.get(order_id)["state"] == "PROCESSING"
    api.waits(order_id)


# ------------------------------------------------------------------ the other statuses
def test_what_the_api_refuses(api: Api, order_id: str) -> None:
    assert api.open(order_id).status == 202
    assert refusal(api.open(order_id, "3 books")) == (409, "OrderExists")
    assert refusal(api.open("order 1")) == (422, "InvalidRequest")
    assert refusal(call("POST", f"{api.url}/orders", key=api.key, body="not JSON")) == (422, "InvalidRequest")
    assert refusal(api.confirm(order_id, "yes")) == (422, "InvalidRequest")
    assert refusal(api.confirm(f"{order_id}-2")) == (404, "OrderUnknown")
    assert refusal(call("GET", f"{api.url}/orders/{order_id}-2", key=api.key)) == (404, "OrderUnknown")
    assert call("GET", f"{api.url}/confirmations/{'x' * 32}").status == 404


@pytest.mark.parametrize("key", [None, "not-a-key"])
def test_nothing_but_the_page_answers_without_the_key(api: Api, order_id: str, key: str | None) -> None:
    api.open(order_id)
    for method, path in (
        ("POST", "/orders"),
        ("GET", f"/orders/{order_id}"),
        ("POST", f"/orders/{order_id}/confirmation"),
    ):
        assert (
            call(method, f"{api.url}{path}", key=key, body={"isConfirmed": True} if method == "POST" else None).status
            == 403
        )
    assert api.get(order_id)["decision"] is None


def test_who_asks_too_often_has_to_wait(stack: Stack, api: Api, order_id: str) -> None:
    # Given a usage plan for one request in a second
    client = stack.client("apigateway")
    [plan] = client.get_usage_plans(keyId=stack.outputs["OrderApiKeyId"])["items"]
    before = plan["throttle"]

    def limit(rate: float, burst: int) -> None:
        operations = [
            {"op": "replace", "path": "/throttle/rateLimit", "value": str(rate)},
            {"op": "replace", "path": "/throttle/burstLimit", "value": str(burst)},
        ]
        client.update_usage_plan(usagePlanId=plan["id"], patchOperations=operations)

    limit(1, 1)
    try:
        # When
        poll("429", lambda: api.open(order_id).status == 429 or None)
    finally:
        limit(before["rateLimit"], before["burstLimit"])
    # Then it passes
    poll("202", lambda: api.open(order_id).status == 202 or None)


def test_a_script_of_another_origin_is_not_let_in(api: Api) -> None:
    answer = call("OPTIONS", f"{api.url}/orders", headers={"Origin": "https://elsewhere.example"})
    assert answer.status == 404
    assert "https://elsewhere.example" not in str(answer.headers)


def test_no_token_and_no_confirmation_id_is_logged(
    stack: Stack, api: Api, notifications: Notifications, order_id: str
) -> None:
    # Given
    api.open(order_id)
    execution_id = api.waits(order_id)
    link = link_to(api, notifications, execution_id)
    call("GET", link)
    token = api.token(order_id)
    assert token
    # When
    call("POST", link, form={"decision": "confirm"})
    stack.ended(execution_id)
    # Then
    poll("lines of processor and confirmer", lambda: len(stack.log(execution_id)) >= 2 or None)
    log = "\n".join(stack.log())
    for secret in (token, link[-32:], api.key):
        assert secret not in log
