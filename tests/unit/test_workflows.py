"""The workflows keep their contracts word by word: state machines played over every answer, templates as data.

The message attribute of a notification and the rule on stopped executions have no other proof, or a partial one: the
embedded AWS drops attributes, and has no state machine logs.
"""

import json
from itertools import product

import pytest

from tests.unit.state_machine import (
    BARE_FAILURE,
    EXECUTION_ID,
    MISSED_HEARTBEAT,
    TIMED_OUT,
    TOKEN,
    TOO_LARGE,
    Failure,
    Fields,
    Json,
    evaluate,
    play,
    read_definition,
    read_example,
)
from tests.unit.workflows import (
    ASYNC_API,
    CAUSES,
    DECLINED,
    ERRORS,
    MANUAL,
    NO_CAUSE,
    ORDER,
    PAID,
    PAYMENT,
    REQUEST,
    TEMPLATES,
    TOO_LONG,
    resources,
    transformed,
)


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
