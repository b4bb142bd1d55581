"""A deployed stack, embedded or on AWS: start executions, wait for their ends, collect notifications."""

import json
import os
import threading
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import boto3

from tools import PROJECT, ToolError
from tools.deployment import configured_stack_name, deploy
from tools.engine.engine import ACCESS_KEY, REGION, SECRET_KEY, Engine, skip

T = TypeVar("T")

# AWS may take longer than the embedded AWS: how many times as long a stack that was named is waited for
PATIENCE = 5 if "STACK_NAME" in os.environ else 1

WORKFLOWS = ("payment-callback", "manual-callback", "async-api", "file-exchange", "order-confirmation")
# By stack name, the section of samconfig.toml that deploys it: of these workflows, and of yours
STACKS = {
    configured_stack_name(section): section
    for section, commands in tomllib.loads((PROJECT / "samconfig.toml").read_text()).items()
    if isinstance(commands, dict)
}


def poll(what: str, check: Callable[[], T | None], seconds: float = 120, every: float = 0.1) -> T:
    """The first thing other than None that `check` returns.

    Raises AssertionError, which names what it awaited, when time is up.
    """
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds} s")
        time.sleep(every)


@dataclass(frozen=True)
class Invocation:
    """How an invocation of a function ended: `error` is None, or how AWS calls the kind of error."""

    error: str | None
    answer: Any


@dataclass
class Stack:
    """One stack and the clients for it. `environment` is what SAM CLI and AWS CLI need to reach the same place.

    `endpoint_url` is that of an embedded AWS, None on AWS itself.
    """

    name: str
    outputs: Mapping[str, str]
    session: boto3.Session
    endpoint_url: str | None
    environment: Mapping[str, str]
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def on_aws(self) -> bool:
        return self.endpoint_url is None

    def client(self, service: str) -> Any:  # noqa: ANN401 - the type follows from a text
        if service not in self.clients:
            self.clients[service] = self.session.client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]
        return self.clients[service]

    def resources(self) -> list[dict[str, Any]]:
        """What CloudFormation says of each resource: LogicalResourceId, PhysicalResourceId, ResourceType …"""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]

    # -------------------------------------------------------------- executions
    def start(self, payload: object, machine: str = "StateMachineWaitForCallbackArn") -> str:
        """Starts an execution of a state machine, by the name of the output that names it, and returns its ARN."""
        arn = self.outputs[machine]
        started = self.client("stepfunctions").start_execution(stateMachineArn=arn, input=json.dumps(payload))
        return str(started["executionArn"])

    def start_all(
        self, inputs: list[object], threads: int = 8, machine: str = "StateMachineWaitForCallbackArn"
    ) -> list[str]:
        self.client("stepfunctions")
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda payload: self.start(payload, machine), inputs))

    def executions(self, machine: str, **only: str) -> dict[str, str]:
        """The status of every execution of a state machine, by ARN, or of those that ListExecutions filters."""
        pages = self.client("stepfunctions").get_paginator("list_executions")
        found = [page["executions"] for page in pages.paginate(stateMachineArn=self.outputs[machine], **only)]
        return {execution["executionArn"]: execution["status"] for page in found for execution in page}

    def ended(self, execution_id: str, seconds: float = 120) -> dict[str, Any]:
        """The description of an execution that has ended, or will within the seconds given."""

        def check() -> dict[str, Any] | None:
            description: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=execution_id)
            return None if description["status"] == "RUNNING" else description

        return poll(f"end of {execution_id}", check, seconds)

    def events(self, execution_id: str) -> list[dict[str, Any]]:
        """The history of an execution."""
        events: list[dict[str, Any]] = self.client("stepfunctions").get_execution_history(executionArn=execution_id)[
            "events"
        ]
        return events

    def stop(self, execution_id: str, **why: str) -> None:
        """Stops an execution, with an error and a cause if they are given."""
        self.client("stepfunctions").stop_execution(executionArn=execution_id, **why)

    def states_entered(self, execution_id: str) -> list[str]:
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.events(execution_id)
            if event["type"].endswith("StateEntered")
        ]

    # -------------------------------------------------------------- queues and functions
    def send(self, queue: str, body: str) -> None:
        self.client("sqs").send_message(QueueUrl=self.outputs[queue], MessageBody=body)

    def receive(self, queue: str, seconds: float = 120) -> dict[str, Any]:
        """The next message of a queue, deleted from it."""
        url = self.outputs[queue]

        def check() -> dict[str, Any] | None:
            answer = self.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1, AttributeNames=["All"])
            return next(iter(answer.get("Messages", [])), None)

        message = poll(f"message in {queue}", check, seconds)
        self.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return message

    def drain(self, queue: str) -> None:
        """Takes what can be received from a queue and drops it."""
        sqs, url = self.client("sqs"), self.outputs[queue]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def invoke(self, function: str, event: object) -> Invocation:
        """Invokes a function (by the name of the output that names it) and waits for its answer."""
        answer = self.client("lambda").invoke(FunctionName=self.outputs[function], Payload=json.dumps(event).encode())
        return Invocation(answer.get("FunctionError"), json.loads(answer["Payload"].read()))

    def log(self, pattern: str = "") -> list[str]:
        """What the functions have printed so far, or what of it has a text in it."""
        pages = self.client("logs").get_paginator("filter_log_events")
        group = self.outputs["FunctionLogGroupName"]
        found = pages.paginate(logGroupName=group, filterPattern=f'"{pattern}"' if pattern else "")
        return [event["message"] for page in found for event in page["events"]]

    def log_lines(self, function: str) -> list[dict[str, Any]]:
        """What a function has logged so far: the lines that Powertools wrote for it."""
        lines = []
        for text in self.log(self.outputs[function]):
            with suppress(ValueError):
                lines.append(json.loads(text))
        mine = self.outputs[function]
        return [line for line in lines if isinstance(line, dict) and line.get("function_name") == mine]

    def attributes(self, queue: str, *names: str) -> list[str]:
        url = self.outputs[queue]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
        return [answer["Attributes"][name] for name in names]

    def depth(self, queue: str) -> int:
        """How many messages a queue holds, those in flight included."""
        return sum(
            map(int, self.attributes(queue, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"))
        )

    def let_aws_catch_up(self, seconds: float) -> None:
        """Waits for what AWS tells nobody the end of; the embedded AWS is never late."""
        if self.on_aws:
            time.sleep(seconds)

    @contextmanager
    def consumer_off(self, function: str) -> Iterator[None]:
        """Switches the queue trigger of a function (by the name of the output that names it) off, and on again."""
        mappings = self.client("lambda").list_event_source_mappings(FunctionName=self.outputs[function])
        [mapping] = mappings["EventSourceMappings"]

        def switch(on: bool) -> None:
            self.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
            state = "Enabled" if on else "Disabled"
            poll(
                f"{state} trigger of {function}",
                lambda: self.client("lambda").get_event_source_mapping(UUID=mapping["UUID"])["State"] == state or None,
                seconds=120,
            )

        switch(on=False)
        self.let_aws_catch_up(20)  # a receive that waits may still take a message
        try:
            yield
        finally:
            switch(on=True)

    @contextmanager
    def without_variable(self, function: str, variable: str) -> Iterator[None]:
        """Takes a function an environment variable that it needs, so that every invocation fails, and gives it back."""
        client, name = self.client("lambda"), self.outputs[function]
        before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        if variable not in before:
            raise ToolError(f"{function} has no environment variable {variable}.")

        def configure(variables: dict[str, str]) -> None:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
            client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

        configure({key: value for key, value in before.items() if key != variable})
        try:
            yield
        finally:
            configure(before)

    @contextmanager
    def impatient(self, machine: str, state: str, **seconds: int) -> Iterator[None]:
        """Shortens the waits of a state for executions that are started meanwhile: `TimeoutSeconds=2`."""
        client, arn = self.client("stepfunctions"), self.outputs[machine]
        before = client.describe_state_machine(stateMachineArn=arn)["definition"]
        definition = json.loads(before)
        if missing := seconds.keys() - definition["States"][state].keys():
            raise ToolError(f"{state} has no {', '.join(sorted(missing))}.")
        definition["States"][state].update(seconds)
        client.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
        self.let_aws_catch_up(10)  # executions may start with the definition of before
        try:
            yield
        finally:
            client.update_state_machine(stateMachineArn=arn, definition=before)

    @contextmanager
    def overdue(self, machine: str, state: str, **seconds: int) -> Iterator[Callable[[], None]]:
        """Yields what makes the wait of a state miss its times: the embedded AWS moves its clock by the first of them.

        On AWS they are shortened to `seconds` for executions that are started meanwhile, as by impatient().
        """
        if self.endpoint_url is None:
            with self.impatient(machine, state, **seconds):
                yield lambda: None
            return
        described = self.client("stepfunctions").describe_state_machine(stateMachineArn=self.outputs[machine])
        first = min(json.loads(described["definition"])["States"][state][name] for name in seconds)
        yield lambda: self.pass_time(first)

    def pass_time(self, seconds: float) -> None:
        """Waits on AWS; the embedded AWS moves the clock of its workflows."""
        if self.endpoint_url is None:
            time.sleep(seconds)
        else:
            skip(self.endpoint_url, seconds)

    @contextmanager
    def quick_redelivery(self, *queues: str, seconds: int = 1) -> Iterator[None]:
        """Shortens the visibility timeout of queues, so that a test need not wait for the production one."""
        sqs = self.client("sqs")

        def configure(queue: str, timeout: str) -> None:
            sqs.set_queue_attributes(QueueUrl=self.outputs[queue], Attributes={"VisibilityTimeout": timeout})

        before = {queue: self.attributes(queue, "VisibilityTimeout")[0] for queue in queues}
        for queue in queues:
            configure(queue, str(seconds))
        self.let_aws_catch_up(60)  # as long as the attributes of a queue may take to reach all of SQS
        try:
            yield
        finally:
            for queue, timeout in before.items():
                configure(queue, timeout)


def deployed(engine: Engine, **arguments: Any) -> Stack:  # noqa: ANN401 - as deploy() has them
    """A stack that `sam deploy` makes on the embedded AWS; arguments as of `tools.deployment.deploy`."""
    outputs = deploy(engine, **arguments)
    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION)
    name = arguments.get("stack_name") or configured_stack_name(arguments.get("config_env", "default"))
    return Stack(name, outputs, session, engine.endpoint_url, engine.client_environment())


class Notifications:
    """Drains a stack's test queue in the background and sorts what it finds by execution."""

    def __init__(self, stack: Stack, queue: str = "WaitForCallbackDemoNotificationTestQueueUrl") -> None:
        self._sqs = stack.client("sqs")
        self._url = stack.outputs[queue]
        self._bodies: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drain)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def of(self, execution_id: str, seconds: float = 120) -> list[dict[str, Any]]:
        """The notifications of an execution: all there are, once there is one."""
        return poll(f"notification of {execution_id}", lambda: self._bodies.get(execution_id), seconds)

    def count(self, execution_id: str) -> int:
        return len(self._bodies.get(execution_id, []))

    def bodies(self, execution_id: str) -> list[dict[str, Any]]:
        """What there is so far."""
        return list(self._bodies.get(execution_id, []))

    def executions(self) -> set[str]:
        """Every execution that has been notified so far."""
        return set(self._bodies)

    def forget(self) -> None:
        """Drops what was found so far."""
        self._bodies.clear()

    def settle(self) -> None:
        """Returns when the test queue has given nothing for a second."""
        quiet = 0
        while quiet < 2:
            quiet = 0 if self._receive(wait=1) else quiet + 1

    def _drain(self) -> None:
        while not self._stop.is_set():
            self._receive(wait=1)

    def _receive(self, wait: int) -> int:
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        messages = answer.get("Messages", [])
        for message in messages:
            body = json.loads(json.loads(message["Body"])["Message"])
            self._bodies[body["executionId"]].append(body)
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)
