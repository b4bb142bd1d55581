"""Of the answers to a task one counts, and each other one gets the error that AWS was recorded to give.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html and its siblings:
a settled token is TaskTimedOut and a forged one InvalidToken, as recorded (LocalStack, callback/test_callback.py).
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.engine.aws import Aws, code, only, wait

pytestmark = pytest.mark.local("its own state machines, on the embedded AWS")

MOST_BYTES = 262_144


def answers(aws: Aws, token: str) -> list[Callable[[], Any]]:
    return [
        lambda: aws.sfn.send_task_success(taskToken=token, output="null"),
        lambda: aws.sfn.send_task_failure(taskToken=token, error="Work.Refused"),
        lambda: aws.sfn.send_task_heartbeat(taskToken=token),
    ]


def answered(aws: Aws, execution: str, token: str) -> None:
    aws.sfn.send_task_success(taskToken=token, output="1")
    aws.end(execution)


def failed(aws: Aws, execution: str, token: str) -> None:
    aws.sfn.send_task_failure(taskToken=token)
    aws.end(execution)


def timed_out(aws: Aws, execution: str, _token: str) -> None:
    aws.engine.skip(3600)
    aws.end(execution)


def stopped(aws: Aws, execution: str, _token: str) -> None:
    aws.sfn.stop_execution(executionArn=execution)


def deleted(aws: Aws, execution: str, _token: str) -> None:
    machine = aws.sfn.describe_execution(executionArn=execution)["stateMachineArn"]
    aws.sfn.delete_state_machine(stateMachineArn=machine)


@pytest.mark.parametrize("settle", [answered, failed, timed_out, stopped, deleted], ids=lambda settle: settle.__name__)
def test_a_settled_token_is_refused_as_timed_out(
    aws: Aws, language: str, settle: Callable[[Aws, str, str], None]
) -> None:
    execution, token = aws.waiting(language, TimeoutSeconds=3600)
    settle(aws, execution, token)
    assert [code(answer) for answer in answers(aws, token)] == ["TaskTimedOut"] * 3


def test_a_token_of_an_attempt_that_was_retried_is_refused_as_timed_out(aws: Aws, language: str) -> None:
    retry = [{"ErrorEquals": ["Work.Again"], "IntervalSeconds": 60, "MaxAttempts": 3}]
    execution, first = aws.waiting(language, Retry=retry)
    aws.sfn.send_task_failure(taskToken=first, error="Work.Again")
    aws.engine.skip(60)
    second = aws.token()
    assert second != first
    assert [code(answer) for answer in answers(aws, first)] == ["TaskTimedOut"] * 3
    aws.sfn.send_task_success(taskToken=second, output='"second"')
    assert aws.end(execution)["output"] == '"second"'
    assert aws.types(execution).count("TaskScheduled") == 2


@pytest.mark.parametrize("token", ["x", "AAAA", "not base64 \N{SNOWMAN}", "A" * 2048])
def test_a_token_that_was_never_given_is_invalid(aws: Aws, token: str) -> None:
    assert [code(answer) for answer in answers(aws, token)] == ["InvalidToken"] * 3


def test_a_token_that_somebody_changed_is_invalid(aws: Aws) -> None:
    execution, token = aws.waiting("JSONata")
    for forged in (token.swapcase(), token[:-4] + "AAAA", token + "AAAA", token[4:]):
        assert [code(answer) for answer in answers(aws, forged)] == ["InvalidToken"] * 3
    answered(aws, execution, token)


@pytest.mark.parametrize(
    "output", ["{", "", "yes", "{'a': 1}", "NaN", '"' + "x" * (MOST_BYTES - 1) + '"', '"' + "ü" * 140_000 + '"']
)
def test_an_output_that_is_no_json_or_too_large_is_refused_and_the_task_still_waits(aws: Aws, output: str) -> None:
    execution, token = aws.waiting("JSONata")
    assert code(lambda: aws.sfn.send_task_success(taskToken=token, output=output)) == "InvalidOutput"
    answered(aws, execution, token)


def test_an_output_of_262144_bytes_is_taken(aws: Aws) -> None:
    output = '"' + "x" * (MOST_BYTES - 2) + '"'
    execution, token = aws.waiting("JSONata")
    aws.sfn.send_task_success(taskToken=token, output=output)
    assert aws.end(execution)["output"] == output


@pytest.mark.parametrize(("field", "most"), [("error", 256), ("cause", 32_768)])
def test_an_error_or_cause_that_is_too_long_is_refused(aws: Aws, field: str, most: int) -> None:
    execution, token = aws.waiting("JSONata")
    assert (
        code(lambda: aws.sfn.send_task_failure(taskToken=token, **{field: "x" * (most + 1)})) == "ValidationException"
    )
    aws.sfn.send_task_failure(taskToken=token, **{field: "x" * most})
    assert aws.end(execution)[field] == "x" * most


def test_of_twenty_answers_at_once_exactly_one_counts(aws: Aws, language: str) -> None:
    for _ in range(5):
        execution, token = aws.waiting(language)

        def answer(number: int, token: str = token) -> str:
            try:
                if number % 2:
                    aws.sfn.send_task_success(taskToken=token, output=json.dumps(number))
                else:
                    aws.sfn.send_task_failure(taskToken=token, error=f"Work.{number}")
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "DELIVERED"

        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(answer, range(20)))
        assert sorted(outcomes) == ["DELIVERED", *["TaskTimedOut"] * 19]
        winner = outcomes.index("DELIVERED")
        end = aws.end(execution)
        assert end.get("output") == (str(winner) if winner % 2 else None)
        assert end.get("error") == (None if winner % 2 else f"Work.{winner}")


def test_an_answer_may_come_before_the_call_that_carries_the_token_is_back(aws: Aws) -> None:
    # Given a nested execution that sends on the token of the task which starts it, and is answered at once
    inner = aws.machine(
        only(
            wait(
                "JSONPath",
                aws.queue_url,
                Resource="arn:aws:states:::sqs:sendMessage",
                Parameters={"QueueUrl": aws.queue_url, "MessageBody": {"token.$": "$.token"}},
            )
        )
    )
    given = {"StateMachineArn": inner, "Input": {"token.$": "$$.Task.Token"}}
    state = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken", "Parameters": given}
    execution = aws.start(only({**state, "End": True}))
    answered(aws, execution, aws.token())
    assert aws.types(execution)[3:6] == ["TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_an_activity_is_answered_by_the_token_that_its_worker_got(aws: Aws) -> None:
    activity = aws.sfn.create_activity(name="contract-activity")["activityArn"]
    state = {"Type": "Task", "Resource": activity, "TimeoutSeconds": 600, "HeartbeatSeconds": 60, "End": True}
    execution = aws.start(only(state), data={"orderId": "1"})
    task = aws.sfn.get_activity_task(activityArn=activity, workerName="worker-1")
    assert json.loads(task["input"]) == {"orderId": "1"}
    aws.sfn.send_task_heartbeat(taskToken=task["taskToken"])
    aws.sfn.send_task_success(taskToken=task["taskToken"], output='"done"')
    assert aws.end(execution)["output"] == '"done"'
    assert aws.types(execution)[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    [scheduled] = aws.details(execution, "ActivityScheduled")
    assert scheduled == {
        "resource": activity,
        "input": '{"orderId":"1"}',
        "timeoutInSeconds": 600,
        "heartbeatInSeconds": 60,
    }
    assert code(lambda: aws.sfn.send_task_heartbeat(taskToken=task["taskToken"])) == "TaskTimedOut"
