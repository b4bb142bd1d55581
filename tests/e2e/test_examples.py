"""The state machines of examples/, deployed with their template; examples/worker.py does their work."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.worker_process import SECRET, Workers
from tools import PROJECT
from tools.engine.engine import Engine
from tools.stack import Notifications, Stack, deployed, poll

pytestmark = pytest.mark.slow

FAN_OUT, REMINDER = "FanOutStateMachineArn", "ReminderStateMachineArn"
QUEUE, TEST_QUEUE = "WorkQueueUrl", "NotificationTestQueueUrl"


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Stack:
    """With a queue of the tests' own that is subscribed to the topic."""
    stack = deployed(engine, stack_name="examples", directory=PROJECT / "examples")
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName="examples-notifications")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = stack.outputs["NotificationTopicArn"]
    stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return replace(stack, outputs={**stack.outputs, TEST_QUEUE: url})


@pytest.fixture
def notifications(stack: Stack) -> Iterator[Notifications]:
    with Notifications(stack, TEST_QUEUE) as notifications:
        yield notifications


@pytest.fixture
def workers(stack: Stack, tmp_path: Path) -> Iterator[Workers]:
    with Workers(stack, QUEUE, tmp_path) as workers:
        yield workers


def test_fan_out_works_on_five_items_at_a_time_and_returns_results_in_order(stack: Stack, workers: Workers) -> None:
    # Given
    execution_id = stack.start({"items": [{"do": "wait"}] * 7}, FAN_OUT)
    keys = [f"{execution_id}/{index}" for index in range(7)]
    # When
    for _ in range(6):
        workers.start()
    # Then
    for key in keys[:5]:
        workers.begun(key)
    assert stack.depth(QUEUE) == 5
    workers.open_gate()
    end = stack.ended(execution_id)
    results = [{"outcome": "SUCCEEDED", "output": {"done": key}} for key in keys]
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"failed": 0, "results": results})
    assert workers.done() == dict.fromkeys(keys, 1)


def test_an_item_fails_alone_unless_too_many_do_and_the_unreadable_is_quarantined(
    stack: Stack, workers: Workers
) -> None:
    items = [{"do": "refuse"}, {"do": "answer"}, {"do": "raise", "card": SECRET}]
    with stack.quick_redelivery(QUEUE), stack.quick_redelivery("DeadLetterQueueUrl", seconds=0):
        # When
        stack.send(QUEUE, f"not JSON: {SECRET}")
        tolerated, failed = (stack.start({"items": items, "tolerated": number}, FAN_OUT) for number in (2, 1))
        for _ in range(3):
            workers.start()
        ends = stack.ended(tolerated), stack.ended(failed)
        # Then
        assert stack.receive("QuarantineQueueUrl")["Body"] == f"not JSON: {SECRET}"
    assert [end["status"] for end in ends] == ["SUCCEEDED", "FAILED"]
    output = json.loads(ends[0]["output"])
    assert output["failed"] == 2
    refused, answered, reported = output["results"]
    assert refused == {"outcome": "FAILED", "Error": "Work.Refused", "Cause": "The photo is blurred."}
    assert answered == {"outcome": "SUCCEEDED", "output": {"done": f"{tolerated}/1"}}
    assert (reported["outcome"], reported["Error"]) == ("FAILED", "Callback.Undeliverable")
    assert (ends[1]["error"], ends[1]["cause"]) == ("FanOut.TooManyFailed", "2 of 3 items failed.")
    assert workers.done().keys() == {
        f"{execution_id}/{index}" for execution_id in (tolerated, failed) for index in range(3)
    }
    assert {workers.done()[f"{execution_id}/2"] for execution_id in (tolerated, failed)} == {5}
    assert SECRET not in workers.log()


def test_work_that_nobody_does_is_reminded_of_then_escalated_then_fails(
    stack: Stack, notifications: Notifications
) -> None:
    with stack.overdue(REMINDER, "RequestWork", TimeoutSeconds=1) as time_is_up:
        execution_id = stack.start({"do": "answer"}, REMINDER)
        for _ in range(3):
            time_is_up()
        end = stack.ended(execution_id)
    assert (end["status"], end["error"]) == ("FAILED", "Work.NotAnswered")
    poll("two notifications", lambda: notifications.count(execution_id) == 2 or None)
    notified = [(one["outcome"], one["message"]) for one in notifications.bodies(execution_id)]
    assert notified == [("REMINDER", "Work waits for an answer."), ("ESCALATION", "Work waits for an answer.")]


def test_work_that_is_done_too_late_for_one_round_is_answered_in_the_next(
    stack: Stack, workers: Workers, notifications: Notifications
) -> None:
    workers.start()
    poll("worker", lambda: "started" in workers.log() or None)
    with stack.impatient(REMINDER, "RequestWork", TimeoutSeconds=2):
        # Given
        execution_id = stack.start({"do": "insist"}, REMINDER)
        workers.begun(execution_id)
        # When
        assert [one["outcome"] for one in notifications.of(execution_id)] == ["REMINDER"]
        workers.open_gate()
        # Then
        end = stack.ended(execution_id)
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"done": execution_id})
    poll("empty queue", lambda: stack.depth(QUEUE) == 0 or None)
    assert workers.done() == {execution_id: 2}
    assert "dropped, nobody waits for its answer" in workers.log()
