"""examples/worker.py on the queue of the manual callback: killed, stopped, ten at once; every workflow ends well."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.documents.pages import commands
from tests.e2e.given import Stacks
from tests.e2e.worker_process import SECRET, Workers
from tools.stack import Stack, poll

MACHINE = "ManualCallbackStateMachineArn"
QUEUE = "ManualCallbackQueueUrl"


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["manual-callback"]


@pytest.fixture
def workers(stack: Stack, tmp_path: Path) -> Iterator[Workers]:
    with Workers(stack, QUEUE, tmp_path) as workers:
        yield workers


def start(stack: Stack, do: str) -> tuple[str, str]:
    """The key of the work, and the execution that asks for it."""
    key = str(uuid4())
    return key, stack.start({"key": key, "do": do, "card": SECRET}, MACHINE)


def outcome(stack: Stack, execution_id: str) -> object:
    """The output of an execution that succeeded, the error of one that failed."""
    end = stack.ended(execution_id)
    return json.loads(end["output"]) if end["status"] == "SUCCEEDED" else end["error"]


def emptied(stack: Stack) -> None:
    poll("empty queue", lambda: stack.depth(QUEUE) == 0 or None)


def test_the_file_as_it_lies_answers_and_ends_well_when_it_is_stopped(stack: Stack, workers: Workers) -> None:
    # Given
    key, execution_id = start(stack, "answer")
    # When
    [command] = commands("docs/your-own-work.md", "A worker that runs anywhere")
    process = workers.start("bash", "-c", command)
    # Then
    assert outcome(stack, execution_id) == {"done": True, "input": {"key": key, "do": "answer", "card": SECRET}}
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    emptied(stack)
    assert SECRET not in workers.log()


def test_work_whose_worker_is_killed_is_done_once_more_and_the_workflow_ends_well(
    stack: Stack, workers: Workers
) -> None:
    with stack.quick_redelivery(QUEUE, seconds=2):
        # Given
        key, execution_id = start(stack, "wait")
        process = workers.start()
        workers.begun(key)
        # When
        process.kill()
        # Then
        workers.start()
        workers.begun(key, times=2)
        workers.open_gate()
        assert outcome(stack, execution_id) == {"done": key}
        emptied(stack)
        assert workers.done() == {key: 2}


def test_long_work_keeps_its_message_to_itself(stack: Stack, workers: Workers) -> None:
    with stack.quick_redelivery(QUEUE, seconds=2):
        # Given work that lasts for more than twice as long as its message is hidden
        key, execution_id = start(stack, "insist")
        workers.start()
        workers.begun(key)
        # When
        workers.start()
        hidden = stack.client("sqs").receive_message(QueueUrl=stack.outputs[QUEUE], WaitTimeSeconds=5)
        # Then
        assert "Messages" not in hidden
        workers.open_gate()
        assert outcome(stack, execution_id) == {"done": key}
        emptied(stack)
        assert workers.done() == {key: 1}


def test_a_worker_that_is_stopped_gives_back_at_once_what_it_can_leave(stack: Stack, workers: Workers) -> None:
    # Given work whose message would be hidden for five minutes
    key, execution_id = start(stack, "wait")
    process = workers.start()
    workers.begun(key)
    # When
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    # Then
    workers.start()
    workers.begun(key, times=2)
    workers.open_gate()
    assert outcome(stack, execution_id) == {"done": key}
    emptied(stack)


def test_a_worker_that_is_stopped_ends_the_work_that_cannot_be_left(stack: Stack, workers: Workers) -> None:
    # Given
    key, execution_id = start(stack, "insist")
    process = workers.start()
    workers.begun(key)
    # When
    process.send_signal(signal.SIGTERM)
    with pytest.raises(AssertionError, match="end of the worker"):
        poll("end of the worker", process.poll, seconds=0.5)
    workers.open_gate()
    # Then
    assert process.wait(timeout=20) == 0
    assert outcome(stack, execution_id) == {"done": key}
    emptied(stack)
    assert workers.done() == {key: 1}


@pytest.mark.slow
def test_ten_workers_share_a_queue_and_answer_each_message_once(stack: Stack, workers: Workers) -> None:
    # Given
    inputs: list[object] = [{"key": str(uuid4()), "do": "answer", "card": SECRET} for _ in range(100)]
    executions = stack.start_all(inputs, machine=MACHINE)
    # When
    for _ in range(10):
        workers.start()
    # Then
    assert [outcome(stack, execution_id) for execution_id in executions] == [
        {"done": payload["key"]} for payload in inputs if isinstance(payload, dict)
    ]
    emptied(stack)
    assert workers.done() == {payload["key"]: 1 for payload in inputs if isinstance(payload, dict)}
    poll("a hundred answers", lambda: workers.log().count(" is answered") == 100 or None)
    assert "dropped" not in workers.log()
    poll(
        "ten workers that have started", lambda: workers.log().count("started: ") == 10 or None
    )  # the last may be late
    for process in workers.processes:
        process.send_signal(signal.SIGTERM)
    assert {process.wait(timeout=20) for process in workers.processes} == {0}
