"""What becomes of a task token: heartbeats, the errors of one that is settled or forged, a new one for a redrive."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.clients import Clients
from tests.e2e.test_manual_callback import QUEUE, Work, delivered, status, take_work
from tools.stack import Stack, poll


def test_heartbeats_keep_a_workflow_waiting_and_a_missed_one_ends_it(manual: Stack, impatient_work: Work) -> None:
    # When a heartbeat comes every 4 seconds, for longer than the 10 in which one must come
    for _ in range(4):
        assert impatient_work.call_back(manual, heartbeat=True) == delivered("heartbeat")
        manual.pass_time(4)
    # Then it waits, and without them no longer
    assert status(manual, impatient_work) == "RUNNING"
    manual.pass_time(10)
    end = manual.ended(impatient_work.execution_id)
    assert (end["status"], end["error"]) == ("FAILED", "States.Timeout")
    assert impatient_work.call_back(manual).answer["outcome"] == "ALREADY_SETTLED"


def test_a_settled_token_has_timed_out_and_a_forged_one_is_invalid(
    manual: Stack, clients: Clients, impatient_work: Work
) -> None:
    # Given tokens that were answered, whose execution was stopped, that timed out, and that nobody made
    answered, stopped = take_work(manual), take_work(manual)
    assert answered.call_back(manual) == delivered("success")
    manual.stop(stopped.execution_id)
    manual.pass_time(10)
    for work in (answered, stopped, impatient_work):
        manual.ended(work.execution_id)
    forged = Work("none", impatient_work.token.swapcase())
    # Then
    for work, code, outcome in (
        (answered, "TaskTimedOut", "ALREADY_SETTLED"),
        (stopped, "TaskTimedOut", "ALREADY_SETTLED"),
        (impatient_work, "TaskTimedOut", "ALREADY_SETTLED"),
        (forged, "InvalidToken", "REFUSED"),
    ):
        sfn = clients.stepfunctions
        calls: list[Callable[[], Any]] = [
            partial(sfn.send_task_success, taskToken=work.token, output="null"),
            partial(sfn.send_task_failure, taskToken=work.token, error="Work.Refused"),
            partial(sfn.send_task_heartbeat, taskToken=work.token),
        ]
        for call in calls:
            with pytest.raises(ClientError) as refused:
                call()
            assert refused.value.response["Error"]["Code"] == code
        assert work.call_back(manual).answer == {"action": "success", "outcome": outcome}


def test_a_redrive_asks_again_under_a_new_token(manual: Stack, clients: Clients) -> None:
    # Given
    work = take_work(manual)
    manual.stop(work.execution_id)
    manual.ended(work.execution_id)
    # When
    clients.stepfunctions.redrive_execution(executionArn=work.execution_id)
    # Then
    again = Work(work.execution_id, json.loads(manual.receive(QUEUE)["Body"])["token"])
    assert again.token != work.token
    assert work.call_back(manual).answer["outcome"] == "ALREADY_SETTLED"
    assert again.call_back(manual, output="late") == delivered("success")
    poll("success", lambda: status(manual, work) == "SUCCEEDED" or None)
    assert json.loads(manual.ended(work.execution_id)["output"]) == "late"
