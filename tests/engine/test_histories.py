"""Histories are as AWS wrote them when they were recorded, event by event.

The recordings are LocalStack's (tests/aws/services/stepfunctions/v2, made on AWS from 2023 to 2025). Each behaviour
names the one that shows it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.engine.aws import SQS, Aws, only, wait

pytestmark = pytest.mark.local("its own state machines, on the embedded AWS")

CALLBACK, HEARTBEATS, TIMEOUTS = "callback/test_callback.py", "callback/test_heartbeats.py", "timeouts/test_timeouts.py"
RESOURCE = {"resource": "sendMessage.waitForTaskToken", "resourceType": "sqs"}
BEGIN = ["ExecutionStarted 0", "TaskStateEntered 0", "TaskScheduled 2", "TaskStarted 3", "TaskSubmitted 4"]


@dataclass(frozen=True)
class Behaviour:
    recording: str
    fields: dict[str, Any]
    answer: Callable[[Aws, str], object]
    events: list[str]  # after those that every wait begins with: type and previousEventId
    last: dict[str, Any]  # details of the event that ends the task
    end: dict[str, Any]  # of the execution's description
    times: dict[str, int]


def success(aws: Aws, token: str) -> None:
    aws.sfn.send_task_success(taskToken=token, output='"done"')


def failure(aws: Aws, token: str) -> None:
    aws.sfn.send_task_failure(taskToken=token, error="Failure error", cause="Failure cause")


def bare_failure(aws: Aws, token: str) -> None:
    aws.sfn.send_task_failure(taskToken=token)


def nothing(_aws: Aws, _token: str) -> None:
    pass


SUCCEEDED = ["TaskSucceeded 5", "TaskStateExited 6", "ExecutionSucceeded 7"]
FAILED = ["TaskFailed 5", "ExecutionFailed 6"]
TIMED_OUT = ["TaskTimedOut 5", "ExecutionFailed 6"]
OUT = {"error": "States.Timeout"}
BEHAVIOURS = {
    "success": Behaviour(
        f"{CALLBACK}::test_sqs_wait_for_task_token",
        {},
        success,
        SUCCEEDED,
        {"output": '"done"'},
        {"output": '"done"'},
        {},
    ),
    "success under times": Behaviour(
        f"{CALLBACK}::test_sqs_wait_for_task_tok_with_heartbeat",
        {"TimeoutSeconds": 600, "HeartbeatSeconds": 60},
        success,
        SUCCEEDED,
        {"output": '"done"'},
        {"output": '"done"'},
        {"timeoutInSeconds": 600, "heartbeatInSeconds": 60},
    ),
    "failure": Behaviour(
        f"{CALLBACK}::test_sqs_failure_in_wait_for_task_token",
        {},
        failure,
        FAILED,
        {"error": "Failure error", "cause": "Failure cause"},
        {"error": "Failure error", "cause": "Failure cause"},
        {},
    ),
    "failure without error and cause": Behaviour(
        f"{CALLBACK}::test_sqs_failure_in_wait_for_task_tok_no_error_field", {}, bare_failure, FAILED, {}, {}, {}
    ),
    "timeout": Behaviour(
        f"{CALLBACK}::test_sqs_wait_for_task_token_timeout",
        {"TimeoutSeconds": 1},
        nothing,
        TIMED_OUT,
        OUT,
        OUT,
        {"timeoutInSeconds": 1},
    ),
    "missed heartbeat": Behaviour(
        f"{HEARTBEATS}::test_heartbeat_timeout",
        {"TimeoutSeconds": 600, "HeartbeatSeconds": 1},
        nothing,
        TIMED_OUT,
        OUT,
        OUT,
        {"timeoutInSeconds": 600, "heartbeatInSeconds": 1},
    ),
    "missed heartbeat without a timeout": Behaviour(
        f"{HEARTBEATS}::test_heartbeat_no_timeout",
        {"HeartbeatSeconds": 1},
        nothing,
        TIMED_OUT,
        OUT,
        OUT,
        {"heartbeatInSeconds": 1},
    ),
}


def numbered(events: list[dict[str, Any]]) -> list[str]:
    assert [event["id"] for event in events] == [*range(1, len(events) + 1)]
    return [f"{event['type']} {event['previousEventId']}" for event in events]


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_wait_is_written_into_the_history_as_on_aws(aws: Aws, language: str, name: str) -> None:
    behaviour = BEHAVIOURS[name]
    # When
    execution, token = aws.waiting(language, {"orderId": "1"}, **behaviour.fields)
    behaviour.answer(aws, token)
    end = aws.end(execution)
    # Then
    assert numbered(aws.events(execution)) == BEGIN + behaviour.events
    [scheduled] = aws.details(execution, "TaskScheduled")
    assert json.loads(scheduled.pop("parameters")) == {
        "QueueUrl": aws.queue_url,
        "MessageBody": {"input": {"orderId": "1"}, "token": token},
    }
    assert scheduled == {"region": "us-east-1", **RESOURCE, **behaviour.times}
    assert aws.details(execution, "TaskStarted") == [RESOURCE]
    [submitted] = aws.details(execution, "TaskSubmitted")
    assert json.loads(submitted.pop("output")).keys() == {"MessageId", "MD5OfMessageBody"}
    assert submitted == RESOURCE
    assert aws.details(execution, behaviour.events[0].split()[0]) == [RESOURCE | behaviour.last]
    assert {name: end[name] for name in ("output", "error", "cause") if name in end} == behaviour.end


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_half_a_surrogate_pair_stays_an_escape_in_a_history(aws: Aws, language: str) -> None:
    execution, token = aws.waiting(language, {"orderId": "\ud83d"})
    [scheduled] = aws.details(execution, "TaskScheduled")
    assert json.loads(scheduled["parameters"])["MessageBody"]["input"] == {"orderId": "\ud83d"}
    aws.sfn.send_task_success(taskToken=token, output="1")


def test_a_wait_whose_token_nobody_was_given_times_out(aws: Aws) -> None:
    # As recorded in callback/test_callback.py::test_sqs_wait_for_task_token_no_token_parameter
    state = wait("JSONPath", aws.queue_url, TimeoutSeconds=1)
    del state["Parameters"]["MessageBody"]["token.$"]
    execution = aws.start(only(state))
    assert aws.end(execution)["error"] == "States.Timeout"
    assert numbered(aws.events(execution)) == BEGIN + TIMED_OUT


def test_a_caught_failure_has_null_for_what_it_lacks(aws: Aws, language: str) -> None:
    # As recorded in callback/test_callback.py::test_sqs_failure_in_wait_for_task_tok_no_error_field
    caught = {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
    if language == "JSONata":
        caught["Output"] = "{% $states.errorOutput %}"
    states = {"Wait": wait(language, aws.queue_url, Catch=[caught]), "Caught": {"Type": "Succeed"}}
    execution = aws.start({"StartAt": "Wait", "States": states}, language)
    bare_failure(aws, aws.token())
    assert json.loads(aws.end(execution)["output"]) == {"Error": None, "Cause": None}


def test_a_failed_branch_of_a_parallel_ends_the_others(aws: Aws, language: str) -> None:
    # As recorded in callback/test_callback.py::test_sqs_failure_in_wait_for_task_tok_no_error_field, but with two
    branches = [only(wait(language, aws.queue_url)) for _ in range(2)]
    execution = aws.start(only({"Type": "Parallel", "Branches": branches, "End": True}), language)
    tokens = [aws.token(), aws.token()]
    aws.sfn.send_task_failure(taskToken=tokens[0], error="Work.Refused")
    assert aws.end(execution)["error"] == "Work.Refused"
    events = aws.events(execution)
    assert [event["type"] for event in events][:3] == [
        "ExecutionStarted",
        "ParallelStateEntered",
        "ParallelStateStarted",
    ]
    failed = next(event for event in events if event["type"] == "TaskFailed")
    assert numbered(events)[failed["id"] :] == [
        f"TaskStateAborted {failed['id']}",
        f"TaskStateAborted {failed['id']}",
        f"ParallelStateFailed {failed['id']}",
        f"ExecutionFailed {failed['id'] + 3}",
    ]
    with pytest.raises(aws.sfn.exceptions.TaskTimedOut):
        success(aws, tokens[1])


def test_items_of_a_map_that_time_out_are_aborted_with_it(aws: Aws, language: str) -> None:
    # As recorded in timeouts/test_timeouts.py::test_service_lambda_map_timeout
    processor = only(wait(language, aws.queue_url, TimeoutSeconds=1))
    state = {"Type": "Map", "ItemProcessor": processor, "End": True}
    execution = aws.start(only(state), language, [1, 2, 3])
    assert aws.end(execution)["error"] == "States.Timeout"
    assert aws.types(execution)[:6] == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        *["MapIterationStarted"] * 3,
    ]
    assert aws.details(execution, "MapStateStarted") == [{"length": 3}]
    assert aws.details(execution, "MapIterationStarted") == [{"name": "Only", "index": index} for index in range(3)]
    events = aws.events(execution)
    first = next(event["id"] for event in events if event["type"] == "TaskTimedOut")
    assert numbered(events)[-8:] == [
        f"MapIterationFailed {first}",
        f"TaskStateAborted {first}",
        *[f"MapIterationAborted {first}", f"TaskStateAborted {first}"] * 2,
        f"MapStateFailed {first}",
        f"ExecutionFailed {len(events) - 1}",
    ]


def test_items_of_a_map_are_answered_each_by_its_own_token(aws: Aws, language: str) -> None:
    state = {"Type": "Map", "ItemProcessor": only(wait(language, aws.queue_url)), "MaxConcurrency": 2, "End": True}
    execution = aws.start(only(state), language, ["a", "b", "c"])
    for _ in range(3):
        message = aws.message()
        aws.sfn.send_task_success(taskToken=message["token"], output=json.dumps(message["input"] * 2))
    assert json.loads(aws.end(execution)["output"]) == ["aa", "bb", "cc"]
    assert aws.types(execution)[-3:] == ["MapStateSucceeded", "MapStateExited", "ExecutionSucceeded"]
    assert sorted(each["index"] for each in aws.details(execution, "MapIterationSucceeded")) == [0, 1, 2]


def test_children_of_a_distributed_map_wait_in_executions_of_their_own(aws: Aws) -> None:
    processor = {**only(wait("JSONPath", aws.queue_url)), "ProcessorConfig": {"Mode": "DISTRIBUTED"}}
    state = {"Type": "Map", "Label": "Items", "ItemProcessor": processor, "End": True}
    execution = aws.start(only(state), data=[1, 2])
    for _ in range(2):
        message = aws.message()
        aws.sfn.send_task_success(taskToken=message["token"], output=json.dumps(message["input"]))
    assert json.loads(aws.end(execution)["output"]) == [1, 2]
    assert aws.types(execution)[3:-2] == ["MapRunStarted", "MapRunSucceeded", "MapStateSucceeded"]
    [started] = aws.details(execution, "MapRunStarted")
    children = aws.sfn.list_executions(mapRunArn=started["mapRunArn"])["executions"]
    assert [child["status"] for child in children] == ["SUCCEEDED"] * 2
    assert numbered(aws.events(children[0]["executionArn"])) == BEGIN + SUCCEEDED


def test_a_plain_call_is_scheduled_started_and_succeeded(aws: Aws, language: str) -> None:
    # As recorded in services/test_sqs_task_service.py, for calls that wait for nothing
    given = {"QueueUrl": aws.queue_url, "MessageBody": "text"}
    fields = {"Arguments" if language == "JSONata" else "Parameters": given}
    execution = aws.start(only(wait(language, aws.queue_url, Resource=SQS, **fields)), language)
    aws.end(execution)
    types = ["TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"]
    assert aws.types(execution) == ["ExecutionStarted", *types, "ExecutionSucceeded"]
    assert aws.details(execution, "TaskStarted") == [{"resource": "sendMessage", "resourceType": "sqs"}]


def test_a_nested_execution_ends_by_its_own_end_or_by_the_token(aws: Aws) -> None:
    # As recorded in callback/test_callback.py::test_sync_with_task_token
    inner = {
        "Send": wait("JSONPath", aws.queue_url, Resource=SQS, Next="Wait"),
        "Wait": {"Type": "Wait", "Seconds": 900, "End": True},
    }
    del inner["Send"]["End"]
    inner["Send"]["Parameters"]["MessageBody"] = {"token.$": "$.token"}
    machine = aws.machine({"StartAt": "Send", "States": inner})
    started = {"StateMachineArn": machine, "Input": {"token.$": "$$.Task.Token"}}
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync",
        "Parameters": started,
        "End": True,
    }
    execution = aws.start(only(state))
    success(aws, aws.token())
    assert aws.end(execution)["output"] == '"done"'
    assert numbered(aws.events(execution)) == BEGIN + SUCCEEDED
    assert aws.details(execution, "TaskStarted") == [{"resource": "startExecution.sync", "resourceType": "states"}]


def test_an_expression_that_fails_is_an_event_of_its_own(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_EvaluationFailedEventDetails.html
    state = wait("JSONata", aws.queue_url, Output="{% $nothing %}")
    execution = aws.start(only(state), "JSONata")
    success(aws, aws.token())
    assert aws.end(execution)["error"] == "States.QueryEvaluationError"
    [details] = aws.details(execution, "EvaluationFailed")
    assert (details["state"], details["location"], details["error"]) == (
        "Only",
        "Output",
        "States.QueryEvaluationError",
    )


def test_a_history_is_read_page_by_page_and_backwards(aws: Aws) -> None:
    execution, token = aws.waiting("JSONata")
    success(aws, token)
    aws.end(execution)
    page = aws.sfn.get_execution_history(executionArn=execution, maxResults=3, reverseOrder=True)
    assert [event["id"] for event in page["events"]] == [8, 7, 6]
    hidden = aws.sfn.get_execution_history(executionArn=execution, includeExecutionData=False)["events"]
    assert token not in json.dumps(hidden, default=str)
