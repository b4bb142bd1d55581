"""The asynchronous API on a deployed stack, from the request to the line that the logger writes about its end."""

import json
from collections import Counter
from collections.abc import Set as AbstractSet
from hashlib import sha256
from typing import Any

import pytest

from tests.e2e.given import Stacks
from tools.stack import Stack, poll

MACHINE = "AsyncApiStateMachineArn"
SIMULATOR = "AsyncApiSimulatorStateMachineArn"
REQUESTER = "AsyncApiRequesterFunctionName"
LOGGER = "NotificationLoggerFunctionName"
QUEUE = "ApiRequestQueueUrl"

RESPONSE = {"status": 200, "message": "The request was processed."}

SUCCESS_PATH = ["CallAsyncApi", "CheckResponseStatus", "NotifySuccess"]
ERROR_PATH = ["CallAsyncApi", "NotifyError", "ApiFailed"]


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["async-api"]


@pytest.fixture(scope="module")
def awake(stack: Stack) -> None:
    """Every function has started: how long that takes is Lambda's affair."""
    end = stack.ended(stack.start({"waitTime": 0, "status": "success"}, MACHINE))
    assert end["status"] == "SUCCEEDED"
    logged(stack, end["executionArn"])


def logged(stack: Stack, execution_id: str) -> dict[str, Any]:
    """What the logger wrote about an execution, which it must have got once."""
    [line] = await_lines(stack, {execution_id})[execution_id]
    return line


def await_lines(stack: Stack, executions: AbstractSet[str]) -> dict[str, list[dict[str, Any]]]:
    """The logger's lines, when they tell of all these executions."""

    def found() -> dict[str, list[dict[str, Any]]] | None:
        lines = logged_lines(stack)
        return lines if executions <= lines.keys() else None

    return poll(f"log line of each of {len(executions)} executions", found, every=0.3)


def logged_lines(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """The logger's lines about notifications, by execution; of each what it says of the outcome."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in stack.log_lines(LOGGER):
        if line.get("message") == "notification received":
            said: dict[str, Any] = {
                field: line[field] for field in ("outcome", "notification", "error") if field in line
            }
            lines.setdefault(line["correlation_id"], []).append(said)
    return lines


def failed(error: str) -> dict[str, Any]:
    return {"outcome": "FAILED", "notification": "API Failed", "error": error}


SUCCEEDED = {"outcome": "SUCCEEDED", "notification": "API Executed Successfully"}


def seconds_taken(end: dict[str, Any]) -> float:
    return float((end["stopDate"] - end["startDate"]).total_seconds())


@pytest.mark.usefixtures("awake")
def test_a_call_succeeds_or_fails_after_its_wait_time(stack: Stack) -> None:
    # When
    statuses = ("success", "failure")
    success, failure = stack.start_all([{"waitTime": 3, "status": status} for status in statuses], machine=MACHINE)
    # Then
    end = stack.ended(success)
    assert 3 <= seconds_taken(end) <= 30
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", RESPONSE)
    assert stack.states_entered(success) == SUCCESS_PATH
    assert logged(stack, success) == SUCCEEDED
    end = stack.ended(failure)
    assert 3 <= seconds_taken(end) <= 30
    assert (end["status"], end["error"]) == ("FAILED", "AsyncApi.RequestFailed")
    assert end["cause"] == "The simulated API was asked to fail."
    assert stack.states_entered(failure) == ERROR_PATH
    assert logged(stack, failure) == failed("AsyncApi.RequestFailed")


def test_a_workflow_that_somebody_stops_is_notified_as_aborted(stack: Stack) -> None:
    execution_id = stack.start({"waitTime": 3600, "status": "success"}, MACHINE)
    stack.stop(execution_id)
    assert stack.ended(execution_id)["status"] == "ABORTED"
    assert logged(stack, execution_id)["outcome"] == "ABORTED"


def simulations_so_far(stack: Stack) -> AbstractSet[str]:
    """Once there are those that earlier tests have asked for: a workflow that is stopped takes no request back."""
    poll("empty queue", lambda: stack.depth(QUEUE) == 0 or None)
    return stack.executions(SIMULATOR).keys()


def test_an_invalid_request_fails_at_once_and_names_the_field(stack: Stack) -> None:
    # Given
    wait_time = "waitTime must be a whole number of seconds from 0 to 99999999"
    status = "status must be success or failure"
    not_an_object = "The request must be a JSON object with waitTime and status."
    invalid: list[tuple[object, str]] = [
        ({"waitTime": 100_000_000, "status": "success"}, f"{wait_time}."),
        ({"waitTime": 1.5, "status": "failure"}, f"{wait_time}."),
        ({"waitTime": 3, "status": None}, f"{status}."),
        ({}, f"{wait_time}; {status}."),
        ([], not_an_object),
        ("text", not_an_object),
        (None, not_an_object),
    ]
    simulations = simulations_so_far(stack)
    # When
    executions = stack.start_all([payload for payload, _ in invalid], machine=MACHINE)
    # Then
    for execution_id, (payload, cause) in zip(executions, invalid, strict=True):
        end = stack.ended(execution_id)
        assert (end["status"], end["error"], end["cause"]) == ("FAILED", "AsyncApi.InvalidRequest", cause), payload
        assert stack.states_entered(execution_id) == ERROR_PATH
        assert logged(stack, execution_id) == failed("AsyncApi.InvalidRequest")
    assert stack.executions(SIMULATOR).keys() == simulations


def test_only_a_response_with_status_200_is_a_success(stack: Stack) -> None:
    # Given an API that answers as it likes
    only = "only 200 is a success."
    responses: list[tuple[object, str]] = [
        ({"status": 500}, f"The API answered with status 500; {only}"),
        ({"status": 201, "message": "Created"}, f"The API answered with status 201; {only}"),
        ({"status": "200"}, f"The API answered without a numeric status; {only}"),
        ([{"status": 200}], f"The API answered without a numeric status; {only}"),
        ("200", f"The API answered without a numeric status; {only}"),
        (None, f"The API answered without a numeric status; {only}"),
    ]
    with stack.consumer_off(REQUESTER):
        for response, cause in responses:
            execution_id = stack.start({"waitTime": 0, "status": "success"}, MACHINE)
            token = json.loads(stack.receive(QUEUE)["Body"])["taskToken"]
            # When
            stack.client("stepfunctions").send_task_success(taskToken=token, output=json.dumps(response))
            # Then
            end = stack.ended(execution_id)
            assert (end["status"], end["error"], end["cause"]) == ("FAILED", "AsyncApi.UnexpectedStatus", cause)
            path = ["CallAsyncApi", "CheckResponseStatus", "RejectResponse", "NotifyError", "ApiFailed"]
            assert stack.states_entered(execution_id) == path
            assert logged(stack, execution_id) == failed("AsyncApi.UnexpectedStatus")


@pytest.mark.usefixtures("awake")
def test_a_wait_beyond_the_timeout_fails_and_its_late_callback_is_settled(stack: Stack) -> None:
    # Given a workflow that waits for 2 seconds, not for an hour
    before = simulations_so_far(stack)
    with stack.impatient(MACHINE, "CallAsyncApi", TimeoutSeconds=2):
        # When
        execution_id = stack.start({"waitTime": 5, "status": "success"}, MACHINE)
        end = stack.ended(execution_id)
    # Then it ends at its timeout, while the API still works
    [simulation] = stack.executions(SIMULATOR).keys() - before
    assert stack.executions(SIMULATOR)[simulation] == "RUNNING"
    assert (end["status"], end["error"]) == ("FAILED", "Callback.TimedOut")
    assert stack.states_entered(execution_id) == ERROR_PATH
    assert logged(stack, execution_id) == failed("Callback.TimedOut")
    # And the late callback finds it settled
    late = stack.ended(simulation)
    assert (late["status"], json.loads(late["output"])) == ("SUCCEEDED", {"outcome": "ALREADY_SETTLED"})
    assert stack.states_entered(execution_id) == ERROR_PATH
    assert logged(stack, execution_id) == failed("Callback.TimedOut")
    assert stack.depth("QuarantineQueueUrl") == stack.depth("DeadLetterQueueUrl") == 0


@pytest.mark.usefixtures("awake")
def test_40_requests_at_once_each_delivered_twice_are_40_simulations(
    stack: Stack,
) -> None:
    # Given 40 requests, each of which is in the queue twice
    before = simulations_so_far(stack)
    requests = [{"waitTime": 1 + number % 10, "status": ("success", "failure")[number % 2]} for number in range(40)]
    with stack.consumer_off(REQUESTER):
        executions = stack.start_all([*requests], machine=MACHINE)
        bodies = [stack.receive(QUEUE)["Body"] for _ in executions]
        for body in bodies * 2:
            stack.send(QUEUE, body)
    # When
    ends = {execution_id: stack.ended(execution_id) for execution_id in executions}
    poll("empty queue", lambda: stack.depth(QUEUE) == 0 or None, seconds=120)  # a batch may come again, after 90 s
    # Then there were 40 simulations, each named after its token
    simulations = stack.executions(SIMULATOR).keys() - before
    tokens = [json.loads(body)["taskToken"] for body in bodies]
    assert sorted(arn.rpartition(":")[2] for arn in simulations) == sorted(
        sha256(token.encode()).hexdigest() for token in tokens
    )
    # And 40 callbacks, one taken by each workflow
    for execution_id, request in zip(executions, requests, strict=True):
        types = Counter(event["type"] for event in stack.events(execution_id))
        answers = types["TaskSucceeded"] - 1, types["TaskFailed"]  # without that of the publish, which succeeds
        succeeds = request["status"] == "success"
        assert (ends[execution_id]["status"], answers) == (("SUCCEEDED", (1, 0)) if succeeds else ("FAILED", (0, 1)))
    # And 40 notifications
    lines = await_lines(stack, ends.keys())
    for execution_id, request in zip(executions, requests, strict=True):
        succeeds = request["status"] == "success"
        assert lines[execution_id] == [SUCCEEDED if succeeds else failed("AsyncApi.RequestFailed")]


def test_a_request_that_cannot_be_passed_on_fails_its_workflow(
    stack: Stack,
) -> None:
    # Given a requester that is broken
    with (
        stack.quick_redelivery(QUEUE, "DeadLetterQueueUrl"),
        stack.without_variable(REQUESTER, "SIMULATOR_STATE_MACHINE_ARN"),
    ):
        # When
        execution_id = stack.start({"waitTime": 0, "status": "success"}, MACHINE)
        stack.send(QUEUE, "not JSON")
        # Then
        end = stack.ended(execution_id)
        assert (end["status"], end["error"]) == ("FAILED", "Callback.Undeliverable")
        assert stack.states_entered(execution_id) == ERROR_PATH
        assert logged(stack, execution_id) == failed("Callback.Undeliverable")
        assert stack.receive("QuarantineQueueUrl")["Body"] == "not JSON"
    # And it works again
    end = stack.ended(stack.start({"waitTime": 0, "status": "success"}, MACHINE))
    assert end["status"] == "SUCCEEDED"


def test_what_the_logger_fails_on_is_kept(stack: Stack) -> None:
    event = {"not": "a notification"}
    arguments = {"InvocationType": "Event", "Payload": json.dumps(event)}
    stack.client("lambda").invoke(FunctionName=stack.outputs[LOGGER], **arguments)
    kept = stack.receive("UndeliveredNotificationQueueUrl", seconds=300)  # Lambda tries three times, over minutes
    assert json.loads(kept["Body"])["requestPayload"] == event
