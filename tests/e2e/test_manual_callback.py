"""The manual callback on a deployed stack; the tests are the outside system that takes the work and calls back."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.e2e.given import Stacks
from tools.stack import Invocation, Stack, poll

MACHINE = "ManualCallbackStateMachineArn"
FUNCTION = "ManualCallbackFunctionName"
QUEUE = "ManualCallbackQueueUrl"

WORK = {"document": "document-0001", "question": "Is it approved?"}

SETTLED = "ALREADY_SETTLED"

HOW_IT_ENDED = ("status", "output", "error", "cause", "stopDate")


@dataclass
class Work:
    """An execution that waits, and the token that its message holds."""

    execution_id: str
    token: str

    def call_back(self, stack: Stack, **event: object) -> Invocation:
        return stack.invoke(FUNCTION, {"token": self.token, **event})


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["manual-callback"]


@pytest.fixture
def work(stack: Stack) -> Work:
    return take_work(stack)


def take_work(stack: Stack, payload: object = WORK) -> Work:
    execution_id = stack.start(payload, MACHINE)
    message = json.loads(stack.receive(QUEUE)["Body"])
    assert message == {"input": payload, "token": message["token"], "executionId": execution_id}
    return Work(execution_id, message["token"])


def status(stack: Stack, work: Work) -> str:
    described = stack.client("stepfunctions").describe_execution(executionArn=work.execution_id)
    return str(described["status"])


def delivered(action: str) -> Invocation:
    return Invocation(None, {"action": action, "outcome": "DELIVERED"})


@pytest.mark.parametrize("payload", [WORK, None], ids=str)
def test_a_token_alone_resumes_the_workflow_whatever_its_input(stack: Stack, payload: object) -> None:
    work = take_work(stack, payload)
    assert status(stack, work) == "RUNNING"
    assert work.call_back(stack) == delivered("success")
    end = stack.ended(work.execution_id)
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", None)
    assert stack.states_entered(work.execution_id) == ["RequestWork"]


@pytest.mark.parametrize("output", [{"approved": True, "by": "Jané"}, False], ids=repr)
def test_any_json_is_the_output_of_the_workflow(stack: Stack, work: Work, output: object) -> None:
    assert work.call_back(stack, output=output) == delivered("success")
    end = stack.ended(work.execution_id)
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", output)


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        ({"error": "Work.Refused", "cause": "The photo is blurred."}, "The photo is blurred."),
        ({"error": "Work.Refused"}, "No cause was given."),
    ],
)
def test_an_error_fails_the_workflow_with_error_and_cause(
    stack: Stack, work: Work, failure: dict[str, str], cause: str
) -> None:
    assert work.call_back(stack, **failure) == delivered("failure")
    end = stack.ended(work.execution_id)
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", "Work.Refused", cause)
    assert stack.states_entered(work.execution_id) == ["RequestWork"]


def test_a_heartbeat_ends_nothing(stack: Stack, work: Work) -> None:
    for _ in range(2):
        assert work.call_back(stack, heartbeat=True) == delivered("heartbeat")
    assert status(stack, work) == "RUNNING"
    assert work.call_back(stack) == delivered("success")
    assert stack.ended(work.execution_id)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"error": 7, "cause": 8}, "error must be text, and not empty; cause must be text."),
        (
            {"output": "x" * 262_143},
            (
                "The output is 262,145 bytes of JSON; the limit is 262,144. "
                "Send JSON that fits, such as a reference to where the output is stored."
            ),
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_malformed_event_is_an_error_that_says_what_to_send_and_ends_nothing(
    stack: Stack, work: Work, event: dict[str, object], message: str
) -> None:
    # When
    invocation = work.call_back(stack, **event)
    # Then
    assert invocation.error
    assert invocation.answer["errorMessage"] == message
    assert work.token not in json.dumps(invocation.answer)
    assert work.call_back(stack) == delivered("success")


@pytest.mark.parametrize("first", [{}, {"error": "Work.Refused"}], ids=["success", "failure"])
def test_a_token_that_was_answered_is_settled_and_changes_nothing(
    stack: Stack, work: Work, first: dict[str, object]
) -> None:
    # Given
    work.call_back(stack, **first)
    end = stack.ended(work.execution_id)
    # When
    again = [work.call_back(stack, **event) for event in ({}, {"error": "E"}, {"heartbeat": True})]
    # Then
    assert [invocation.error for invocation in again] == [None] * 3
    assert [invocation.answer["outcome"] for invocation in again] == [SETTLED] * 3
    after = stack.ended(work.execution_id)
    assert [after.get(field) for field in HOW_IT_ENDED] == [end.get(field) for field in HOW_IT_ENDED]


def test_of_ten_invocations_at_once_none_crashes_and_the_workflow_ends_once(stack: Stack, work: Work) -> None:
    # When
    stack.client("lambda")
    with ThreadPoolExecutor(10) as pool:
        invocations = list(pool.map(lambda number: work.call_back(stack, output=number), range(10)))
    # Then
    assert [invocation.error for invocation in invocations] == [None] * 10
    outcomes = [invocation.answer["outcome"] for invocation in invocations]
    assert set(outcomes) <= {"DELIVERED", SETTLED}
    winners = [number for number, outcome in enumerate(outcomes) if outcome == "DELIVERED"]
    assert len(winners) == 1
    end = stack.ended(work.execution_id)
    assert end["status"] == "SUCCEEDED"
    assert [json.loads(end["output"])] == winners
    types = [event["type"] for event in stack.events(work.execution_id)]
    assert types.count("TaskSucceeded") == types.count("ExecutionSucceeded") == 1


def test_work_that_is_received_too_often_fails_its_workflow(stack: Stack) -> None:
    # Given
    execution_id = stack.start(WORK, MACHINE)
    stack.send(QUEUE, "not JSON")
    with stack.quick_redelivery(QUEUE, seconds=0), stack.quick_redelivery("DeadLetterQueueUrl"):
        # When both are received and never deleted
        poll("messages received too often", lambda: received(stack) == 0 or None)
        # Then
        end = stack.ended(execution_id)
        assert (end["status"], end["error"]) == ("FAILED", "Callback.Undeliverable")
        assert end["cause"].startswith("Message ")
        assert stack.states_entered(execution_id) == ["RequestWork"]
        assert stack.receive("QuarantineQueueUrl")["Body"] == "not JSON"
    assert [stack.depth(queue) for queue in (QUEUE, "DeadLetterQueueUrl", "QuarantineQueueUrl")] == [0, 0, 0]


def test_a_message_outlives_its_execution_says_so_and_is_removed(stack: Stack) -> None:
    # Given work whose execution somebody stops
    with stack.quick_redelivery(QUEUE, seconds=0), stack.quick_redelivery("DeadLetterQueueUrl"):
        work = take_work(stack)
        stack.stop(work.execution_id)
        stack.ended(work.execution_id)
        # When somebody asks whether it is still waited for, and nobody deletes the message
        for event in ({"heartbeat": True}, {}, {"error": "Work.Refused"}):
            assert work.call_back(stack, **event).answer["outcome"] == SETTLED
        poll("messages received too often", lambda: received(stack) == 0 or None)
        # Then it is gone from every queue, and the execution is as it was
        queues = (QUEUE, "DeadLetterQueueUrl", "QuarantineQueueUrl")
        poll("empty queues", lambda: not any(map(stack.depth, queues)) or None)
    assert stack.ended(work.execution_id)["status"] == "ABORTED"


def received(stack: Stack) -> int:
    """How many messages the outside system received, which it left where they were."""
    answer = stack.client("sqs").receive_message(
        QueueUrl=stack.outputs[QUEUE], MaxNumberOfMessages=10, WaitTimeSeconds=1
    )
    return len(answer.get("Messages", []))


def test_work_that_nobody_does_ends_in_a_timeout(stack: Stack) -> None:
    with stack.overdue(MACHINE, "RequestWork", TimeoutSeconds=2, HeartbeatSeconds=1) as time_is_up:
        work = take_work(stack)
        # When
        time_is_up()
        end = stack.ended(work.execution_id)
    # Then
    assert (end["status"], end["error"]) == ("FAILED", "States.Timeout")
    assert stack.states_entered(work.execution_id) == ["RequestWork"]
    assert work.call_back(stack).answer == {"action": "success", "outcome": SETTLED}
