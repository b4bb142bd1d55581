"""The simulator's function: it calls back as it is asked to, and its state machine tries again what did not arrive."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import async_api_simulator
from async_api_simulator import MalformedSimulation
from callbacks.task import CallbackNotDelivered
from tests.unit.support import CONTEXT, EVENTS, FakeStepFunctions, client_error, sample_event

TOKEN = "THE-TASK-TOKEN"
SIMULATION = {"taskToken": TOKEN, "waitTime": 3, "status": "success", "executionId": None}


def test_success_is_a_response_with_status_200(step_functions: FakeStepFunctions) -> None:
    # When
    answer = async_api_simulator.lambda_handler(sample_event("async_api_simulator/success"), CONTEXT)
    # Then
    assert answer == {"outcome": "DELIVERED"}
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["taskToken"]) == ("success", "EXAMPLE-TASK-TOKEN-1")
    assert json.loads(arguments["output"]) == {"status": 200, "message": "The request was processed."}


def test_failure_is_an_error(step_functions: FakeStepFunctions) -> None:
    answer = async_api_simulator.lambda_handler(sample_event("async_api_simulator/failure"), CONTEXT)
    assert answer == {"outcome": "DELIVERED"}
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["error"]) == ("failure", "AsyncApi.RequestFailed")


def test_a_late_callback_is_settled_quietly(step_functions: FakeStepFunctions) -> None:
    step_functions.errors.append(client_error("TaskTimedOut"))
    assert async_api_simulator.lambda_handler(SIMULATION, CONTEXT) == {"outcome": "ALREADY_SETTLED"}


def test_what_did_not_arrive_is_an_error_that_the_state_machine_retries(step_functions: FakeStepFunctions) -> None:
    # Given
    definition = json.loads((EVENTS.parent / "statemachine" / "async_api_simulator.asl.json").read_text())
    retriers = definition["States"]["SendCallback"]["Retry"]
    step_functions.errors.append(client_error("ThrottlingException"))
    # When
    with pytest.raises(CallbackNotDelivered) as raised:
        async_api_simulator.lambda_handler(SIMULATION, CONTEXT)
    # Then Lambda reports an error by the name of its class
    assert attempts(retriers, type(raised.value).__name__) > 0
    assert attempts(retriers, "Runtime.ExitError") > 0
    assert attempts(retriers, MalformedSimulation.__name__) == 0


def attempts(retriers: list[dict[str, Any]], error: str) -> int:
    """How often a task is tried again after this error: the first retrier that names it counts."""
    matching = (retrier for retrier in retriers if {error, "States.TaskFailed"} & set(retrier["ErrorEquals"]))
    return int(next(matching)["MaxAttempts"])


@pytest.mark.parametrize(
    "simulation",
    [
        None,
        [],
        TOKEN,
        {},
        {**SIMULATION, "taskToken": ""},
        {**SIMULATION, "taskToken": 1},
        {**SIMULATION, "status": TOKEN},
        {**SIMULATION, "status": None},
    ],
)
def test_anything_else_is_refused_before_any_call_and_says_what_to_send(
    simulation: Any, step_functions: FakeStepFunctions
) -> None:
    with pytest.raises(MalformedSimulation, match="the folder events/async_api_simulator/ holds samples") as raised:
        async_api_simulator.lambda_handler(simulation, CONTEXT)
    assert TOKEN not in str(raised.value)
    assert step_functions.calls == []


@given(st.dictionaries(st.sampled_from(["taskToken", "status", "waitTime"]), st.none() | st.integers() | st.text()))
def test_no_event_is_answered_twice(simulation: dict[str, Any]) -> None:
    step_functions = FakeStepFunctions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callbacks.task._stepfunctions", step_functions)
        try:
            async_api_simulator.lambda_handler(simulation, CONTEXT)
        except MalformedSimulation:
            assert step_functions.calls == []
        else:
            assert len(step_functions.calls) == 1
