"""Times of tasks and of state machines, however they are given, and what becomes of a task that misses them.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html and
https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html, and the recordings in test_histories.py.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.engine.aws import Aws, code, only, wait

pytestmark = pytest.mark.local("it moves the clock of the embedded AWS")

# How a time is given, by query language: the field's suffix, and its value for an input that has it as `seconds`
GIVEN = {
    "JSONPath number": ("JSONPath", "", 600),
    "JSONPath path": ("JSONPath", "Path", "$.seconds"),
    "JSONata number": ("JSONata", "", 600),
    "JSONata expression": ("JSONata", "", "{% $states.input.seconds %}"),
}


def scheduled(aws: Aws, execution: str) -> dict[str, Any]:
    [details] = aws.details(execution, "TaskScheduled")
    return details


@pytest.mark.parametrize("given", GIVEN)
def test_a_task_times_out_when_its_time_is_over_and_not_before(aws: Aws, given: str) -> None:
    language, suffix, value = GIVEN[given]
    execution, token = aws.waiting(language, {"seconds": 600}, **{f"TimeoutSeconds{suffix}": value})
    assert scheduled(aws, execution)["timeoutInSeconds"] == 600
    aws.engine.skip(590)
    aws.sfn.send_task_heartbeat(taskToken=token)  # which keeps nothing waiting beyond its timeout
    aws.engine.skip(10)
    end = aws.end(execution)
    assert (end["status"], end["error"], "cause" in end) == ("FAILED", "States.Timeout", False)
    assert 599 < (end["stopDate"] - end["startDate"]).total_seconds() < 610


@pytest.mark.parametrize("given", GIVEN)
def test_heartbeats_keep_a_task_waiting_and_a_missed_one_ends_it(aws: Aws, given: str) -> None:
    language, suffix, value = GIVEN[given]
    execution, token = aws.waiting(language, {"seconds": 600}, **{f"HeartbeatSeconds{suffix}": value})
    assert scheduled(aws, execution)["heartbeatInSeconds"] == 600
    for _ in range(3):
        aws.engine.skip(590)
        aws.sfn.send_task_heartbeat(taskToken=token)
    aws.engine.skip(590)
    assert aws.sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    aws.engine.skip(10)
    end = aws.end(execution)
    assert (end["error"], "cause" in end) == ("States.Timeout", False)
    assert code(lambda: aws.sfn.send_task_heartbeat(taskToken=token)) == "TaskTimedOut"


CAUGHT_BY = [
    ("TimeoutSeconds", ["States.Timeout"], True),
    ("TimeoutSeconds", ["States.HeartbeatTimeout"], False),
    ("TimeoutSeconds", ["States.TaskFailed"], False),
    ("TimeoutSeconds", ["States.ALL"], True),
    ("HeartbeatSeconds", ["States.HeartbeatTimeout"], True),
    ("HeartbeatSeconds", ["States.Timeout"], True),
    ("HeartbeatSeconds", ["States.TaskFailed"], False),
    ("HeartbeatSeconds", ["States.ALL"], True),
]


@pytest.mark.parametrize(("field", "names", "caught"), CAUGHT_BY)
def test_what_catches_a_missed_time(aws: Aws, language: str, field: str, names: list[str], caught: bool) -> None:
    catcher: dict[str, Any] = {"ErrorEquals": names, "Next": "Caught"}
    if language == "JSONata":
        catcher["Output"] = "{% $states.errorOutput %}"
    states = {
        "Wait": wait(language, aws.queue_url, Catch=[catcher], **{field: 600}),
        "Caught": {"Type": "Succeed"},
    }
    execution = aws.start({"StartAt": "Wait", "States": states}, language)
    aws.token()
    aws.engine.skip(600)
    end = aws.end(execution)
    assert end["status"] == ("SUCCEEDED" if caught else "FAILED")
    if caught:
        # An empty cause, as two executions on AWS had it
        assert json.loads(end["output"]) == {"Error": "States.Timeout", "Cause": ""}


@pytest.mark.parametrize(
    ("field", "name"), [("TimeoutSeconds", "States.Timeout"), ("HeartbeatSeconds", "States.HeartbeatTimeout")]
)
def test_a_retry_after_a_missed_time_asks_again_under_a_new_token(
    aws: Aws, language: str, field: str, name: str
) -> None:
    retry = [{"ErrorEquals": [name], "IntervalSeconds": 30, "MaxAttempts": 1}]
    execution, first = aws.waiting(language, Retry=retry, **{field: 600})
    aws.engine.skip(600)
    aws.engine.skip(30)
    assert aws.token() != first
    aws.engine.skip(600)
    assert aws.end(execution)["error"] == "States.Timeout"
    assert aws.types(execution).count("TaskTimedOut") == 2


def test_retries_come_at_the_intervals_that_the_retrier_says(aws: Aws) -> None:
    retrier = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 10,
        "BackoffRate": 3,
        "MaxDelaySeconds": 60,
        "MaxAttempts": 3,
    }
    execution, token = aws.waiting("JSONata", Retry=[retrier])
    for seconds in (10, 30, 60):
        aws.sfn.send_task_failure(taskToken=token, error="Work.Again")
        aws.engine.skip(seconds - 1)
        assert aws.types(execution)[-1] == "TaskFailed"
        aws.engine.skip(1)
        token = aws.token()
    aws.sfn.send_task_failure(taskToken=token, error="Work.Again")
    assert aws.end(execution)["error"] == "Work.Again"


@pytest.mark.parametrize("value", [0, -1, 1.5, "600", None, 100_000_000])
@pytest.mark.parametrize("field", ["TimeoutSeconds", "HeartbeatSeconds"])
def test_a_time_that_is_none_fails_the_task(aws: Aws, field: str, value: object) -> None:
    for language, fields in (
        ("JSONPath", {f"{field}Path": "$.seconds"}),
        ("JSONata", {field: "{% $states.input.seconds %}"}),
    ):
        execution = aws.start(only(wait(language, aws.queue_url, **fields)), language, {"seconds": value})
        expected = "States.Runtime" if language == "JSONPath" else "States.QueryEvaluationError"
        assert aws.end(execution)["error"] == expected


def test_a_state_machine_that_takes_too_long_times_out_without_error_or_cause(aws: Aws, language: str) -> None:
    # As recorded in timeouts/test_timeouts.py::test_global_timeout
    execution = aws.start(only(wait(language, aws.queue_url), TimeoutSeconds=600), language)
    token = aws.token()
    aws.engine.skip(599)
    assert aws.sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    aws.engine.skip(1)
    end = aws.end(execution)
    assert (end["status"], end["redriveStatus"], end["redriveCount"]) == ("TIMED_OUT", "REDRIVABLE", 0)
    assert not {"error", "cause", "output"} & end.keys()
    assert aws.types(execution)[-1] == "ExecutionTimedOut"
    assert code(lambda: aws.sfn.send_task_success(taskToken=token, output="1")) == "TaskTimedOut"


def test_waits_come_due_one_after_the_other_however_far_the_clock_moves(aws: Aws, language: str) -> None:
    # Given a reminder after a day, and an end an hour later
    states = {
        "Wait": {"Type": "Wait", "Seconds": 86_400, "Next": "Ask"},
        "Ask": wait(language, aws.queue_url, TimeoutSeconds=3600),
    }
    execution = aws.start({"StartAt": "Wait", "States": states}, language)
    # When
    aws.engine.skip(86_400 + 3600)
    # Then each took its time
    assert aws.end(execution)["error"] == "States.Timeout"
    times = {event["type"]: event["timestamp"] for event in aws.events(execution)}
    assert round((times["WaitStateExited"] - times["WaitStateEntered"]).total_seconds()) == 86_400
    assert round((times["TaskTimedOut"] - times["TaskScheduled"]).total_seconds()) == 3600


def test_a_timestamp_is_waited_for_by_the_same_clock(aws: Aws, language: str) -> None:
    execution, _ = aws.waiting(language)
    started = aws.sfn.describe_execution(executionArn=execution)["startDate"].timestamp()
    until = {
        "JSONPath": {"TimestampPath": "$.until"},
        "JSONata": {"Timestamp": "{% $fromMillis($millis() + 3600000) %}"},
    }
    data = {"until": datetime.fromtimestamp(started + 3600, UTC).isoformat()}
    execution = aws.start(only({"Type": "Wait", "End": True, **until[language]}), language, data)
    aws.engine.skip(3500)
    assert aws.sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    aws.engine.skip(110)
    assert aws.end(execution)["status"] == "SUCCEEDED"


def test_an_expression_is_endless_by_its_cpu_time_not_on_a_busy_machine(aws: Aws) -> None:
    # Given expressions of a quarter of a second of CPU time, eight at once, and an endless one
    def evaluation(expression: str) -> str:
        return aws.start(only({"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}), "JSONata")

    # When
    busy = [evaluation("$sum($map([1..30000], function($v) { $v * 2 }))") for _ in range(8)]
    endless = evaluation("($f := function($n) { $f($n + 1) }; $f(0))")
    # Then
    assert {aws.end(execution).get("output") for execution in busy} == {"900030000"}
    assert aws.end(endless)["error"] == "States.QueryEvaluationError"
