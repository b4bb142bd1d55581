"""A container answers the token of a workflow that waits on the embedded AWS, and the workflow goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from payment_provider import charge
from tests.containers.conftest import Invoke
from tests.e2e.given import Stacks
from tests.unit.support import sample_event, sqs_event
from tools import ToolError
from tools.engine.engine import Engine
from tools.invoke import invoke
from tools.stack import Notifications, Stack, poll

pytestmark = [pytest.mark.local("the containers call the embedded AWS"), pytest.mark.usefixtures("image")]

HANDLER = "import platform\ndef handler(event, context):\n    return platform.python_version_tuple()[:2]\n"


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["payment-callback"]


class Container:
    """A function in a container, instead of the deployed one."""

    def __init__(self, engine: Engine, scratch: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._engine, self._scratch, self._capture = engine, scratch, capture

    def take(self, body: str) -> str:
        """Takes a payment's message, again while it goes back as on a busy machine: a slow start leaves it no time.

        The log of how it was answered.
        """

        def check() -> str | None:
            answer, log = self.invoke("PaymentWorkerFunction", sqs_event(body))
            if "OutOfTime" in log:
                return None
            assert answer == {"batchItemFailures": []}, log
            return log

        return poll("answer", check)

    def invoke(self, function: str, event: object, config_env: str = "default") -> tuple[Any, str]:
        """Its answer and its log."""
        path = self._scratch / "event.json"
        path.write_text(json.dumps(event))
        self._capture.readouterr()
        assert invoke(self._engine, function, str(path), config_env=config_env) == 0
        answer, log = self._capture.readouterr()
        return json.loads(answer), log


@pytest.fixture
def container(engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Container:
    return Container(engine, tmp_path, capfd)


def test_the_payment_worker_answers_a_live_token(
    container: Container,
    stack: Stack,
    notifications: Notifications,
    order: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "0.5")  # as the stack has it
    with stack.consumer_off("PaymentWorkerFunctionName"):
        # Given a payment that waits, and a container that has its message
        execution_id = stack.start(order)
        message = stack.receive("PaymentQueueUrl")["Body"]
        log = container.take(message)
        # Then its callback has resumed the workflow, which tells how it ended
        assert '"outcome":"DELIVERED"' in log
        expected = "SUCCEEDED" if charge({}, execution_id) else "FAILED"
        assert stack.ended(execution_id)["status"] == expected
        assert [body["outcome"] for body in notifications.of(execution_id)] == [expected]
        # And the token is worth nothing any more
        assert '"outcome":"ALREADY_SETTLED"' in container.take(message)


def test_the_manual_callback_answers_a_live_token(container: Container, stacks: Stacks) -> None:
    stack = stacks["manual-callback"]
    execution_id = stack.start({"work": "to do"}, "ManualCallbackStateMachineArn")
    token = json.loads(stack.receive("ManualCallbackQueueUrl")["Body"])["token"]
    event = {"token": token, "output": {"approved": True}}
    answer, log = container.invoke("ManualCallbackFunction", event, "manual-callback")
    assert answer == {"action": "success", "outcome": "DELIVERED"}
    end = stack.ended(execution_id)
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"approved": True})
    assert token not in log


def test_a_sample_token_is_refused(container: Container, stacks: Stacks, stack: Stack) -> None:
    assert (stack.name, stacks["manual-callback"].name) == ("payment-callback", "manual-callback")
    [record] = sample_event("payment_worker/payment")["Records"]
    assert '"outcome":"REFUSED"' in container.take(record["body"])
    answer, _ = container.invoke("ManualCallbackFunction", sample_event("manual_callback/success"), "manual-callback")
    assert answer == {"action": "success", "outcome": "REFUSED"}


def test_it_ends_with_the_failure_of_the_function(
    engine: Engine, stacks: Stacks, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert stacks["manual-callback"].outputs
    (tmp_path / "event.json").write_text('{"output": 1}')
    event = str(tmp_path / "event.json")
    assert invoke(engine, "ManualCallbackFunction", event, config_env="manual-callback") == 1
    assert json.loads(capfd.readouterr().out)["errorType"] == "MalformedEvent"


def test_what_is_not_deployed_is_named(engine: Engine, stack: Stack) -> None:
    with pytest.raises(ToolError, match=r"^payment-callback has no Nope, but DeadLetterReporterFunction, Payment"):
        invoke(engine, "Nope", "-")
    with pytest.raises(ToolError, match=r"^no-such-stack is not deployed to the embedded AWS\.$"):
        invoke(engine, "PaymentWorkerFunction", "-", config_env="no-such-stack")


def test_containers_have_the_python_of_the_templates(invoke_alone: Invoke, stack: Stack, tmp_path: Path) -> None:
    [layer] = stack.client("lambda").get_function(FunctionName=stack.outputs["PaymentWorkerFunctionName"])[
        "Configuration"
    ]["Layers"]
    properties = {"CodeUri": ".", "Handler": "code.handler", "Runtime": "python3.14", "Layers": [layer["Arn"]]}
    resources = {"Version": {"Type": "AWS::Serverless::Function", "Properties": properties}}
    template, event = tmp_path / "template.json", tmp_path / "event.json"
    template.write_text(json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}))
    event.write_text("{}")
    (tmp_path / "code.py").write_text(HANDLER)
    assert invoke_alone("Version", event, template).answer == ["3", "14"]
