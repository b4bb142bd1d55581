"""The requester: one simulation a request however often it comes, and an invalid request refused at once."""

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

import async_api_requester
from callbacks import executions
from tests.unit.support import (
    CONTEXT,
    FakeStepFunctions,
    any_json,
    client_error,
    failed_records,
    sample_event,
    sqs_event,
)

SIMULATOR_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:Simulator"
EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:AsyncApi:example-1"
TOKEN = "THE-TASK-TOKEN"
REQUEST = {"waitTime": 3, "status": "success"}


class FakeSimulator:
    """Takes the calls of start_execution; `errors` are raised by the next of them, in order."""

    def __init__(self) -> None:
        self.started: list[dict[str, str]] = []
        self.errors: list[Exception] = []

    def start_execution(self, **arguments: str) -> dict[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        self.started.append(arguments)
        return {}


@pytest.fixture(autouse=True)
def simulator_arn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_STATE_MACHINE_ARN", SIMULATOR_ARN)


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> FakeSimulator:
    fake = FakeSimulator()
    monkeypatch.setattr(executions, "_stepfunctions", fake)
    return fake


def message(token: str = TOKEN, payload: object = REQUEST) -> str:
    return json.dumps({"taskToken": token, "payload": payload, "executionId": EXECUTION_ID})


def test_a_request_starts_a_simulation_that_knows_whom_to_answer(
    simulator: FakeSimulator, step_functions: FakeStepFunctions
) -> None:
    # When
    response = async_api_requester.lambda_handler(sqs_event(message()), CONTEXT)
    # Then
    assert response == {"batchItemFailures": []}
    [arguments] = simulator.started
    assert arguments["stateMachineArn"] == SIMULATOR_ARN
    assert arguments["name"] == hashlib.sha256(b"THE-TASK-TOKEN").hexdigest()
    assert json.loads(arguments["input"]) == {"taskToken": TOKEN, "executionId": EXECUTION_ID, **REQUEST}
    assert step_functions.calls == []


@pytest.mark.parametrize(
    ("name", "started", "refused", "returned"),
    [
        ("request", 1, 0, 0),
        ("invalid_request", 0, 1, 0),
        ("same_message_twice", 1, 0, 0),
        ("batch_with_bad_records", 2, 0, 2),
    ],
)
def test_sample_events(
    name: str, started: int, refused: int, returned: int, simulator: FakeSimulator, step_functions: FakeStepFunctions
) -> None:
    response = async_api_requester.lambda_handler(sample_event(f"async_api_requester/{name}"), CONTEXT)
    assert (len(simulator.started), len(step_functions.calls)) == (started, refused)
    assert len(failed_records(response)) == returned


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Step Functions as moto has it, with a simulator in it."""
    with mock_aws():
        client = boto3.client("stepfunctions")
        definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
        arn = client.create_state_machine(
            name="Simulator", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/simulator"
        )["stateMachineArn"]
        monkeypatch.setenv("SIMULATOR_STATE_MACHINE_ARN", arn)
        monkeypatch.setattr(executions, "_stepfunctions", client)
        yield client


def test_a_message_starts_one_simulation_and_another_token_starts_another(aws: Any) -> None:
    # Given an execution that was redriven, whose second token waits for an answer too
    event = sqs_event(message("first"), message("second"))
    # When
    responses = [async_api_requester.lambda_handler(event, CONTEXT) for _ in range(3)]
    # Then
    assert responses == [{"batchItemFailures": []}] * 3
    [machine] = aws.list_state_machines()["stateMachines"]
    assert len(aws.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]) == 2


def test_a_simulation_that_has_ended_is_not_started_again(
    simulator: FakeSimulator, step_functions: FakeStepFunctions, printed: io.StringIO
) -> None:
    simulator.errors.append(client_error("ExecutionAlreadyExists", "StartExecution"))
    response = async_api_requester.lambda_handler(sqs_event(message()), CONTEXT)
    assert response == {"batchItemFailures": []}
    assert step_functions.calls == []
    assert '"started":false' in printed.getvalue()


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException", "StartExecution"),
        client_error("AccessDeniedException", "StartExecution"),
        ConnectTimeoutError(endpoint_url="https://states.us-east-1.amazonaws.com"),
    ],
    ids=str,
)
def test_a_request_that_was_not_passed_on_comes_back_alone(error: Exception, simulator: FakeSimulator) -> None:
    # Given
    simulator.errors.append(error)
    # When
    response = async_api_requester.lambda_handler(sqs_event(message(TOKEN), message("other")), CONTEXT)
    # Then
    assert len(failed_records(response)) == 1
    assert len(simulator.started) == 1


NO_WAIT = "waitTime must be a whole number of seconds from 0 to 99999999."
NO_STATUS = "status must be success or failure."


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        ({"waitTime": -1, "status": "success"}, NO_WAIT),
        ({"waitTime": 100_000_000, "status": "success"}, NO_WAIT),
        ({"waitTime": 0.5, "status": "success"}, NO_WAIT),
        ({"waitTime": 10**400, "status": "success"}, NO_WAIT),
        ({"waitTime": True, "status": "success"}, NO_WAIT),
        ({"waitTime": "3", "status": "success"}, NO_WAIT),
        ({"waitTime": None, "status": "success"}, NO_WAIT),
        ({"waitTime": [3], "status": "success"}, NO_WAIT),
        ({"status": "success"}, NO_WAIT),
        ({"waitTime": 3, "status": "Success"}, NO_STATUS),
        ({"waitTime": 3, "status": ["success"]}, NO_STATUS),
        ({"waitTime": 3, "status": 200}, NO_STATUS),
        ({"waitTime": 3}, NO_STATUS),
        ({}, f"{NO_WAIT[:-1]}; {NO_STATUS}"),
        ([REQUEST], "The request must be a JSON object with waitTime and status."),
        ("success", "The request must be a JSON object with waitTime and status."),
        (None, "The request must be a JSON object with waitTime and status."),
        ({"x": "\ud83d"}, "The message cannot be read: it has half an emoji in it (a surrogate without the other)."),
    ],
)
def test_an_invalid_request_fails_the_workflow_at_once(
    payload: object, cause: str, simulator: FakeSimulator, step_functions: FakeStepFunctions
) -> None:
    # When
    response = async_api_requester.lambda_handler(sqs_event(message(payload=payload)), CONTEXT)
    # Then
    assert response == {"batchItemFailures": []}
    assert simulator.started == []
    failure = {"taskToken": TOKEN, "error": "AsyncApi.InvalidRequest", "cause": cause}
    assert step_functions.calls == [("failure", failure)]


@pytest.mark.parametrize("wait_time", [0, 1, 99_999_999, 3.0, 1e3])
@pytest.mark.parametrize("status", ["success", "failure"])
def test_a_valid_request_is_passed_on_with_its_wait_as_a_whole_number(
    wait_time: float, status: str, simulator: FakeSimulator
) -> None:
    payload = {"waitTime": wait_time, "status": status, "surplus": "is let through the check, and left behind"}
    async_api_requester.lambda_handler(sqs_event(message(payload=payload)), CONTEXT)
    [arguments] = simulator.started
    simulation = json.loads(arguments["input"])
    assert f"{simulation['waitTime']} {simulation['status']}" == f"{int(wait_time)} {status}"
    assert simulation.keys() == {"taskToken", "waitTime", "status", "executionId"}


def test_a_refusal_that_did_not_arrive_comes_back(simulator: FakeSimulator, step_functions: FakeStepFunctions) -> None:
    step_functions.errors.append(client_error("ThrottlingException"))
    response = async_api_requester.lambda_handler(sqs_event(message(payload={})), CONTEXT)
    assert failed_records(response) == ["message-1"]


@given(payload=any_json | st.fixed_dictionaries({}, optional={"waitTime": any_json, "status": any_json}))
def test_any_payload_is_either_passed_on_or_refused(payload: Any) -> None:
    # Given
    simulator, step_functions = FakeSimulator(), FakeStepFunctions()
    # When
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executions, "_stepfunctions", simulator)
        patch.setattr("callbacks.task._stepfunctions", step_functions)
        response = async_api_requester.lambda_handler(sqs_event(message(payload=payload)), CONTEXT)
    # Then
    assert response == {"batchItemFailures": []}
    assert len(simulator.started) + len(step_functions.calls) == 1
