"""The workflows keep their contracts word by word: state machines played over every answer, templates as data.

The message attribute of a notification, the alarms and the rule on stopped executions have no other proof, or a partial
one: the embedded AWS drops attributes, and has no state machine logs.
"""

import json
import re
import time
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

import pytest

from tests.unit.state_machine import (
    BARE_FAILURE,
    EXECUTION_ID,
    MISSED_HEARTBEAT,
    PROJECT,
    TIMED_OUT,
    TOKEN,
    TOO_LARGE,
    Execution,
    Failure,
    Fields,
    Json,
    evaluate,
    play,
    read_definition,
    read_example,
    read_template,
)

PAYMENT, ASYNC_API, MANUAL, EXCHANGE, CONFIRMATION = (
    read_definition(name)
    for name in ("payment_callback", "async_api", "manual_callback", "file_exchange", "order_confirmation")
)
TEMPLATES = {
    name: read_template(name)
    for name in (
        "template.yaml",
        "templates/manual-callback.yaml",
        "templates/async-api.yaml",
        "templates/file-exchange.yaml",
        "templates/order-confirmation.yaml",
    )
}
ORDER: Fields = json.loads((PROJECT / "events/payment_callback/order.json").read_text())
REQUEST: Fields = json.loads((PROJECT / "events/async_api/success.json").read_text())

PAID = "Payment processed successfully."
DECLINED = {"Error": "Failed to process payment", "Cause": "Invalid Credit Card"}

# A bare SendTaskFailure gives null for both, AWS "" or nothing where it has nothing to say
CAUSES: list[Fields] = [{"Cause": ""}, {"Cause": None}, {}]
NO_CAUSE = "No cause was given."
ERRORS = {
    "SQS.KmsThrottledException": "Callback.KmsThrottledException",
    "States.Permissions": "Callback.Permissions",
    "Payment.InvalidRequest": "Payment.InvalidRequest",
    "Failed to process payment": "Failed to process payment",
    "": "Callback.Failed",
    None: "Callback.Failed",
}
TOO_LONG = "The input or the answer is larger than the 262,144 bytes that a state may have."


def resources(template: str, kind: str) -> dict[str, Fields]:
    """The properties of every resource of a type, by logical ID."""
    found = TEMPLATES[template]["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}


# ------------------------------------------------------------------ what is sent, and published of an end
@pytest.mark.parametrize("payload", [ORDER, {}, [1], "text", None], ids=repr)
def test_request_holds_token_payload_and_execution(payload: Json) -> None:
    for definition in (PAYMENT, ASYNC_API):
        [sent] = play(definition, payload, Failure(DECLINED)).sent
        assert sent["MessageBody"] == {"taskToken": TOKEN, "payload": payload, "executionId": EXECUTION_ID}
    [sent] = play(MANUAL, payload, "done").sent
    assert sent["MessageBody"] == {"token": TOKEN, "input": payload, "executionId": EXECUTION_ID}


def test_an_api_call_that_succeeds_has_the_response_as_its_output() -> None:
    response = {"status": 200, "message": "The request was processed."}
    execution = play(ASYNC_API, REQUEST, response)
    assert execution.entered == ["CallAsyncApi", "CheckResponseStatus", "NotifySuccess"]
    body = {"outcome": "SUCCEEDED", "message": "API Executed Successfully", "executionId": EXECUTION_ID}
    assert (execution.output, execution.notification) == (response, body)


# ------------------------------------------------------------------ a file exchange
ASKED: Fields = {"uuid": "3b412a43-2986-5a1d-9119-cf193fd96cd6", "info": None}


@pytest.mark.parametrize("content", [{"status": "done"}, [1], "text", None, [], {}, False], ids=repr)
def test_a_file_exchange_has_the_content_as_output_and_not_in_its_notification(content: Json) -> None:
    execution = play(EXCHANGE, {"info": "x"}, content, ASKED)
    assert execution.entered == ["ProcessRequest", "WaitForResponse", "NotifySuccess"]
    ids = {"uuid": ASKED["uuid"], "executionId": EXECUTION_ID}
    assert execution.notification == {"outcome": "SUCCEEDED", "message": "The partner has answered.", **ids}
    assert execution.output == content


def test_a_file_exchange_asks_by_what_the_processor_made_and_says_how_long_it_waits() -> None:
    made, waited = play(EXCHANGE, {"failTimes": 1}, "done", ASKED).sent
    assert made["Payload"] == {"input": {"failTimes": 1}, "executionId": EXECUTION_ID, "retryCount": 0}
    wait = EXCHANGE["States"]["WaitForResponse"]
    patience = {"timeoutSeconds": wait["TimeoutSeconds"], "heartbeatSeconds": wait["HeartbeatSeconds"]}
    payload = {**ASKED, **patience}
    assert waited["MessageBody"] == {"taskToken": TOKEN, "payload": payload, "executionId": EXECUTION_ID}


def test_a_request_is_processed_three_times_at_most_and_one_that_is_invalid_once() -> None:
    invalid, others = EXCHANGE["States"]["ProcessRequest"]["Retry"]
    assert (invalid["ErrorEquals"], invalid["MaxAttempts"]) == (["InvalidRequest"], 0)
    assert others["ErrorEquals"] == ["States.TaskFailed", "States.Timeout"]
    assert (others["MaxAttempts"], others["BackoffRate"], others["JitterStrategy"]) == (2, 2, "FULL")


DATA_TOO_LONG = {"Error": "Callback.DataLimitExceeded", "Cause": TOO_LONG}


@pytest.mark.parametrize(
    ("request_made", "path", "uuid", "end"),
    [
        (ASKED, ["ProcessRequest", "WaitForResponse"], ASKED["uuid"], DECLINED),
        (Failure(DECLINED), ["ProcessRequest"], None, DECLINED),
        (Failure({**DECLINED, "Error": "States.DataLimitExceeded"}), ["ProcessRequest"], None, DATA_TOO_LONG),
    ],
    ids=["by the partner", "by the processor", "by its size"],
)
def test_a_file_exchange_that_fails_is_notified(
    request_made: Json, path: list[str], uuid: str | None, end: Fields
) -> None:
    execution = play(EXCHANGE, {}, Failure(DECLINED), request_made)
    assert execution.entered == [*path, "NotifyFailure", "ExchangeFailed"]
    assert execution.failure == end
    assert execution.notification == {"outcome": "FAILED", **end, "uuid": uuid, "executionId": EXECUTION_ID}


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (TIMED_OUT, "No answer came within 604,800 seconds."),
        (MISSED_HEARTBEAT, "Neither an answer nor a heartbeat came within 259,200 seconds."),
    ],
    ids=["no answer", "no heartbeat"],
)
def test_a_partner_that_does_not_answer_is_said_to_miss_the_answer_or_a_heartbeat(failure: Failure, cause: str) -> None:
    wait = EXCHANGE["States"]["WaitForResponse"]
    assert any(f"{wait[name]:,} seconds" in cause for name in ("TimeoutSeconds", "HeartbeatSeconds"))
    execution = play(EXCHANGE, {}, failure, ASKED)
    assert execution.failure == {"Error": "Callback.TimedOut", "Cause": cause}
    assert execution.notification.items() >= execution.failure.items()


def test_the_notification_of_an_answer_that_became_a_pointer_is_whole() -> None:
    pointer = {"bucket": "b" * 63, "key": f"processed/{ASKED['uuid']}/{'v' * 32}/failure.json", "versionId": "v" * 32}
    cause = json.dumps({**pointer, "bytes": 5 * 1024**3})
    execution = play(EXCHANGE, {}, Failure({"Error": "Callback.Failed", "Cause": cause}), ASKED)
    assert execution.notification["Cause"] == cause
    assert play(EXCHANGE, {}, pointer, ASKED).output == pointer


def test_files_are_kept_for_longer_than_any_wait_and_removed_tokens_for_a_day() -> None:
    template = TEMPLATES["templates/file-exchange.yaml"]
    days = template["Parameters"]["FileRetentionDays"]["MinValue"]
    assert days * 86400 > 2 * EXCHANGE["States"]["WaitForResponse"]["TimeoutSeconds"]
    files, tokens = template["Resources"]["ExchangeBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert files["ExpirationInDays"] == {"Ref": "FileRetentionDays"}
    assert "Prefix" not in files
    assert (tokens["Prefix"], tokens["NoncurrentVersionExpiration"]) == ("tokens/", {"NoncurrentDays": 1})


def test_a_rejected_file_alarms() -> None:
    rejected = resources("templates/file-exchange.yaml", "AWS::Logs::MetricFilter")["FilesRejectedMetricFilter"]
    assert matches(rejected["FilterPattern"], {"message": "file rejected"})
    assert not matches(rejected["FilterPattern"], {"message": "answer accepted"})


def test_every_end_of_an_execution_is_reported_to_the_inbox_without_its_data() -> None:
    rule = resources("templates/file-exchange.yaml", "AWS::Events::Rule")["ExecutionEndedRule"]
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
            "stateMachineArn": [{"Ref": "FileExchangeStateMachine"}],
        },
    }
    [target] = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["InboundQueue", "Arn"]}
    event = {"detail": {"executionArn": EXECUTION_ID, "status": "FAILED", "input": "{}"}}
    assert json.loads(transformed(event, target["InputTransformer"])) == {"endedExecutionId": EXECUTION_ID}


# ------------------------------------------------------------------ the asynchronous API
@pytest.mark.parametrize(
    ("response", "cause"),
    [
        ({"status": 500}, "The API answered with status 500; only 200 is a success."),
        *(
            (response, "The API answered without a numeric status; only 200 is a success.")
            for response in ({}, {"status": "200"}, {"status": None}, [{"status": 200}], "text", None)
        ),
    ],
    ids=repr,
)
def test_an_unexpected_response_fails_the_api_call(response: Json, cause: str) -> None:
    execution = play(ASYNC_API, REQUEST, response)
    assert execution.entered == ["CallAsyncApi", "CheckResponseStatus", "RejectResponse", "NotifyError", "ApiFailed"]
    error = {"Error": "AsyncApi.UnexpectedStatus", "Cause": cause}
    body = {"outcome": "FAILED", "message": "API Failed", **error, "executionId": EXECUTION_ID}
    assert (execution.failure, execution.notification) == (error, body)


@pytest.mark.parametrize("definition", [PAYMENT, ASYNC_API], ids=["payment callback", "async api"])
@pytest.mark.parametrize(("error", "cause"), list(product(ERRORS, CAUSES)), ids=repr)
def test_an_error_or_cause_that_says_nothing_is_put_in_words(definition: Fields, error: str, cause: Fields) -> None:
    execution = play(definition, ORDER, Failure({"Error": error, **cause}))
    assert execution.failure == {"Error": ERRORS[error], "Cause": NO_CAUSE}
    assert execution.notification.items() >= execution.failure.items()


@pytest.mark.parametrize(("error", "cause"), list(product(ERRORS, CAUSES)), ids=repr)
def test_an_error_or_cause_of_a_file_exchange_that_says_nothing_is_put_in_words(error: str, cause: Fields) -> None:
    failure = Failure({"Error": error, **cause})
    for execution in (play(EXCHANGE, {}, failure, ASKED), play(EXCHANGE, {}, "unasked", failure)):
        assert execution.failure == {"Error": ERRORS[error], "Cause": NO_CAUSE}
        assert execution.notification.items() >= execution.failure.items()


@pytest.mark.parametrize(
    ("failure", "end"),
    [
        (Failure(DECLINED), DECLINED),
        (BARE_FAILURE, {"Error": None, "Cause": None}),
        (TIMED_OUT, {"Error": "States.Timeout"}),
        (MISSED_HEARTBEAT, {"Error": "States.Timeout"}),
    ],
)
def test_manual_callback_leaves_errors_uncaught_so_that_a_redrive_asks_again(failure: Failure, end: Fields) -> None:
    execution = play(MANUAL, {}, failure)
    assert (execution.entered, execution.failure) == (["RequestWork"], end)


# ------------------------------------------------------------------ what AWS names, and how it is worded
@pytest.mark.parametrize(
    ("name", "state"),
    [("payment_callback", "RequestPayment"), ("async_api", "CallAsyncApi")],
)
def test_a_callback_that_does_not_come_has_timed_out_and_says_how_long_was_waited(name: str, state: str) -> None:
    longer = " If the waitTime is longer than that, the answer comes too late and is dropped."
    definition = read_definition(name)
    waited = definition["States"][state]["TimeoutSeconds"]
    for failure in (TIMED_OUT, MISSED_HEARTBEAT):
        execution = play(definition, ORDER, failure)
        end = {"Error": "Callback.TimedOut", "Cause": f"No answer came within {waited:,} seconds."}
        end["Cause"] += longer if name == "async_api" else ""
        assert execution.failure == end
        assert execution.notification.items() >= end.items()


@pytest.mark.parametrize("all_is_all", [True, False], ids=["as recorded", "as documented"])
@pytest.mark.parametrize("definition", [PAYMENT, ASYNC_API], ids=["payment callback", "async api"])
def test_what_is_larger_than_a_state_may_be_is_worded(definition: Fields, all_is_all: bool) -> None:
    for payload, answer in (("x" * 262_100, None), ({}, TOO_LARGE)):
        execution = play(definition, payload, answer, all_is_all=all_is_all)
        assert execution.failure == {"Error": "Callback.DataLimitExceeded", "Cause": TOO_LONG}
        assert execution.notification.items() >= execution.failure.items()


def test_an_answer_that_is_too_long_for_a_notification_is_left_out_of_it() -> None:
    fitting: list[Json] = ["x" * 32_768, ["\\"] * 6_553]
    for answer in fitting:
        assert play(PAYMENT, ORDER, answer).notification["message"] == answer
    for answer in ("x" * 32_769, "x" * 262_142, {"receipt": '"' * 131_000}):
        execution = play(PAYMENT, ORDER, answer)
        assert execution.notification["message"] == "The answer is too long for a notification."
        assert execution.output == execution.notification


def test_a_publish_of_what_is_invalid_is_not_tried_again() -> None:
    for definition in (PAYMENT, ASYNC_API, read_example("reminder")):
        for state in definition["States"].values():
            if state.get("Resource") == "arn:aws:states:::sns:publish":
                first, _ = state["Retry"]
                assert first["ErrorEquals"] == ["SNS.InvalidParameterException", "SNS.InvalidParameterValueException"]
                assert first["MaxAttempts"] == 0


def test_the_simulator_tries_every_failure_again_but_that_of_its_input() -> None:
    invalid, others = read_definition("async_api_simulator")["States"]["SendCallback"]["Retry"]
    assert (invalid["ErrorEquals"], invalid["MaxAttempts"]) == (["MalformedSimulation"], 0)
    assert others["ErrorEquals"] == ["States.TaskFailed", "States.Timeout"]


@pytest.mark.parametrize(
    ("payload", "fine"),
    [
        ({"items": []}, True),
        ({"items": [[1]], "tolerated": 1}, True),
        ({"items": "card 4111"}, False),
        ({"items": [1], "tolerated": "card 4111"}, False),
        ({"items": [1], "tolerated": None}, False),
        ([{"items": [1]}], False),
        (None, False),
    ],
)
def test_a_fan_out_refuses_an_input_that_an_expression_would_quote_in_a_logged_cause(payload: Json, fine: bool) -> None:
    definition = read_example("fan_out")
    check = definition["States"]["CheckItems"]
    condition = evaluate(check["Choices"][0]["Condition"], {"input": payload, "variables": {}})
    assert condition is fine
    assert definition["States"][check["Default"]]["Type"] == "Fail"


@pytest.mark.parametrize(("answer", "outcome"), [(PAID, "SUCCEEDED"), (Failure(DECLINED), "FAILED")])
def test_a_notification_can_be_filtered_by_its_attribute(answer: Json, outcome: str) -> None:
    for definition in (PAYMENT, ASYNC_API):
        [published] = play(definition, ORDER, {"status": 200} if answer == PAID else answer).published
        assert published["TopicArn"] == "${NotificationTopicArn}"
        assert published["MessageAttributes"] == {"outcome": {"DataType": "String", "StringValue": outcome}}


@pytest.mark.parametrize("answer", [PAID, Failure(DECLINED)])
@pytest.mark.parametrize(
    ("order", "order_id"),
    [
        ({"amount": 1}, None),
        ({"orderId": None}, None),
        ({"orderId": 7}, None),
        ({"orderId": ["order-1", "order-2"]}, None),
        ({"orderId": {"id": "order-1"}}, None),
        ({"orderId": "o" * 257}, "o" * 256),
        ({"orderId": 'Bestellung "ü" 😀'}, 'Bestellung "ü" 😀'),
        ([], None),
        ([{"orderId": "order-1"}], None),
        ("order-1", None),
        (None, None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_order_id_is_text_of_256_characters_or_null(order: Json, order_id: str | None, answer: Json) -> None:
    assert play(PAYMENT, order, answer).notification["orderId"] == order_id


# ------------------------------------------------------------------ an order confirmation
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


def test_a_decision_that_is_not_carried_out_alarms() -> None:
    filters = resources("templates/order-confirmation.yaml", "AWS::Logs::MetricFilter")
    pattern = filters["DecisionsNotCarriedOutMetricFilter"]["FilterPattern"]
    assert matches(pattern, {"level": "ERROR", "message": "decision not carried out"})
    assert not matches(pattern, {"level": "INFO", "message": "decision delivered"})


# ------------------------------------------------------------------ what is published of a stopped execution
@pytest.mark.parametrize(
    ("template", "machine", "own"),
    [
        ("template.yaml", "WaitForCallbackStateMachine", {"orderId": None}),
        ("templates/async-api.yaml", "AsyncApiStateMachine", {"message": "API Stopped"}),
        ("templates/file-exchange.yaml", "FileExchangeStateMachine", {"uuid": None}),
        ("templates/order-confirmation.yaml", "OrderConfirmationStateMachine", {"orderId": None}),
    ],
)
@pytest.mark.parametrize(
    ("given", "published"),
    [
        ({"error": "Stopped", "cause": 'by "Jane"'}, {"Error": "Stopped", "Cause": 'by "Jane"'}),
        ({"error": None, "cause": None}, {"Error": None, "Cause": None}),
        ({}, {"Error": "", "Cause": ""}),
    ],
    ids=["with words", "null", "absent"],
)
def test_a_stopped_execution_is_notified(
    template: str, machine: str, own: Fields, given: Fields, published: Fields
) -> None:
    rule = resources(template, "AWS::Events::Rule")["StoppedExecutionRule"]
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["ABORTED"], "stateMachineArn": [{"Ref": machine}]},
    }
    [target] = rule["Targets"]
    assert target["Arn"] == {"Ref": "NotificationTopic"}
    event = {"detail": {**given, "executionArn": EXECUTION_ID, "status": "ABORTED"}}
    body = {"outcome": "ABORTED", **published, "executionId": EXECUTION_ID, **own}
    assert json.loads(transformed(event, target["InputTransformer"])) == body


def transformed(event: Fields, transformer: Fields) -> str:
    """What EventBridge makes of an event: each `<name>` of the template is the JSON that its path leads to, or ""."""

    def value(name: re.Match[str]) -> str:
        found: Any = event
        for key in transformer["InputPathsMap"][name[1]].removeprefix("$.").split("."):
            found = found.get(key, "")
        return json.dumps(found)

    return re.sub(r"<(\w+)>", value, transformer["InputTemplate"])


# ------------------------------------------------------------------ what alarms somebody
WAIT = {"resourceType": "sqs", "resource": "sendMessage.waitForTaskToken"}
PUBLISH = {"resourceType": "sns", "resource": "publish"}
LOGGED = [
    # type and details of a line that Step Functions logs, and the metrics that count it
    ("TaskTimedOut", {**WAIT, "error": "States.Timeout"}, {"CallbacksTimedOut"}),
    ("TaskTimedOut", {**PUBLISH, "error": "States.Timeout"}, set()),
    ("TaskFailed", {**WAIT, "error": "Failed to process payment"}, set()),
    *(
        ("ExecutionFailed", {"error": error}, {"MachineryFaults"})
        for error in ("SNS.NotFoundException", "States.Permissions", "States.DataLimitExceeded", "States.Runtime")
    ),
    *(
        ("ExecutionFailed", {"error": error}, set())
        for error in (
            "Failed to process payment",
            "Payment.InvalidRequest",
            "Callback.TimedOut",
            "Callback.Undeliverable",
            "Callback.InvalidOutput",
            "Callback.Failed",
            "Callback.SQS.SdkClientException",  # what an answer by a name of AWS's is called
            "AsyncApi.RequestFailed",
        )
    ),
    ("ExecutionAborted", {"error": "SQS.Nonsense"}, set()),
]
CAUGHT = [
    *(
        ("ExecutionFailed", {"error": f"Callback.{name}"}, {"MachineryFaults"})
        for name in ("AmazonSQSException", "Permissions")
    ),
    ("ExecutionFailed", {"error": "States.Timeout"}, {"MachineryFaults"}),  # of a publish
]
UNCAUGHT = [
    ("ExecutionFailed", {"error": "SQS.KmsAccessDeniedException"}, {"MachineryFaults"}),
    ("ExecutionFailed", {"error": "States.Timeout"}, set()),  # which CallbacksTimedOut counts
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_faults_of_the_machinery_and_lost_callbacks_alarm_and_refusals_do_not(template: str) -> None:
    filters = resources(template, "AWS::Logs::MetricFilter").values()
    of_state_machine = [one for one in filters if one["LogGroupName"] != {"Ref": "FunctionLogGroup"}]
    for kind, details, expected in [*LOGGED, *(UNCAUGHT if "manual" in template else CAUGHT)]:
        if "manual" in template and details["error"].startswith("SNS."):
            continue  # it publishes nothing
        line = {"type": kind, "details": details}
        counted = {metric(one) for one in of_state_machine if matches(one["FilterPattern"], line)}
        assert counted == {f"${{AWS::StackName}}-{name}" for name in expected}, line


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_function_that_does_not_succeed_alarms(template: str) -> None:
    [errors] = [
        one
        for one in resources(template, "AWS::Logs::MetricFilter").values()
        if metric(one) == "${AWS::StackName}-FunctionErrors"
    ]
    assert errors["LogGroupName"] == {"Ref": "FunctionLogGroup"}
    alarming = [
        status
        for status in ("success", "failure", "error", "timeout")
        if matches(errors["FilterPattern"], {"type": "platform.report", "record": {"status": status}})
    ]
    assert alarming == ["failure", "error", "timeout"]
    assert not matches(errors["FilterPattern"], {"level": "INFO", "message": "payment request answered"})


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_metric_that_is_counted_has_its_alarm(template: str) -> None:
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()
    watched = {str(alarm["MetricName"]) for alarm in alarms if alarm["Namespace"] == "CallbackWorkflows"}
    assert watched == {
        str(one["MetricTransformations"][0]["MetricName"])
        for one in resources(template, "AWS::Logs::MetricFilter").values()
    }


def metric(metric_filter: Fields) -> str:
    [transformation] = metric_filter["MetricTransformations"]
    return str(transformation["MetricName"]["Fn::Sub"])


def matches(pattern: str, line: Fields) -> bool:
    """Whether a filter pattern of CloudWatch Logs matches a line: terms joined by && and ||.

    `*` in a text is any text, and what stands between two `%` is a regular expression.
    """

    def term(comparison: re.Match[str]) -> str:
        found: Any = line
        for key in comparison["path"].split("."):
            found = found.get(key, {})
        if not isinstance(found, str):
            return "False"
        if comparison["regex"]:
            assert re.fullmatch(r"[\w:#=@/;,^$?\[\]{}|\\*+.-]*", comparison["regex"]), "CloudWatch Logs takes no other"
            return str(re.search(comparison["regex"], found) is not None)
        return str(fnmatchcase(found, comparison["value"]) == (comparison["operator"] == "="))

    comparisons = r'\$\.(?P<path>[\w.]+) (?P<operator>!?=) (?:"(?P<value>[^"]*)"|%(?P<regex>[^%]*)%)'
    terms = re.sub(comparisons, term, pattern.strip("{} "))
    return bool(eval(terms.replace("&&", "and").replace("||", "or"), {}))  # noqa: S307 - of True, False, and, or, ( )


# ------------------------------------------------------------------ what users rely on
def test_outputs_that_users_rely_on() -> None:
    outputs = TEMPLATES["template.yaml"]["Outputs"]
    assert outputs["StateMachineWaitForCallbackArn"]["Value"] == {"Ref": "WaitForCallbackStateMachine"}
    assert outputs["WaitForCallbackDemoNotificationTestQueueUrl"]["Value"] == {"Ref": "NotificationTestQueue"}


def test_share_of_successes_is_a_number_from_0_to_1_and_reaches_the_worker() -> None:
    parameter = TEMPLATES["template.yaml"]["Parameters"]["PaymentSuccessRate"]
    worker = resources("template.yaml", "AWS::Serverless::Function")["PaymentWorkerFunction"]
    assert {**parameter, "Description": ""} == {
        "Description": "",
        "Type": "Number",
        "Default": "0.5",  # text, because `sam local invoke` passes a number on as nothing
        "MinValue": 0,
        "MaxValue": 1,
    }
    assert worker["Environment"]["Variables"]["PAYMENT_SUCCESS_RATE"] == {"Ref": "PaymentSuccessRate"}


@pytest.mark.parametrize(
    ("template", "queue", "receives"),
    [
        ("template.yaml", "PaymentQueue", 5),
        ("templates/async-api.yaml", "ApiRequestQueue", 5),
        ("templates/manual-callback.yaml", "ManualCallbackQueue", 10),
        ("templates/file-exchange.yaml", "OutboxQueue", 5),
    ],
)
def test_a_message_goes_to_the_dead_letter_queue_and_then_to_quarantine(
    template: str, queue: str, receives: int
) -> None:
    queues = resources(template, "AWS::SQS::Queue")
    for name, target, most in (
        (queue, "DeadLetterQueue", receives),
        ("DeadLetterQueue", "QuarantineQueue", receives + 5),
    ):
        policy = {"deadLetterTargetArn": {"Fn::GetAtt": [target, "Arn"]}, "maxReceiveCount": most}
        assert queues[name]["RedrivePolicy"] == policy
    assert queues["QuarantineQueue"]["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
