"""The manual callback: what an event does to the workflow, what the answer says, what is refused before any call."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import manual_callback
from callbacks import task
from callbacks.task import CallbackNotDelivered
from manual_callback import MalformedEvent, event_problem
from tests.unit.support import CONTEXT, FakeStepFunctions, any_json, client_error, sample_event

TOKEN = "THE-TASK-TOKEN"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:ManualCallback:example-1"
NO_CAUSE = {"error": "E", "cause": "No cause was given."}


@pytest.mark.parametrize(
    ("event", "action", "arguments"),
    [
        ({}, "success", {"output": "null"}),
        ({"output": None}, "success", {"output": "null"}),
        ({"output": {"a": [1, None, "é"]}}, "success", {"output": '{"a":[1,null,"é"]}'}),
        ({"error": "E", "cause": "C"}, "failure", {"error": "E", "cause": "C"}),
        ({"error": "E"}, "failure", NO_CAUSE),
        ({"error": "E", "cause": ""}, "failure", NO_CAUSE),
        ({"error": "E", "cause": None}, "failure", NO_CAUSE),
        ({"heartbeat": True}, "heartbeat", {}),
    ],
)
def test_the_event_says_what_is_called(
    event: dict[str, Any], action: str, arguments: dict[str, str], step_functions: FakeStepFunctions
) -> None:
    # When
    answer = manual_callback.lambda_handler({"token": TOKEN, **event}, CONTEXT)
    # Then
    assert answer == {"action": action, "outcome": "DELIVERED"}
    assert json.loads(json.dumps(answer)) == answer
    assert step_functions.calls == [(action, {"taskToken": TOKEN, **arguments})]


@pytest.mark.parametrize("event", [{}, {"output": 1}, {"error": "E"}, {"heartbeat": True}])
@pytest.mark.parametrize("passed_on", [{}, {"executionId": None}, {"executionId": EXECUTION}])
def test_the_answer_and_the_log_name_the_execution_that_the_caller_passes_on(
    event: dict[str, Any], passed_on: dict[str, Any], step_functions: FakeStepFunctions, printed: io.StringIO
) -> None:
    # When
    answer = manual_callback.lambda_handler({"token": TOKEN, **event, **passed_on}, CONTEXT)
    # Then
    assert answer.get("executionId") == passed_on.get("executionId")
    assert ("executionId" in answer) == (EXECUTION in printed.getvalue())
    assert "executionId" not in step_functions.calls[0][1]


@pytest.mark.parametrize(
    ("name", "action"),
    [("success", "success"), ("success_with_output", "success"), ("failure", "failure"), ("heartbeat", "heartbeat")],
)
def test_sample_events_do_what_their_names_say(name: str, action: str, step_functions: FakeStepFunctions) -> None:
    answer = manual_callback.lambda_handler(sample_event(f"manual_callback/{name}"), CONTEXT)
    assert answer == {"action": action, "outcome": "DELIVERED"}
    assert [operation for operation, _ in step_functions.calls] == [action]


@pytest.mark.parametrize(("code", "outcome"), [("TaskTimedOut", "ALREADY_SETTLED"), ("InvalidToken", "REFUSED")])
@pytest.mark.parametrize("event", [{}, {"error": "E"}, {"heartbeat": True}])
def test_a_workflow_that_waits_no_longer_is_an_answer_and_no_error(
    event: dict[str, Any], code: str, outcome: str, step_functions: FakeStepFunctions
) -> None:
    step_functions.errors.append(client_error(code))
    assert manual_callback.lambda_handler({"token": TOKEN, **event}, CONTEXT)["outcome"] == outcome


def test_a_callback_that_did_not_arrive_is_a_function_error(step_functions: FakeStepFunctions) -> None:
    step_functions.errors.append(client_error("ThrottlingException"))
    with pytest.raises(CallbackNotDelivered, match="ThrottlingException"):
        manual_callback.lambda_handler({"token": TOKEN}, CONTEXT)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ([], "JSON object"),
        ("THE-TASK-TOKEN", "JSON object"),
        (None, "JSON object"),
        ({}, "token must be text"),
        ({"token": ""}, "token must be text"),
        ({"token": 5}, "token must be text"),
        ({"token": "x" * 2049}, "token must be text"),
        ({"token": TOKEN, "output": 1, "error": "E"}, "send one of"),
        ({"token": TOKEN, "output": None, "error": "E"}, "send one of"),
        ({"token": TOKEN, "output": 1, "heartbeat": True}, "send one of"),
        ({"token": TOKEN, "error": "E", "heartbeat": True}, "send one of"),
        ({"token": TOKEN, "cause": "C"}, "cause needs an error"),
        ({"token": TOKEN, "output": 1, "cause": "C"}, "cause needs an error"),
        ({"token": TOKEN, "error": ""}, "error must be text"),
        ({"token": TOKEN, "error": None}, "error must be text"),
        ({"token": TOKEN, "error": {"secret": 1}}, "error must be text"),
        ({"token": TOKEN, "error": " "}, "error must be text"),
        (
            {"token": TOKEN, "error": "SQS.SdkClientException", "cause": "x"},
            "error must not begin with Callback. or a name of AWS",
        ),
        ({"token": TOKEN, "error": " states.Timeout"}, "error must not begin with Callback. or a name of AWS"),
        ({"token": TOKEN, "error": "Callback.TimedOut"}, "error must not begin with Callback. or a name of AWS"),
        ({"token": TOKEN, "error": "E", "cause": 1}, "cause must be text"),
        ({"token": TOKEN, "cause": None}, "cause needs an error"),
        ({"token": TOKEN, "heartbeat": False}, "heartbeat must be true"),
        ({"token": TOKEN, "heartbeat": 1}, "heartbeat must be true"),
        ({"token": TOKEN, "heartbeat": "true"}, "heartbeat must be true"),
        (
            {"token": TOKEN, "taskToken": TOKEN},
            "the only fields are cause, error, executionId, heartbeat, output and token (did",
        ),
        ({"token": TOKEN, "outptu": 1}, "(did you mean output?)"),
        ({"token": TOKEN, "execution_id": EXECUTION}, "(did you mean executionId?)"),
        ({"token": TOKEN, "executionId": "execution"}, "executionId must be the ARN of an execution"),
        ({"token": TOKEN, "executionId": 7}, "executionId must be the ARN of an execution"),
        ({"token": TOKEN, "output": "x" * 262_143}, "262,145 bytes of JSON; the limit is 262,144"),
        ({"token": TOKEN, "output": float("nan")}, "The output has NaN"),
        ({"token": TOKEN, "output": {"\ud83d": 1}}, "The output has half an emoji in it"),
    ],
)
def test_a_malformed_event_is_refused_before_any_call(event: Any, says: str, step_functions: FakeStepFunctions) -> None:
    # When
    with pytest.raises(MalformedEvent) as raised:
        manual_callback.lambda_handler(event, CONTEXT)
    # Then
    assert says in str(raised.value)
    assert step_functions.calls == []


def test_every_fault_of_an_event_is_named_at_once() -> None:
    problem = event_problem(sample_event("manual_callback/malformed") | {"cause": 1})
    assert problem == (
        "token must be text of 1 to 2,048 characters; send one of output, error and heartbeat, not several; "
        "cause must be text."
    )


@given(
    event=any_json
    | st.dictionaries(st.sampled_from(["token", "output", "error", "cause", "heartbeat", "surplus"]), any_json)
)
def test_no_event_is_acted_on_in_half_nor_repeated(event: Any) -> None:
    # Given
    step_functions = FakeStepFunctions()
    secret = "SECRET-OF-THE-EVENT"
    event = {**event, "output": [secret, event.get("output")], secret: secret} if isinstance(event, dict) else event
    # When
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "_stepfunctions", step_functions)
        with pytest.raises(MalformedEvent) as raised:
            manual_callback.lambda_handler(event, CONTEXT)
    # Then
    assert step_functions.calls == []
    assert secret not in str(raised.value)


@given(token=st.text(min_size=1, max_size=2048), output=any_json)
def test_any_json_is_an_output(token: str, output: Any) -> None:
    # Given
    step_functions = FakeStepFunctions()
    event = {"token": token, "output": output}
    # When
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "_stepfunctions", step_functions)
        if event_problem(event):  # NaN and its like are not JSON
            return
        manual_callback.lambda_handler(event, CONTEXT)
    # Then
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["taskToken"], json.loads(arguments["output"])) == ("success", token, output)
