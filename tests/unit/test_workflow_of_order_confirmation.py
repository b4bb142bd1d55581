"""The state machine of the order confirmation, played over every answer, and its template as data."""

import json
import time

import pytest

from tests.unit.state_machine import (
    EXECUTION_ID,
    TOKEN,
    Execution,
    Failure,
    Fields,
    Json,
    play,
)
from tests.unit.workflows import (
    CAUSES,
    CONFIRMATION,
    NO_CAUSE,
    resources,
)

OFFERED = {"link": "https://api.example/v1/confirmations/an-id", "expiresAt": 1795255200}
TO_CONFIRM = {"orderId": "order-1"}
TIMEOUT = Failure({"Error": "States.Timeout", "Cause": ""})
CANCEL = Failure({"Error": "Order.Cancelled", "Cause": "The order was cancelled."})
SETTLED = Failure({"Error": "DynamoDB.ConditionalCheckFailedException", "Cause": "The conditional request failed"})
TO_FAILED = ["NotifyFailure", "OrderFailed"]
ASKED_TWICE = ["ProcessOrder", "SendLink", "WaitForConfirmation", "SendReminder", "WaitForDecision"]


def confirmation(payload: Json = TO_CONFIRM, **results: Json | Failure) -> Execution:
    return play(CONFIRMATION, payload, {"decidedBy": "API"}, OFFERED, results)


def ends(execution: Execution) -> list[Fields]:
    """What it published of its end: neither link nor reminder."""
    bodies = [(json.loads(each["Message"]), each) for each in execution.published]
    for body, each in bodies:
        outcome = body["outcome"] if "outcome" in body else json.loads(body["default"])["outcome"]
        assert each["MessageAttributes"]["outcome"]["StringValue"] == outcome
    return [body for body, _ in bodies if "outcome" in body]


@pytest.mark.parametrize(
    ("results", "path"),
    [
        ({}, ["ProcessOrder", "SendLink", "WaitForConfirmation"]),
        ({"WaitForConfirmation": TIMEOUT}, ASKED_TWICE),
        ({"WaitForConfirmation": TIMEOUT, "SendReminder": TIMEOUT}, ASKED_TWICE),
    ],
    ids=["at once", "after the reminder", "after a reminder that fails"],
)
def test_an_order_that_is_confirmed_ends_with_what_it_publishes(results: Json, path: list[str]) -> None:
    execution = confirmation(**results)
    assert execution.entered == [*path, "CompleteOrder"]
    expected = {"outcome": "SUCCEEDED", "message": "Order confirmed.", **TO_CONFIRM, "executionId": EXECUTION_ID}
    assert ends(execution) == [expected]
    assert execution.output == expected


@pytest.mark.parametrize(
    "results", [{"WaitForConfirmation": CANCEL}, {"WaitForConfirmation": TIMEOUT, "WaitForDecision": CANCEL}]
)
def test_an_order_that_is_cancelled_fails_as_such(results: Json) -> None:
    execution = confirmation(**results)
    assert execution.entered[-2:] == TO_FAILED
    assert "CloseOrder" not in execution.entered
    assert execution.failure == CANCEL.output
    assert ends(execution) == [{"outcome": "FAILED", **CANCEL.output, **TO_CONFIRM, "executionId": EXECUTION_ID}]


def test_an_order_that_nobody_decides_is_closed_and_expires() -> None:
    execution = confirmation(WaitForConfirmation=TIMEOUT, WaitForDecision=TIMEOUT)
    assert execution.entered == [*ASKED_TWICE, "DescribeFailure", "CloseOrder", *TO_FAILED]
    assert execution.failure == {"Error": "Order.Expired", "Cause": "Nobody decided in time."}
    close = execution.sent[-1]
    assert close["Key"] == {"pk": {"S": "ORDER#order-1"}}
    assert close["ExpressionAttributeValues"] == {":closing": {"S": "EXPIRED"}}
    assert "attribute_not_exists(settled)" in close["ConditionExpression"]


@pytest.mark.parametrize(
    ("settled", "error"),
    [
        ({"settled": {"S": "CONFIRMED"}}, None),
        ({"settled": {"S": "CANCELLED"}}, "Order.Cancelled"),
        ({"settled": {"S": "EXPIRED"}}, "Order.Expired"),
        ({}, "Order.Expired"),
    ],
)
def test_a_decision_whose_callback_was_lost_counts_when_the_order_would_expire(
    settled: Fields, error: str | None
) -> None:
    results = {"CloseOrder": SETTLED, "ReadDecision": {"Item": settled}}
    execution = confirmation(WaitForConfirmation=TIMEOUT, WaitForDecision=TIMEOUT, **results)
    path = ["CloseOrder", "ReadDecision", "FollowDecision", *(TO_FAILED if error else ["CompleteOrder"])]
    assert execution.entered == [*ASKED_TWICE, "DescribeFailure", *path]
    [end] = ends(execution)
    assert (end.get("Error"), execution.failure and execution.failure["Error"]) == (error, error)


@pytest.mark.parametrize("state", ["ProcessOrder", "WaitForConfirmation", "WaitForDecision"])
@pytest.mark.parametrize(
    ("error", "named"),
    [
        ("Lambda.Unknown", "Callback.Unknown"),
        ("DynamoDb.ThrottlingException", "Callback.ThrottlingException"),
        ("Runtime.ExitError", "Callback.ExitError"),
        ("States.DataLimitExceeded", "Callback.DataLimitExceeded"),
        ("States." + "x" * 249, "Callback." + "x" * 247),
        ("Shop.Closed", "Shop.Closed"),
        ("half \ud83d, none \uffff", "half \ufffd, none \ufffd"),
        ("", "Callback.Failed"),
        (None, "Callback.Failed"),
    ],
)
def test_an_order_whose_machinery_fails_is_closed_and_fails(state: str, error: str | None, named: str) -> None:
    before = {"WaitForConfirmation": TIMEOUT} if state == "WaitForDecision" else {}
    for cause, shown in (
        ({"Cause": "why"}, "why"),
        ({"Cause": "\ud83d 😀"}, "\ufffd 😀"),
        *((c, NO_CAUSE) for c in CAUSES),
    ):
        execution = confirmation(**before, **{state: Failure({"Error": error, **cause})})
        assert execution.entered[-4:] == ["DescribeFailure", "CloseOrder", *TO_FAILED]
        assert execution.failure == {"Error": named, "Cause": shown}
        assert ends(execution) == [
            {"outcome": "FAILED", **execution.failure, **TO_CONFIRM, "executionId": EXECUTION_ID}
        ]
        assert execution.sent[-1]["ExpressionAttributeValues"] == {":closing": {"S": "FAILED"}}


ODD_TEXTS: list[Json] = ["", "order 1", "order-1\n", "\ud83d", "\uffff", "😀", "o" * 65]


@pytest.mark.parametrize("error", ["InvalidRequest", "UnknownOrder", "AlreadySettled"])
@pytest.mark.parametrize(
    "payload",
    [
        {},
        7,
        [],
        [TO_CONFIRM],
        "text",
        None,
        *({"orderId": odd} for odd in (*ODD_TEXTS, 7, None, [], ["order-1"], {})),
        {"orderId": "o" * 262_129},
        {"orderId": "\0" * 43_000},
        {"__proto__": {"orderId": "order-1"}},
        TO_CONFIRM,
    ],
    ids=lambda payload: repr(payload)[:40],
)
def test_an_order_that_is_refused_goes_straight_to_its_notification(payload: Json, error: str) -> None:
    refused = Failure({"Error": error, "Cause": "why"})
    execution = confirmation(payload, ProcessOrder=refused)
    assert execution.entered == ["ProcessOrder", *TO_FAILED]
    [end] = ends(execution)
    assert end["orderId"] == ("order-1" if payload == TO_CONFIRM else None)
    assert execution.failure == refused.output
    assert execution.sent[0]["Payload"]["orderId"] == (end["orderId"] or "")


@pytest.mark.parametrize(
    "payload", [{}, 7, {"orderId": "\ud83d"}, {"orderId": "o" * 262_129}], ids=lambda it: repr(it)[:40]
)
def test_a_failure_of_the_machinery_closes_no_order_where_there_is_none(payload: Json) -> None:
    broken = Failure({"Error": "Lambda.Unknown", "Cause": "why"})
    execution = confirmation(payload, ProcessOrder=broken, CloseOrder=SETTLED, ReadDecision={})
    assert execution.sent[1]["Key"] == {"pk": {"S": "ORDER#"}}
    assert ends(execution)[0]["orderId"] is None


@pytest.mark.parametrize("name", CONFIRMATION["States"])
def test_what_is_invalid_in_itself_is_tried_once(name: str) -> None:
    state = CONFIRMATION["States"][name]
    if not state.get("Retry"):
        return
    never, *_ = state["Retry"]
    assert never["MaxAttempts"] == 0
    for integration, error in (
        ("sns:", "SNS.InvalidParameterException"),
        (":dynamodb:putItem.", "DynamoDb.ValidationException"),
        (":::dynamodb:", "DynamoDB.ValidationException"),
        ("lambda:", "InvalidRequest"),
    ):
        if integration in state["Resource"]:
            assert error in never["ErrorEquals"]


def test_an_order_can_be_decided_as_long_as_its_waits_last_with_a_reminder_before() -> None:
    waits = [CONFIRMATION["States"][name]["TimeoutSeconds"] for name in ("WaitForConfirmation", "WaitForDecision")]
    assert sum(waits) == CONFIRMATION["States"]["ProcessOrder"]["Arguments"]["Payload"]["waitSeconds"]
    assert waits[1] == 3600


def test_a_link_is_sent_to_people_without_a_token() -> None:
    sent = json.loads(confirmation().published[0]["Message"])
    expected = {"outcome": "WAITING", "message": "Please confirm or cancel this order.", **OFFERED, **TO_CONFIRM}
    assert json.loads(sent["default"]) == {**expected, "executionId": EXECUTION_ID}
    assert sent["email"] == f"Please confirm or cancel this order. Order order-1: {OFFERED['link']} "
    assert TOKEN not in str(sent)


@pytest.mark.parametrize(("results", "left"), [({}, 86_400), ({"WaitForConfirmation": TIMEOUT}, 3_600)])
def test_a_token_is_stored_with_how_long_its_order_can_be_decided(results: Json, left: int) -> None:
    stored = confirmation(**results).sent[-1]
    expires_at, remove_at = (int(stored["Item"].pop(name)["N"]) for name in ("expiresAt", "removeAt"))
    assert stored["Item"] == {
        "pk": {"S": "TOKEN#order-1"},
        "orderId": {"S": "order-1"},
        "taskToken": {"S": TOKEN},
        "executionId": {"S": EXECUTION_ID},
    }
    assert abs(expires_at - time.time() - left) < 60
    assert remove_at == expires_at + 86_400


@pytest.mark.parametrize("function", ["OrderStarterFunction", "OrderConfirmerFunction"])
def test_what_the_stream_gives_up_is_kept_for_a_person(function: str) -> None:
    [event] = resources("templates/order-confirmation.yaml", "AWS::Serverless::Function")[function]["Events"].values()
    stream = event["Properties"]
    assert stream["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["UndeliveredRecordQueue", "Arn"]}
    assert stream["MaximumRetryAttempts"] > 0
    assert 0 < stream["MaximumRecordAgeInSeconds"] < 86_400  # when a stream forgets
    assert stream["BisectBatchOnFunctionError"]
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["StartingPosition"] == "TRIM_HORIZON"


def test_ends_and_redrives_of_executions_reach_the_closer_or_are_kept_for_a_person() -> None:
    closer = resources("templates/order-confirmation.yaml", "AWS::Serverless::Function")["OrderCloserFunction"]
    rule = closer["Events"]["ExecutionEnded"]["Properties"]
    assert rule["Pattern"]["detail"] == {
        "stateMachineArn": [{"Ref": "OrderConfirmationStateMachine"}],
        "$or": [{"status": ["ABORTED", "FAILED", "TIMED_OUT"]}, {"redriveCount": [{"numeric": [">", 0]}]}],
    }
    queue = {"Fn::GetAtt": ["UndeliveredRecordQueue", "Arn"]}
    assert rule["DeadLetterConfig"] == {"Arn": queue}
    assert closer["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"] == queue
