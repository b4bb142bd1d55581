"""Functions: every line that they log, their errors by AWS's names, and partial failures of a stream's batch."""

import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.engine.aws import ROLE, Aws, only
from tools.stack import poll

pytestmark = pytest.mark.local("its own functions, on the embedded AWS")

INVOKE = "arn:aws:states:::lambda:invoke"
MODULE = """
import json, os, sys, threading

class OutOfStock(Exception):
    pass

def lambda_handler(event, context):
    what = event.get("what")
    if what == "raise":
        raise OutOfStock(event["message"])
    if what == "die":
        os._exit(1)
    if what == "sleep":
        import time
        time.sleep(60)
    if what == "large":
        return "x" * 300_000
    if what == "log":
        for number in range(event["lines"]):
            print(json.dumps({"run": event["run"], "number": number, "text": "ü" * event["length"]}))
        sys.stdout.write("unfinished " + event["run"])
        sys.stdout.flush()
    if "Records" in event:
        ids = [record["dynamodb"]["NewImage"]["pk"]["S"] for record in event["Records"]]
        print(json.dumps({"batch": ids}))
        failures = json.loads(os.environ["FAILURES"])
        if "raise" in failures:
            raise OutOfStock("all of them")
        reported = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]
                    if record["dynamodb"]["NewImage"]["pk"]["S"] in failures]
        return {"batchItemFailures": [{"itemIdentifier": number} for number in reported]}
    return "done"
"""


def make_function(aws: Aws, module: str = MODULE, timeout: int = 5, **variables: str) -> str:
    """A function of this module; its name."""
    name = f"contract-{uuid4().hex[:8]}"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("module.py", module)
    aws.engine.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.14",
        Role=ROLE,
        Handler="module.lambda_handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=timeout,
        Environment={"Variables": variables},
    )
    return name


@pytest.fixture
def function(aws: Aws) -> Callable[..., str]:
    return partial(make_function, aws)


def invoked(aws: Aws, function: str, event: dict[str, Any], **fields: object) -> dict[str, Any]:
    """How an execution ended that invokes a function."""
    arguments = {"FunctionName": function, "Payload": event}
    state = {"Type": "Task", "Resource": INVOKE, "Parameters": arguments, "End": True, **fields}
    return aws.end(aws.start(only(state)))


def log(aws: Aws, function: str) -> list[str]:
    logs, group = aws.engine.client("logs"), f"/aws/lambda/{function}"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return []  # it has not been invoked yet
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def test_every_line_that_a_function_logs_is_in_its_log_when_it_has_answered(aws: Aws, function: Any) -> None:
    name = function()
    for lines, length in ((0, 1), (1, 1), (3, 60_000), (2000, 10), (1, 1)):
        run = uuid4().hex
        event = {"what": "log", "run": run, "lines": lines, "length": length}
        aws.engine.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        mine = [line for line in log(aws, name) if run in line]
        assert [json.loads(line)["number"] for line in mine[:-1]] == [*range(lines)]
        assert mine[-1] == f"unfinished {run}"


BROKEN = "import no_such_module\ndef lambda_handler(event, context): pass"
# What a function does, and what its task fails by: docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html and
# docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
ERRORS = {
    "raises": ({"what": "raise", "message": "no more"}, MODULE, "OutOfStock"),
    "raises with no word": ({"what": "raise", "message": ""}, MODULE, "OutOfStock"),
    "raises with many": ({"what": "raise", "message": "no: more\nKeyError: of\n  File them"}, MODULE, "OutOfStock"),
    "dies": ({"what": "die"}, MODULE, "Runtime.ExitError"),
    "sleeps": ({"what": "sleep"}, MODULE, "Sandbox.Timedout"),
    "cannot be imported": ({}, BROKEN, "Runtime.ImportModuleError"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_a_failed_function_fails_its_task_by_the_name_that_lambda_gives(aws: Aws, function: Any, what: str) -> None:
    event, module, error = ERRORS[what]
    name = function(module, timeout=2)
    for _ in range(2):  # cold and warm
        end = invoked(aws, name, event)
        assert (end["status"], end["error"]) == ("FAILED", error), end["cause"]
        cause = json.loads(end["cause"])
        assert cause["errorType"] == error
        if error == "OutOfStock":
            assert cause["errorMessage"] == event["message"]
            assert "in lambda_handler" in cause["stackTrace"][-1]
    assert invoked(aws, function(), {})["status"] == "SUCCEEDED"


def test_a_function_that_takes_too_long_for_its_task_is_not_waited_for(aws: Aws, function: Any) -> None:
    # As recorded in timeouts/test_timeouts.py::test_fixed_timeout_service_lambda and ::test_fixed_timeout_lambda
    name = function(timeout=10)
    arn = aws.engine.client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    end = invoked(aws, name, {"what": "sleep"}, TimeoutSeconds=1)
    assert (end["error"], "cause" in end) == ("States.Timeout", False)
    assert aws.types(end["executionArn"])[2:] == ["TaskScheduled", "TaskStarted", "TaskTimedOut", "ExecutionFailed"]
    state = {"Type": "Task", "Resource": arn, "TimeoutSeconds": 1, "End": True}
    execution = aws.start(only(state), data={"what": "sleep"})
    assert aws.end(execution)["error"] == "States.Timeout"
    kinds = ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionTimedOut", "ExecutionFailed"]
    assert aws.types(execution)[2:] == kinds
    [scheduled] = aws.details(execution, "LambdaFunctionScheduled")
    assert scheduled == {"resource": arn, "input": '{"what":"sleep"}', "timeoutInSeconds": 1}


@pytest.mark.parametrize("names", [["States.DataLimitExceeded"], ["States.ALL"]])
def test_an_answer_of_more_than_256_kib_fails_the_task(aws: Aws, function: Any, names: list[str]) -> None:
    # As recorded in error_handling/test_states_errors.py::test_service_task_lambada_…data_limit_exceeded…
    arguments = {"FunctionName": function(), "Payload": {"what": "large"}}
    caught = [{"ErrorEquals": names, "Next": "Caught"}]
    states = {
        "Invoke": {"Type": "Task", "Resource": INVOKE, "Parameters": arguments, "Catch": caught, "End": True},
        "Caught": {"Type": "Succeed"},
    }
    execution = aws.start({"StartAt": "Invoke", "States": states})
    cause = "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes service limit."
    assert json.loads(aws.end(execution)["output"]) == {"Error": "States.DataLimitExceeded", "Cause": cause}
    assert aws.types(execution)[2:5] == ["TaskScheduled", "TaskStarted", "TaskFailed"]


# ------------------------------------------------------------------ DynamoDB streams


def followed(aws: Aws, function: Any, failures: list[str], **mapping: object) -> tuple[str, str]:
    """A function that follows a table's stream and reports items as failed, and the table with five items."""
    name, table = function(FAILURES=json.dumps(failures)), f"contract-{uuid4().hex[:8]}"
    dynamodb = aws.engine.client("dynamodb")
    stream = aws.table(table)
    for number in range(5):
        dynamodb.put_item(TableName=table, Item={"pk": {"S": str(number)}})
    aws.engine.client("lambda").create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=stream,
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        **mapping,
    )
    return name, table


def batches(aws: Aws, function: str, count: int) -> list[list[str]]:
    """The items of each batch that a function was invoked with, when there are so many batches."""

    def found() -> list[list[str]] | None:
        lines = [json.loads(line)["batch"] for line in log(aws, function) if line.startswith('{"batch"')]
        return lines if len(lines) >= count else None

    return poll(f"{count} batches", found)


def test_a_stream_comes_again_from_the_first_record_that_failed(aws: Aws, function: Any) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    name, _ = followed(aws, function, ["2", "4"])
    assert batches(aws, name, 3)[:3] == [["0", "1", "2", "3", "4"], ["2", "3", "4"], ["2", "3", "4"]]
    # When the function has been repaired
    aws.engine.client("lambda").update_function_configuration(
        FunctionName=name, Environment={"Variables": {"FAILURES": '["4"]'}}
    )
    poll("batch of the last alone", lambda: ["4"] in batches(aws, name, 1) or None)


@pytest.mark.parametrize("failures", [["1"], ["raise"]])
def test_a_stream_goes_on_when_a_batch_has_been_tried_often_enough(
    aws: Aws, function: Any, failures: list[str]
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    queue = aws.sqs.get_queue_attributes(QueueUrl=aws.queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    kept = {"OnFailure": {"Destination": queue}}
    name, table = followed(aws, function, failures, MaximumRetryAttempts=1, DestinationConfig=kept)
    message = aws.message()
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["DDBStreamBatchInfo"]["batchSize"] == (4 if failures == ["1"] else 5)
    aws.engine.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "next"}})
    poll("the next batch", lambda: ["next"] in batches(aws, name, 1) or None)


# ------------------------------------------------------------------ events
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
def test_an_event_comes_twice_more_and_then_goes_to_the_destination(aws: Aws, function: Any) -> None:
    # Given a rule for a function that always fails, and a destination for what it failed on
    name, source = function(), f"contract.{uuid4().hex}"
    client, events = aws.engine.client("lambda"), aws.engine.client("events")
    queue = aws.sqs.get_queue_attributes(QueueUrl=aws.queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": queue}})
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    target = {"Id": "1", "Arn": client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]}
    failing = json.dumps({"what": "raise", "message": "lost"})
    events.put_targets(Rule=source, Targets=[{**target, "Input": failing}])
    # When
    events.put_events(Entries=[{"Source": source, "DetailType": "any", "Detail": "{}"}])
    # Then
    assert "lost" in json.dumps(aws.message())
    group = {"logGroupName": f"/aws/lambda/{name}", "filterPattern": '"START RequestId"'}
    assert len(aws.engine.client("logs").filter_log_events(**group)["events"]) == 3
