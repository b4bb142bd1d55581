"""The simulator's function: it calls back as it is told to, and its state machine tries again what did not arrive."""

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from hypothesis import given
from hypothesis import strategies as st

import async_api_simulator
from async_api_simulator import MalformedSimulation
from callbacks.task import CallbackNotDelivered
from tests.unit.printed import capture_prints
from tests.unit.support import EVENTS, FakeStepFunctions, client_error, make_lambda_context, sample_event

TOKEN = "THE-TASK-TOKEN"
SIMULATION = {"taskToken": TOKEN, "waitTime": 3, "status": "success", "executionId": None}


def test_success_is_a_response_with_status_200(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    # When
    answer = async_api_simulator.lambda_handler(sample_event("async_api_simulator/success"), lambda_context)
    # Then
    assert answer == {"outcome": "DELIVERED"}
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["taskToken"]) == ("success", "EXAMPLE-TASK-TOKEN-1")
    assert json.loads(arguments["output"]) == {"status": 200, "message": "The request was processed."}


def test_failure_is_an_error(step_functions: FakeStepFunctions, lambda_context: LambdaContext) -> None:
    answer = async_api_simulator.lambda_handler(sample_event("async_api_simulator/failure"), lambda_context)
    assert answer == {"outcome": "DELIVERED"}
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["error"]) == ("failure", "AsyncApi.RequestFailed")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("TaskTimedOut", "ALREADY_SETTLED"), ("TaskDoesNotExist", "ALREADY_SETTLED"), ("InvalidToken", "REFUSED")],
)
def test_a_late_callback_is_settled_quietly(
    code: str, outcome: str, step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    step_functions.errors.append(client_error(code))
    assert async_api_simulator.lambda_handler(SIMULATION, lambda_context) == {"outcome": outcome}


def test_what_did_not_arrive_is_an_error_that_the_state_machine_retries(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    # Given
    definition = json.loads((EVENTS.parent / "statemachine" / "async_api_simulator.asl.json").read_text())
    retried = [name for retry in definition["States"]["SendCallback"]["Retry"] for name in retry["ErrorEquals"]]
    step_functions.errors.append(client_error("ThrottlingException"))
    # When
    with pytest.raises(CallbackNotDelivered) as raised:
        async_api_simulator.lambda_handler(SIMULATION, lambda_context)
    # Then Lambda reports an error by the name of its class
    assert type(raised.value).__name__ in retried


@pytest.mark.parametrize(
    "simulation",
    [
        None,
        [],
        "THE-TASK-TOKEN",
        {},
        {**SIMULATION, "taskToken": ""},
        {**SIMULATION, "taskToken": 1},
        {**SIMULATION, "status": "THE-TASK-TOKEN"},
        {**SIMULATION, "status": None},
    ],
)
def test_anything_else_is_refused_before_any_call(
    simulation: Any, step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    with pytest.raises(MalformedSimulation) as raised:
        async_api_simulator.lambda_handler(simulation, lambda_context)
    assert TOKEN not in str(raised.value)
    assert step_functions.calls == []


@given(st.dictionaries(st.sampled_from(["taskToken", "status", "waitTime"]), st.none() | st.integers() | st.text()))
def test_no_event_is_answered_twice(simulation: dict[str, Any]) -> None:
    step_functions = FakeStepFunctions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callbacks.task._stepfunctions", step_functions)
        try:
            async_api_simulator.lambda_handler(simulation, make_lambda_context())
        except MalformedSimulation:
            assert step_functions.calls == []
        else:
            assert len(step_functions.calls) == 1


def test_the_token_is_never_printed(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = capture_prints(monkeypatch)
    async_api_simulator.lambda_handler(SIMULATION, lambda_context)
    printed = output.getvalue()
    assert '"outcome":"DELIVERED"' in printed
    assert TOKEN not in printed
