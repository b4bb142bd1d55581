"""The manual callback: what an event does to the workflow, what the answer says, what is refused before any call."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from hypothesis import given
from hypothesis import strategies as st

import manual_callback
from callbacks import task
from callbacks.task import CallbackNotDelivered
from manual_callback import MalformedEvent, event_problem
from tests.unit.printed import capture_prints
from tests.unit.support import FakeStepFunctions, client_error, make_lambda_context, sample_event

TOKEN = "THE-TASK-TOKEN"

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("event", "action", "arguments"),
    [
        ({}, "success", {"output": "null"}),
        ({"output": None}, "success", {"output": "null"}),
        ({"output": {"a": [1, None, "é"]}}, "success", {"output": '{"a":[1,null,"é"]}'}),
        ({"error": "E", "cause": "C"}, "failure", {"error": "E", "cause": "C"}),
        ({"error": "E", "cause": ""}, "failure", {"error": "E", "cause": ""}),
        ({"error": "E"}, "failure", {"error": "E", "cause": "No cause was given."}),
        ({"heartbeat": True}, "heartbeat", {}),
    ],
)
def test_the_event_says_what_is_called(
    event: dict[str, Any],
    action: str,
    arguments: dict[str, str],
    step_functions: FakeStepFunctions,
    lambda_context: LambdaContext,
) -> None:
    # When
    answer = manual_callback.lambda_handler({"token": TOKEN, **event}, lambda_context)
    # Then
    assert answer == {"action": action, "outcome": "DELIVERED"}
    assert json.loads(json.dumps(answer)) == answer
    assert step_functions.calls == [(action, {"taskToken": TOKEN, **arguments})]


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("success", "success"),
        ("success_with_output", "success"),
        ("failure", "failure"),
        ("heartbeat", "heartbeat"),
    ],
)
def test_sample_events_do_what_their_names_say(
    name: str, action: str, step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    answer = manual_callback.lambda_handler(sample_event(f"manual_callback/{name}"), lambda_context)
    assert answer == {"action": action, "outcome": "DELIVERED"}
    assert [operation for operation, _ in step_functions.calls] == [action]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("TaskTimedOut", "ALREADY_SETTLED"), ("TaskDoesNotExist", "ALREADY_SETTLED"), ("InvalidToken", "REFUSED")],
)
@pytest.mark.parametrize("event", [{}, {"error": "E"}, {"heartbeat": True}])
def test_a_workflow_that_waits_no_longer_is_an_answer_and_no_error(
    event: dict[str, Any], code: str, outcome: str, step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    step_functions.errors.append(client_error(code))
    assert manual_callback.lambda_handler({"token": TOKEN, **event}, lambda_context)["outcome"] == outcome


@pytest.mark.parametrize("code", ["ThrottlingException", "KmsThrottlingException", "AccessDeniedException"])
def test_a_callback_that_did_not_arrive_is_a_function_error_without_the_token(
    code: str,
    step_functions: FakeStepFunctions,
    lambda_context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = capture_prints(monkeypatch)
    step_functions.errors.append(client_error(code))
    with pytest.raises(CallbackNotDelivered) as raised:
        manual_callback.lambda_handler({"token": TOKEN}, lambda_context)
    assert str(raised.value) == code
    assert raised.value.__suppress_context__
    assert TOKEN not in printed.getvalue()


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
        ({"token": TOKEN, "error": "E", "cause": 1}, "cause must be text"),
        ({"token": TOKEN, "error": "E", "cause": None}, "cause must be text"),
        ({"token": TOKEN, "heartbeat": False}, "heartbeat must be true"),
        ({"token": TOKEN, "heartbeat": 1}, "heartbeat must be true"),
        ({"token": TOKEN, "heartbeat": "true"}, "heartbeat must be true"),
        ({"token": TOKEN, "taskToken": TOKEN}, "send nothing but"),
        ({"token": TOKEN, "output": "x" * 262_143}, "262,145 bytes of JSON; the limit is 262,144"),
        ({"token": TOKEN, "output": "é" * 131_072}, "262,146 bytes of JSON; the limit is 262,144"),
        ({"token": TOKEN, "output": float("nan")}, "not JSON"),
        ({"token": TOKEN, "output": "\ud800"}, "not JSON"),
    ],
)
def test_a_malformed_event_is_refused_before_any_call(
    event: Any, says: str, step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    # When
    with pytest.raises(MalformedEvent) as raised:
        manual_callback.lambda_handler(event, lambda_context)
    # Then
    assert says in str(raised.value)
    assert step_functions.calls == []


def test_every_fault_of_an_event_is_named_at_once() -> None:
    problem = event_problem(sample_event("manual_callback/malformed") | {"cause": 1})
    assert problem == (
        "token must be text of 1 to 2,048 characters; send one of output, error and heartbeat, not several; "
        "cause must be text."
    )


def test_the_largest_output_is_sent(step_functions: FakeStepFunctions, lambda_context: LambdaContext) -> None:
    manual_callback.lambda_handler({"token": TOKEN, "output": "x" * 262_142}, lambda_context)
    [(operation, arguments)] = step_functions.calls
    assert (operation, len(arguments["output"])) == ("success", 262_144)


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
            manual_callback.lambda_handler(event, make_lambda_context())
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
        manual_callback.lambda_handler(event, make_lambda_context())
    # Then
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["taskToken"], json.loads(arguments["output"])) == ("success", token, output)


def test_of_ten_invocations_at_once_exactly_one_delivers(
    step_functions: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given Step Functions, where one of many callbacks closes the task and the others find it closed
    lock, together, real = threading.Lock(), threading.Barrier(10), step_functions.send_task_success

    def send_task_success(**arguments: str) -> dict[str, Any]:
        together.wait(timeout=10)
        with lock:
            return real(**arguments)

    monkeypatch.setattr(step_functions, "send_task_success", send_task_success)
    # When
    with ThreadPoolExecutor(10) as pool:
        invocations = [
            pool.submit(manual_callback.lambda_handler, {"token": TOKEN}, make_lambda_context()) for _ in range(10)
        ]
    # Then
    outcomes = sorted(invocation.result()["outcome"] for invocation in invocations)
    assert outcomes == ["ALREADY_SETTLED"] * 9 + ["DELIVERED"]


def test_the_token_and_the_output_are_never_printed(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = capture_prints(monkeypatch)
    manual_callback.lambda_handler({"token": TOKEN, "output": "SECRET"}, lambda_context)
    manual_callback.lambda_handler({"token": TOKEN, "error": "SECRET", "cause": "SECRET"}, lambda_context)
    printed = output.getvalue()
    assert '"outcome":"DELIVERED"' in printed
    assert '"outcome":"ALREADY_SETTLED"' in printed
    assert TOKEN not in printed
    assert "SECRET" not in printed
