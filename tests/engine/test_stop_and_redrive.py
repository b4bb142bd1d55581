"""A stop ends a wait at once; a redrive takes an execution up where it failed, under a new token, or is refused.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

import json
from typing import Any

import pytest

from tests.engine.aws import Aws, code, only, wait

pytestmark = pytest.mark.local("it moves the clock of the embedded AWS")


def redrive(aws: Aws, execution: str) -> None:
    aws.sfn.redrive_execution(executionArn=execution)


def described(aws: Aws, execution: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.sfn.describe_execution(executionArn=execution)
    return found


def test_a_stop_ends_a_wait_at_once(aws: Aws, language: str) -> None:
    execution, token = aws.waiting(language)
    aws.sfn.stop_execution(executionArn=execution, error="Order.Withdrawn", cause="The customer called.")
    end = described(aws, execution)
    assert (end["status"], end["error"], end["cause"]) == ("ABORTED", "Order.Withdrawn", "The customer called.")
    assert "output" not in end
    assert aws.types(execution)[-2:] == ["TaskSubmitted", "ExecutionAborted"]
    assert aws.details(execution, "ExecutionAborted") == [{"error": "Order.Withdrawn", "cause": "The customer called."}]
    assert code(lambda: aws.sfn.send_task_success(taskToken=token, output="1")) == "TaskTimedOut"
    assert aws.types(execution)[-1] == "ExecutionAborted"


def test_a_stop_without_a_word_has_neither_error_nor_cause(aws: Aws) -> None:
    execution, _ = aws.waiting("JSONata")
    aws.sfn.stop_execution(executionArn=execution)
    assert not {"error", "cause"} & described(aws, execution).keys()
    assert aws.details(execution, "ExecutionAborted") == [{}]


def test_a_stop_ends_every_branch(aws: Aws, language: str) -> None:
    branches = [only(wait(language, aws.queue_url)), only({"Type": "Wait", "Seconds": 900, "End": True})]
    processor = {"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "Branches": branches, "End": True}}}
    execution = aws.start(only({"Type": "Map", "ItemProcessor": processor, "End": True}), language, [1, 2])
    tokens = [aws.token(), aws.token()]
    aws.sfn.stop_execution(executionArn=execution)
    for token in tokens:
        assert code(lambda token=token: aws.sfn.send_task_heartbeat(taskToken=token)) == "TaskTimedOut"  # type: ignore[misc]
    before = aws.types(execution)
    aws.engine.skip(1000)
    assert aws.types(execution) == before


def fail(aws: Aws, _execution: str, token: str) -> None:
    aws.sfn.send_task_failure(taskToken=token, error="Work.Refused", cause="It is blurred.")


def time_out(aws: Aws, _execution: str, _token: str) -> None:
    aws.engine.skip(600)


def stop(aws: Aws, execution: str, _token: str) -> None:
    aws.sfn.stop_execution(executionArn=execution)


@pytest.mark.parametrize("end", [fail, time_out, stop], ids=lambda end: end.__name__)
def test_a_redrive_asks_again_with_the_same_input_under_a_new_token(aws: Aws, language: str, end: Any) -> None:
    # Given
    states = {
        "Begin": {"Type": "Pass", "Next": "Ask"},
        "Ask": wait(language, aws.queue_url, TimeoutSeconds=600),
    }
    execution = aws.start({"StartAt": "Begin", "States": states}, language, {"orderId": "1"})
    first = aws.message()
    end(aws, execution, first["token"])
    assert aws.end(execution)["redriveStatus"] == "REDRIVABLE"
    # When
    redrive(aws, execution)
    # Then
    second = aws.message()
    assert (second["input"], second["token"] != first["token"]) == (first["input"], True)
    now = described(aws, execution)
    assert (now["status"], now["redriveCount"], now["redriveStatus"]) == ("RUNNING", 1, "NOT_REDRIVABLE")
    assert not {"error", "cause", "stopDate"} & now.keys()
    assert code(lambda: aws.sfn.send_task_success(taskToken=first["token"], output="1")) == "TaskTimedOut"
    aws.sfn.send_task_success(taskToken=second["token"], output='"late"')
    assert (aws.end(execution)["status"], described(aws, execution)["output"]) == ("SUCCEEDED", '"late"')
    types = aws.types(execution)
    assert types.count("PassStateEntered") == types.count("TaskStateEntered") == 1
    assert types[types.index("ExecutionRedriven") :] == [
        *("ExecutionRedriven", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited"),
        "ExecutionSucceeded",
    ]
    assert aws.details(execution, "ExecutionRedriven") == [{"redriveCount": 1}]


def test_redrives_are_counted_and_the_time_of_the_state_machine_begins_anew(aws: Aws, language: str) -> None:
    execution = aws.start(only(wait(language, aws.queue_url), TimeoutSeconds=600), language)
    for count in (1, 2):
        token = aws.token()
        aws.engine.skip(600)
        assert aws.end(execution)["status"] == "TIMED_OUT"
        redrive(aws, execution)
        assert described(aws, execution)["redriveCount"] == count
        assert code(lambda token=token: aws.sfn.send_task_heartbeat(taskToken=token)) == "TaskTimedOut"  # type: ignore[misc]
    [listed] = aws.sfn.list_executions(stateMachineArn=described(aws, execution)["stateMachineArn"])["executions"]
    assert (listed["status"], listed["redriveCount"]) == ("RUNNING", 2)


def test_a_redrive_in_a_map_or_parallel_repeats_what_failed_and_keeps_the_rest(aws: Aws, language: str) -> None:
    branches = [only(wait(language, aws.queue_url)), only({"Type": "Pass", "End": True})]
    processor = {"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "Branches": branches, "End": True}}}
    execution = aws.start(only({"Type": "Map", "ItemProcessor": processor, "End": True}), language, ["a", "b"])
    messages = [aws.message(), aws.message()]
    aws.sfn.send_task_success(taskToken=messages[0]["token"], output='"first"')
    aws.sfn.send_task_failure(taskToken=messages[1]["token"], error="Work.Refused")
    assert aws.end(execution)["error"] == "Work.Refused"
    redrive(aws, execution)
    again = aws.message()
    assert again["input"] == messages[1]["input"]
    aws.sfn.send_task_success(taskToken=again["token"], output='"second"')
    by_item = dict(zip([each["input"] for each in messages], ["first", "second"], strict=True))
    assert json.loads(aws.end(execution)["output"]) == [[by_item[item], item] for item in ("a", "b")]
    assert aws.types(execution).count("PassStateEntered") == 2


def test_a_fail_state_is_entered_again(aws: Aws) -> None:
    execution = aws.start(only({"Type": "Fail", "Error": "Work.Refused"}))
    assert aws.end(execution)["error"] == "Work.Refused"
    redrive(aws, execution)
    assert aws.end(execution)["error"] == "Work.Refused"
    assert aws.types(execution)[1:] == [
        *("FailStateEntered", "ExecutionFailed", "ExecutionRedriven", "FailStateEntered", "ExecutionFailed")
    ]


def test_what_aws_does_not_redrive_is_refused(aws: Aws) -> None:
    # Given
    running, token = aws.waiting("JSONata")
    succeeded, other = aws.waiting("JSONata")
    aws.sfn.send_task_success(taskToken=other, output="1")
    aws.end(succeeded)
    # Then
    for execution, status in ((running, "RUNNING"), (succeeded, "SUCCEEDED")):
        assert code(lambda execution=execution: redrive(aws, execution)) == "ExecutionNotRedrivable"  # type: ignore[misc]
        now = described(aws, execution)
        assert (now["redriveCount"], now["redriveStatus"]) == (0, "NOT_REDRIVABLE")
        assert now["redriveStatusReason"] == f"Execution is {status} and cannot be redriven."
    assert code(lambda: redrive(aws, f"{running}-unknown")) == "ExecutionDoesNotExist"
    # And what ended more than 14 days ago
    aws.sfn.send_task_failure(taskToken=token)
    assert aws.end(running)["redriveStatus"] == "REDRIVABLE"
    aws.engine.skip(14 * 86_400 + 60)
    assert code(lambda: redrive(aws, running)) == "ExecutionNotRedrivable"
    assert described(aws, running)["redriveStatusReason"] == "Execution redrivable period exceeded."


def test_a_failed_distributed_map_says_that_the_embedded_aws_cannot_redrive_it(aws: Aws) -> None:
    processor = {**only({"Type": "Fail", "Error": "Work.Refused"}), "ProcessorConfig": {"Mode": "DISTRIBUTED"}}
    execution = aws.start(only({"Type": "Map", "ItemProcessor": processor, "End": True}), data=[1])
    assert aws.end(execution)["error"] == "States.ExceedToleratedFailureThreshold"
    assert code(lambda: redrive(aws, execution)) == "ExecutionNotRedrivable"
    assert "distributed Map" in described(aws, execution)["redriveStatusReason"]


def test_an_execution_runs_the_definition_that_it_was_started_with(aws: Aws) -> None:
    execution, token = aws.waiting("JSONPath")
    machine = described(aws, execution)["stateMachineArn"]
    new = json.dumps(only({"Type": "Pass", "End": True}))
    aws.sfn.update_state_machine(stateMachineArn=machine, definition=new)
    aws.sfn.send_task_failure(taskToken=token)
    aws.end(execution)
    redrive(aws, execution)
    aws.sfn.send_task_success(taskToken=aws.token(), output="1")
    assert aws.end(execution)["output"] == "1"
    ran = aws.sfn.describe_state_machine_for_execution(executionArn=execution)["definition"]
    assert json.loads(ran)["States"]["Only"]["Type"] == "Task"


def test_a_start_is_idempotent_by_name_and_input_while_the_execution_runs(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    machine = aws.machine(only(wait("JSONata", aws.queue_url)), "JSONata")

    def start(name: str = "once", data: str = "{}") -> Any:
        return aws.sfn.start_execution(stateMachineArn=machine, name=name, input=data)["executionArn"]

    execution = start()
    assert start() == execution
    assert code(lambda: start(data="[]")) == "ExecutionAlreadyExists"
    aws.sfn.send_task_success(taskToken=aws.token(), output="1")
    aws.end(execution)
    assert code(start) == "ExecutionAlreadyExists"
    assert code(lambda: start("other", "{")) == "InvalidExecutionInput"
    assert code(lambda: start("no/slash")) == "InvalidName"
    assert code(lambda: start("other", json.dumps("x" * 262_144))) == "ValidationException"
