"""The demos succeed where all is well and only there, end with a story, and print no token."""

import json
import re
import shlex
from contextlib import nullcontext
from typing import Any

import pytest

from tests.e2e.given import Stacks
from tests.security.sample_secrets import leaks
from tools import FLAGSHIP, ToolError, answer
from tools.aws import Aws
from tools.demos import common, find_demo, manual_callback
from tools.engine.engine import Engine
from tools.stack import WORKFLOWS, poll
from tools.waits.find import Wait

CARD_OF_THE_SAMPLE = "4111111111111111"

pytestmark = pytest.mark.local("the demos are those of the embedded AWS")

# What does the work; that of the manual callback is done by its demo
CONSUMERS = {
    "payment-callback": "PaymentWorkerFunctionName",
    "async-api": "AsyncApiRequesterFunctionName",
    "file-exchange": "FileExchangeOutboxFunctionName",
    "order-confirmation": "OrderConfirmerFunctionName",
}


# The documents' commands, which are slow tests, play each demo too
DEMOS = [pytest.param(name, marks=[pytest.mark.slow] if name != FLAGSHIP else []) for name in WORKFLOWS]

QUEUES = {
    "payment-callback": "WaitForCallbackDemoNotificationTestQueueUrl",
    "manual-callback": "ManualCallbackQueueUrl",
    "file-exchange": "NotificationTestQueueUrl",
    "order-confirmation": "NotificationTestQueueUrl",
}
# What others may have left in these queues
ODD = [
    "no JSON",
    "[]",
    '{"input": {"document": []}, "token": 1}',
    *(json.dumps({"Message": message}) for message in ('"', "[]", '{"executionId": [], "orderId": {}}', "{}", 5)),
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXECUTION_SECONDS", "NOTIFICATION_SECONDS"):
        monkeypatch.setattr(common, name, 1)
    monkeypatch.setattr(manual_callback, "MESSAGE_SECONDS", 0)


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that the demo of the manual callback reads."""
    read, seen = manual_callback._read, []

    def spy(body: str) -> tuple[dict[str, Any], str]:
        payload, token = read(body)
        seen.append(token)
        return payload, token

    monkeypatch.setattr(manual_callback, "_read", spy)
    return seen


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_succeeds(
    name: str, engine: Engine, stacks: Stacks, tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if name in QUEUES:
        for body in ODD:
            stacks[name].send(QUEUES[name], body)
    assert find_demo(name).run(engine, stacks[name].outputs)
    if name in QUEUES:
        stacks[name].client("sqs").purge_queue(QueueUrl=stacks[name].outputs[QUEUES[name]])
    printed = capsys.readouterr().out
    assert "MISSING" not in printed
    assert len([token for token in tokens if token]) == (3 if name == "manual-callback" else 0)
    assert [token for token in tokens if token and token in printed] == []
    story = printed.partition("make show EXECUTION=")[2]
    assert "What happened" in story
    assert leaks(printed, CARD_OF_THE_SAMPLE) == []
    answers = re.findall(r"^make answer EXECUTION=(\S+) OUTPUT=(.+)$", printed, re.MULTILINE)
    assert len(answers) == (1 if name in ("manual-callback", "file-exchange") else 0)
    for execution, output in answers:
        assert answered(engine, execution, *shlex.split(output)) == "DELIVERED"


def answered(engine: Engine, execution: str, output: str) -> str:
    """What becomes of the answer that a demo says how to give."""
    aws = Aws(engine.client, "the embedded AWS")
    return answer.send(aws, poll("a wait", lambda: wait_of(aws, execution)), answer.Answer(output))


def wait_of(aws: Aws, execution: str) -> Wait | None:
    try:
        return answer.choose(answer.waits_of(aws, execution), None, None)
    except ToolError:
        return None


@pytest.mark.parametrize("name", DEMOS)
@pytest.mark.usefixtures("impatient")
def test_a_demo_fails_where_nothing_answers(
    name: str, engine: Engine, stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = stacks[name]
    with stack.consumer_off(CONSUMERS[name]) if name in CONSUMERS else nullcontext():
        assert not find_demo(name).run(engine, stack.outputs)
    printed = capsys.readouterr().out
    assert "did not end within" in printed
    assert "MISSING" in printed
    if name == "manual-callback":
        stack.client("sqs").purge_queue(QueueUrl=stack.outputs["ManualCallbackQueueUrl"])
        for execution_id, status in stack.executions("ManualCallbackStateMachineArn").items():
            if status == "RUNNING":
                stack.stop(execution_id)
