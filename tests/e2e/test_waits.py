"""Who waits in each workflow is listed, until when, and is answered by the name of its execution."""

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.given import Stacks
from tools import PROJECT, answer
from tools.aws import Aws
from tools.engine.rest import call, reachable
from tools.stack import Stack, poll
from tools.waits import command
from tools.waits.find import Finder
from tools.waits.kept import kept_token
from tools.waits.token import find_token

ORDER = json.loads((PROJECT / "events/payment_callback/order.json").read_text())
CARD = ORDER["creditCardNumber"]
SQS, DYNAMODB = "sqs:sendMessage.waitForTaskToken", "aws-sdk:dynamodb:putItem.waitForTaskToken"


@dataclass(frozen=True)
class Case:
    """What is started, who is kept from answering, what then waits, and how it is answered."""

    machine: str
    given: dict[str, Any]
    consumer: str | None
    state: str
    resource: str
    target: str
    answered: list[str]
    ends: str


CASES = {
    "payment-callback": Case(
        "StateMachineWaitForCallbackArn",
        ORDER,
        "PaymentWorkerFunctionName",
        "RequestPayment",
        SQS,
        "PaymentQueue",
        ["--output", '"Paid by hand."'],
        "SUCCEEDED",
    ),
    "manual-callback": Case(
        "ManualCallbackStateMachineArn",
        {"creditCardNumber": CARD},
        None,
        "RequestWork",
        SQS,
        "ManualCallbackQueue",
        ["--output", '{"approved": true}'],
        "SUCCEEDED",
    ),
    "async-api": Case(
        "AsyncApiStateMachineArn",
        {"waitTime": 0, "status": "success"},
        "AsyncApiRequesterFunctionName",
        "CallAsyncApi",
        SQS,
        "ApiRequestQueue",
        ["--output", '{"status": 200}'],
        "SUCCEEDED",
    ),
    "file-exchange": Case(
        "FileExchangeStateMachineArn",
        {"info": {"creditCardNumber": CARD}},
        None,
        "WaitForResponse",
        SQS,
        "OutboxQueue",
        ["--error", "OutOfStock", "--cause", "None is left."],
        "FAILED",
    ),
    "order-confirmation": Case(
        "OrderConfirmationStateMachineArn",
        {"orderDetails": f"a book for {CARD}"},
        None,
        "WaitForConfirmation",
        DYNAMODB,
        "OrderTable",
        ["--error", "Order.Cancelled"],
        "FAILED",
    ),
}


def start(stack: Stack, case: Case) -> str:
    if "OrderApiUrl" not in stack.outputs:
        return stack.start(case.given, case.machine)
    described = stack.client("apigateway").get_api_key(apiKey=stack.outputs["OrderApiKeyId"], includeValue=True)
    order = {"orderId": f"waits-{uuid4().hex[:8]}", **case.given}
    url = reachable(stack.outputs["OrderApiUrl"], stack.endpoint_url)
    assert call("POST", f"{url}/orders", key=described["value"], body=order).status == 202
    return f"{stack.outputs[case.machine].replace(':stateMachine:', ':execution:')}:{order['orderId']}"


@pytest.fixture(params=CASES)
def workflow(request: pytest.FixtureRequest, stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> tuple[Stack, Case]:
    stack = stacks[request.param]
    for module in (command, answer):
        monkeypatch.setattr(module, "find_aws", lambda *_: Aws(stack.client, "this AWS"))
    return stack, CASES[request.param]


@pytest.fixture
def waiting(workflow: tuple[Stack, Case], capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, Any]]:
    """A wait of an execution that was just started, as it is listed. Nothing may answer it but the test."""
    stack, case = workflow
    off: AbstractContextManager[None] = stack.consumer_off(case.consumer) if case.consumer else nullcontext()
    with off:
        execution = start(stack, case)

        def check() -> dict[str, Any] | None:
            command.main(["--json", "--stack", stack.name])
            listed = json.loads(capsys.readouterr().out)
            return next((wait for wait in listed if wait["executionArn"] == execution), None)

        yield poll(f"wait of {execution}", check)
        stack.ended(execution)


def definition(stack: Stack, case: Case) -> Any:
    described = stack.client("stepfunctions").describe_state_machine(stateMachineArn=stack.outputs[case.machine])
    return json.loads(described["definition"])


def limit(stack: Stack, case: Case, name: str) -> int | None:
    found: int | None = definition(stack, case)["States"][case.state].get(name)
    return found


def test_a_wait_is_listed_and_answered(
    workflow: tuple[Stack, Case], waiting: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    stack, case = workflow
    assert {name: waiting[name] for name in ("stateMachineArn", "state", "resource", "target")} == {
        "stateMachineArn": stack.outputs[case.machine],
        "state": case.state,
        "resource": case.resource,
        "target": case.target,
    }
    since = datetime.fromisoformat(waiting["since"])
    for name, field in (("deadline", "TimeoutSeconds"), ("heartbeatDeadline", "HeartbeatSeconds")):
        until = datetime.fromisoformat(waiting[name]) if waiting[name] else None
        assert (until and (until - since).total_seconds()) == limit(stack, case, field)
    command.main(["--stack", stack.name])
    execution = waiting["executionArn"].rpartition(":")[2]
    assert answer.main([execution, "--yes", "--heartbeat"]) == 0
    assert answer.main([execution, "--yes", *case.answered]) == 0
    assert stack.ended(waiting["executionArn"])["status"] == case.ends
    assert answer.main([execution, "--yes", *case.answered]) == 1
    said = capsys.readouterr().out
    assert "ALREADY_SETTLED" in said
    assert CARD not in said
    tokens = re.findall(r"[A-Za-z0-9+/]{90,}", json.dumps(stack.events(waiting["executionArn"]), default=str))
    assert tokens
    assert [token for token in tokens if token in said] == []


@pytest.mark.parametrize("workflow", ["file-exchange", "order-confirmation"], indirect=True)
def test_the_token_that_a_workflow_keeps_is_that_of_its_history(
    workflow: tuple[Stack, Case], waiting: dict[str, Any]
) -> None:
    stack, case = workflow
    aws, execution = Aws(stack.client, "this AWS"), waiting["executionArn"]
    [task], _ = Finder(aws).tasks(execution)
    token = find_token(task, definition(stack, case))
    assert poll("kept token", lambda: kept_token(aws, stack.resources(), execution)) == token
    stack.stop(execution)
