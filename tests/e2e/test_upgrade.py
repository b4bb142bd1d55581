"""A deployment while executions wait: those that the last release started end as it promised, and are notified once."""

import hashlib
import io
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZipFile

import pytest
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

from tests.e2e.test_async_api import logged_lines
from tests.e2e.test_file_exchange import Bucket
from tests.e2e.test_order_confirmation import Api, link_to
from tools import PROJECT
from tools.engine.engine import Engine
from tools.engine.rest import call, reachable
from tools.stack import WORKFLOWS, Notifications, Stack, deployed, poll

LAST_RELEASE = "52f7cb65cf95"  # what users have deployed; docs/releasing.md says when it moves on
COUNT = 20

pytestmark = [pytest.mark.slow, pytest.mark.local("it deploys two releases over each other")]

End = tuple[str, str | None]  # status and error of an execution
SUCCEEDED: End = ("SUCCEEDED", None)
WAIT_TIME = 600  # of simulations that the deployment overtakes, in seconds of the engine's clock


@pytest.fixture(scope="module")
def last_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the last release deploys."""
    folder = tmp_path_factory.mktemp("last-release")
    archive = ["git", "-C", str(PROJECT), "archive", "--format=zip", LAST_RELEASE]
    deployed_files = ["functions", "statemachine", "templates", "template.yaml"]
    try:
        packed = subprocess.run([*archive, *deployed_files], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip(f"this copy of the project does not have revision {LAST_RELEASE}: `git fetch --unshallow`")
    with ZipFile(io.BytesIO(packed.stdout)) as files:
        files.extractall(folder)
    return folder


@contextmanager
def payments(stack: Stack, _notifications: Notifications | None) -> Iterator[dict[str, End]]:
    """In the queue of a worker that is switched off; two of them are no payments."""
    order = json.loads((PROJECT / "events/payment_callback/order.json").read_text())
    with stack.consumer_off("PaymentWorkerFunctionName"):
        started = stack.start_all([order] * (COUNT - 2))
        refused = stack.start_all([{**order, "amount": -1}] * 2)
        poll("requests in the queue", lambda: stack.depth("PaymentQueueUrl") == COUNT or None)
        yield {execution: payment_end(execution) for execution in started} | dict.fromkeys(
            refused, ("FAILED", "Payment.InvalidRequest")
        )


def payment_end(execution_id: str) -> End:
    """As the last release decides at its default rate."""
    coin = int.from_bytes(hashlib.sha256(execution_id.encode()).digest()[:6]) / 2**48
    return SUCCEEDED if coin < 0.5 else ("FAILED", "Failed to process payment")


@contextmanager
def manual_work(stack: Stack, _notifications: Notifications | None) -> Iterator[dict[str, End]]:
    """Half of the work is still in the queue; the other half somebody has taken, with the token in its old message."""
    executions = stack.start_all(
        [{"number": number} for number in range(COUNT)], machine="ManualCallbackStateMachineArn"
    )
    ends = [SUCCEEDED if number % 2 else ("FAILED", "Work.Refused") for number in range(COUNT)]
    messages = [json.loads(stack.receive("ManualCallbackQueueUrl")["Body"]) for _ in range(COUNT // 2)]
    yield dict(zip(executions, ends, strict=True))
    messages += [json.loads(stack.receive("ManualCallbackQueueUrl")["Body"]) for _ in range(COUNT - len(messages))]
    for message in messages:
        token, number = message["token"], message["input"]["number"]
        for answer in [{"heartbeat": True}, {"output": number} if number % 2 else {"error": "Work.Refused"}]:
            answered = stack.invoke("ManualCallbackFunctionName", {"token": token, **answer})
            assert (answered.error, answered.answer["outcome"]) == (None, "DELIVERED")


@contextmanager
def api_calls(stack: Stack, _notifications: Notifications | None) -> Iterator[dict[str, End]]:
    """Half of the requests are in the queue, the API works on the other half."""
    machine = "AsyncApiStateMachineArn"
    inputs = [{"waitTime": WAIT_TIME, "status": status} for status in ("success", "failure")] * (COUNT // 4)
    worked_on = stack.start_all(list(inputs), machine=machine)
    simulator = "AsyncApiSimulatorStateMachineArn"
    poll("simulations", lambda: len(stack.executions(simulator)) == len(worked_on) or None)
    with stack.consumer_off("AsyncApiRequesterFunctionName"):
        queued = stack.start_all([{**request, "waitTime": 0} for request in inputs], machine=machine)
        poll("requests in the queue", lambda: stack.depth("ApiRequestQueueUrl") == len(queued) or None)
        ends = [
            SUCCEEDED if request["status"] == "success" else ("FAILED", "AsyncApi.RequestFailed") for request in inputs
        ]
        yield dict(zip(worked_on + queued, ends * 2, strict=True))
    stack.pass_time(WAIT_TIME)


@contextmanager
def exchanges(stack: Stack, _notifications: Notifications | None) -> Iterator[dict[str, End]]:
    """Some are not written out, of some the partner has answered and nobody has looked, most wait for the partner."""
    bucket = Bucket(stack)

    def started(count: int) -> list[str]:
        return stack.start_all([{"info": number} for number in range(count)], machine="FileExchangeStateMachineArn")

    def await_requests(executions: list[str]) -> None:
        for execution_id in executions:
            bucket.await_text(f"outbound/{uuid5(NAMESPACE_URL, execution_id)}/request.json")

    def answer(executions: list[str]) -> None:
        for execution_id in executions:
            uuid = uuid5(NAMESPACE_URL, execution_id)
            if ends[execution_id] == SUCCEEDED:
                bucket.drop(f"inbound/{uuid}/success.json", json.dumps({"answer": 42}))
            else:
                bucket.drop(
                    f"inbound/{uuid}/failure.json", json.dumps({"error": "OutOfStock", "cause": "None is left."})
                )

    asked = started(COUNT - 4)
    await_requests(asked)
    with stack.consumer_off("FileExchangeOutboxFunctionName"), stack.consumer_off("FileExchangeInboxFunctionName"):
        queued = started(4)
        poll("requests in the queue", lambda: stack.depth("OutboxQueueUrl") == len(queued) or None)
        ends: dict[str, End] = {
            execution: SUCCEEDED if number % 2 else ("FAILED", "OutOfStock")
            for number, execution in enumerate(asked + queued)
        }
        answer(asked[:4])
        poll("files to look at", lambda: stack.depth("InboundQueueUrl") == len(queued) or None)
        yield ends
    await_requests(queued)
    answer(asked[4:] + queued)


@contextmanager
def orders(stack: Stack, notifications: Notifications | None) -> Iterator[dict[str, End]]:
    """Half are decided through the API, half on the page that a link of the last release leads to."""
    assert notifications
    described = stack.client("apigateway").get_api_key(apiKey=stack.outputs["OrderApiKeyId"], includeValue=True)
    api = Api(stack, reachable(stack.outputs["OrderApiUrl"], stack.endpoint_url), described["value"])
    order_ids = [f"order-{number}" for number in range(COUNT)]
    for order_id in order_ids:
        assert api.open(order_id).status == 202
    executions = [api.waits(order_id) for order_id in order_ids]
    links = [link_to(api, notifications, execution_id) for execution_id in executions]
    confirmed = [number % 4 < 2 for number in range(COUNT)]
    ends = [SUCCEEDED if yes else ("FAILED", "Order.Cancelled") for yes in confirmed]
    yield dict(zip(executions, ends, strict=True))
    for order_id, link, yes in zip(order_ids[::2], links[::2], confirmed[::2], strict=True):
        assert (call("GET", link).status, api.get(order_id)["state"]) == (200, "WAITING")
        assert call("POST", link, form={"decision": "confirm" if yes else "cancel"}).status == 200
    for order_id, yes in zip(order_ids[1::2], confirmed[1::2], strict=True):
        assert api.confirm(order_id, yes).status == 200
    for order_id, yes in zip(order_ids, confirmed, strict=True):
        assert api.get(order_id)["state"] == ("CONFIRMED" if yes else "CANCELLED")


WAITING: dict[str, Callable[[Stack, Notifications | None], AbstractContextManager[dict[str, End]]]] = {
    "payment-callback": payments,
    "manual-callback": manual_work,
    "async-api": api_calls,
    "file-exchange": exchanges,
    "order-confirmation": orders,
}
TEST_QUEUES = {
    "payment-callback": "WaitForCallbackDemoNotificationTestQueueUrl",
    "file-exchange": "NotificationTestQueueUrl",
    "order-confirmation": "NotificationTestQueueUrl",
}


@contextmanager
def notified(stack: Stack, queue: str | None) -> Iterator[Notifications | None]:
    if queue is None:
        yield None
        return
    with Notifications(stack, queue) as notifications:
        yield notifications


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_what_waits_outlives_a_deployment(engine: Engine, last_release: Path, workflow: str) -> None:
    # Given executions of the last release that wait
    config = {"config_env": "default" if workflow == "payment-callback" else workflow, "stack_name": f"up-{workflow}"}
    stack = deployed(engine, directory=last_release, **config)
    before = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in stack.resources()}
    with notified(stack, TEST_QUEUES.get(workflow)) as notifications:
        with WAITING[workflow](stack, notifications) as expected:
            # When this one is deployed
            after = deployed(engine, **config)
            assert after.outputs["Version"]
            # Then nothing that waits has moved
            still = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in after.resources()}
            assert moved(before, still) == {}
            assert {
                stack.client("stepfunctions").describe_execution(executionArn=arn)["status"] for arn in expected
            } == {"RUNNING"}
        # And when all are answered, each ends as the last release promised
        assert len(expected) == COUNT
        ends = {execution_id: stack.ended(execution_id, seconds=120) for execution_id in expected}
        found = {execution_id: (end["status"], end.get("error")) for execution_id, end in ends.items()}
        assert found == expected
        # And is notified once
        counts = notification_counts(stack, notifications, set(expected))
        assert counts == ({} if workflow == "manual-callback" else dict.fromkeys(expected, 1))


@pytest.mark.parametrize("template", ["template.yaml", *(f"templates/{workflow}.yaml" for workflow in WORKFLOWS[1:])])
def test_an_old_definition_keeps_the_rights_that_it_needs(last_release: Path, template: str) -> None:
    before, now = rights_of_state_machines(last_release / template), rights_of_state_machines(PROJECT / template)
    assert before
    assert before - now == set()


def rights_of_state_machines(template: Path) -> set[tuple[str, str]]:
    """Action and resource of each statement in the roles of a template's state machines."""
    resources: dict[str, Any] = yaml_parse(template.read_text())["Resources"]
    machines = [body["Properties"] for body in resources.values() if body["Type"] == "AWS::Serverless::StateMachine"]
    roles = [resources[machine["Role"]["Fn::GetAtt"][0]]["Properties"] for machine in machines]
    statements = [
        statement
        for role in roles
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    return {
        (action, json.dumps(resource, sort_keys=True))
        for statement in statements
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def moved(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    """What the deployment replaced or removed, beside the deployments of an API, which are new ones each time."""
    return {
        name: after.get(name)
        for name, physical in before.items()
        if after.get(name) != physical and "Deployment" not in name and not name.endswith("Permission")
    }


def notification_counts(stack: Stack, notifications: Notifications | None, executions: set[str]) -> dict[str, int]:
    """How often the end of each execution was published; nothing of a stack without a topic."""
    if "NotificationTopicArn" not in stack.outputs:
        return {}

    def found() -> Counter[str]:
        if notifications is None:
            return Counter({execution: len(lines) for execution, lines in logged_lines(stack).items()})
        ends = {
            execution: [body for body in notifications.bodies(execution) if body["outcome"] != "WAITING"]
            for execution in notifications.executions()
        }
        return Counter({execution: len(bodies) for execution, bodies in ends.items()})

    poll("notification of each execution", lambda: all(found()[execution] for execution in executions) or None)
    if notifications:
        notifications.settle()
    return {execution: count for execution, count in found().items() if count}
