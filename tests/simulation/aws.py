"""A small AWS in this process, made of a template of ours: what lies between the functions and the state machines.

Nothing happens by itself. Whoever plays a story says what is delivered, what fails, and when time passes. So each
order of events can be played, and played again.
"""

import importlib
import io
import json
import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, redirect_stdout, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from callbacks import batch, executions, task
from callbacks.entry import logger
from tests.simulation.invocations import Died, Invocations
from tests.simulation.patterns import matches, transformed
from tests.simulation.sqs import Message, Queue
from tests.unit.state_machine import Fields, read_template
from tests.unit.support import CONTEXT

START = 1_795_168_800.0  # when each story begins, in seconds since 1970

# What may become of a call of AWS
FINE = "fine"
DIES_BEFORE, DIES_AFTER = "dies before", "dies after"  # the function is killed
REFUSED = "is refused"
LOST = "arrives, but fails"  # it has its effect, and whoever calls sees an error
SENT_AGAIN = "is sent twice"  # the SDK gets no answer to the first, and whoever calls sees that to the second
FAULTS = [DIES_BEFORE, DIES_AFTER, REFUSED, LOST, SENT_AGAIN]
PAUSES = "pauses before"  # until the story goes on with this invocation, or its function's time is over
ASYNCHRONOUS_TRIES = 3
Faults = list[str | int]  # of the calls of a step, in their order; a number: something else happens before the call


class InThisThread:
    """In place of the pool of threads of a batch: one record after the other."""

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001 - as the pool does
            future.set_exception(error)
        return future


class Client:
    """In place of a client of boto3: each call goes through the faults of the step."""

    def __init__(self, aws: "Aws", service: object) -> None:
        self._aws, self._service = aws, service

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self._aws.call(
            operation, lambda: getattr(self._service, operation)(**arguments), of_function=True
        )


@dataclass
class Event:
    """One that EventBridge has for a target: a topic or a function, each by its logical ID."""

    number: int
    target: str
    body: Any
    tries: int = 0
    due_at: float = 0


@dataclass(frozen=True)
class Notification:
    """What was published, and by which execution or event: a publish that is tried again is one."""

    by: object
    body: Fields


class Aws:
    def __init__(self, template: str, mutate: Callable[[Fields], None] | None = None) -> None:
        from tests.simulation.stepfunctions import StepFunctions
        from tests.simulation.stream import Mapping, Table

        self.now = START
        self.story: list[str] = []
        self.faults: Faults = []
        self.ready: list[Callable[[], None]] = []  # what AWS does next, by itself
        self.alarms: list[tuple[float, Callable[[], None]]] = []
        self.notifications: list[Notification] = []
        self.events: list[Event] = []
        self.delivered_events: list[Event] = []
        self.given_up: list[Event] = []  # by Lambda, which keeps them where the function's template says
        self.failing: set[str] = set()  # functions that a deployment has broken
        self.meanwhile: Callable[[], list[Callable[[], object]]] = list  # what people may do before a call
        self.nothing_fails = False  # from the end of a story on
        self.invocations = Invocations()
        self._numbers = 0
        self._nested = False
        self.template = _template(template)
        if mutate:
            self.template = deepcopy(self.template)
            mutate(self.template)
        self.resources: dict[str, Fields] = self.template["Resources"]
        self.queues = {
            name: Queue(self, name, self.resolve(each.get("Properties", {})))
            for name, each in self.resources.items()
            if each["Type"] == "AWS::SQS::Queue"
        }
        self.tables = {
            name: Table(self, name) for name, each in self.resources.items() if each["Type"] == "AWS::DynamoDB::Table"
        }
        self.mappings = [
            Mapping(self, name, self.resolve(event["Properties"]))
            for name, each in self.resources.items()
            if each["Type"] == "AWS::Serverless::Function"
            for event in each["Properties"].get("Events", {}).values()
            if event["Type"] == "DynamoDB"
        ]
        self.step_functions = StepFunctions(self)
        self.consumers = self._consumers("SQS", "Queue")
        self.functions = [name for name, each in self.resources.items() if each["Type"] == "AWS::Serverless::Function"]
        self.subscribers = list(self._consumers("SNS", "Topic").values())
        self.printed = io.StringIO()
        self.cleanup = ExitStack()
        self.patch = self.cleanup.enter_context(pytest.MonkeyPatch.context())
        self.cleanup.enter_context(redirect_stdout(self.printed))
        self.patch.setattr(logger.registered_handler, "stream", self.printed)
        self.patch.setattr(batch, "_pool", InThisThread())
        for module in (task, executions):
            self.patch.setattr(module, "_stepfunctions", Client(self, self.step_functions))

    # -------------------------------------------------------------- the template
    def resolve(self, value: Any) -> Any:
        """A value of the template, with a logical ID for whatever refers to a resource."""
        match value:
            case {"Ref": str() as name} if name in self.template.get("Parameters", {}):
                return self.template["Parameters"][name].get("Default", "")
            case {"Ref": str() as name} | {"Fn::GetAtt": [str() as name, *_]}:
                return name
            case {"Fn::Sub": _}:
                return "https://example.com"
            case {"Fn::If": [_, _, otherwise]}:  # the parameters have their defaults
                return self.resolve(otherwise)
            case dict():
                return {key: self.resolve(each) for key, each in value.items()}
            case list():
                return [self.resolve(each) for each in value]
        return value

    def _consumers(self, kind: str, source: str) -> dict[str, str]:
        """The functions that read queues or the like, by these."""
        return {
            self.resolve(event["Properties"][source]): name
            for name, each in self.resources.items()
            if each["Type"] == "AWS::Serverless::Function"
            for event in each["Properties"].get("Events", {}).values()
            if event["Type"] == kind
        }

    # -------------------------------------------------------------- calls, and what becomes of them
    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def say(self, words: str) -> None:
        self.story.append(words)

    def call(self, operation: str, effect: Callable[[], Any], *, of_function: bool) -> Any:
        """Make a call, as the next fault has it. Raises ClientError or ReadTimeoutError, or the function dies."""
        fault = self.faults.pop(0) if self.faults else FINE
        if isinstance(fault, int):
            self._something_else(fault, operation)
            fault = FINE
        if fault == PAUSES:
            if of_function:
                self.say(f"    the function {PAUSES} {operation}")
                self.invocations.pause()
            fault = FINE
        if fault != FINE:
            self.say(f"    {operation} {fault}" if "dies" not in fault else f"    the function {fault} {operation}")
        if fault in (REFUSED, DIES_BEFORE):
            if of_function and fault == DIES_BEFORE:
                raise Died
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, operation)
        answer = effect()
        if fault in (LOST, DIES_AFTER):
            if of_function and fault == DIES_AFTER:
                raise Died
            raise ReadTimeoutError(endpoint_url="https://aws")
        return effect() if fault == SENT_AGAIN and of_function else answer

    def _something_else(self, which: int, operation: str) -> None:
        """Something is delivered or done while a function is about to make a call, and nothing before its calls."""
        if self._nested:
            return
        self._nested, faults, self.faults = True, self.faults, []
        try:
            self.say(f"    before {operation}:")
            acts = self.meanwhile()
            if which < len(acts):
                acts[which]()
                self.go_on()
            else:
                self.deliver(which - len(acts), 1)
        finally:
            self._nested, self.faults = False, faults

    def go_on(self) -> None:
        """Let AWS do what it does by itself."""
        while self.ready:
            self.ready.pop(0)()

    # -------------------------------------------------------------- time
    def at(self, when: float, action: Callable[[], None]) -> None:
        self.alarms.append((when, action))

    def next_deadline(self) -> float | None:
        times = [when for when, _ in self.alarms] + [each.due_at for each in self.events]
        times += [queue.next_visible() or 0 for queue in self.queues.values()]
        times += [mapping.next_due() or 0 for mapping in self.mappings]
        times += [each.ends_at for each in self.invocations.paused]
        return min((when for when in times if when > self.now), default=None)

    def pass_time(self, until: float) -> None:
        self.invocations.end(until)
        self.now = until
        due = [action for when, action in self.alarms if when <= until]
        self.alarms = [each for each in self.alarms if each[0] > until]
        for action in due:
            action()

    # -------------------------------------------------------------- Lambda
    def invoke(self, function: str, event: Any) -> Any:
        """What a function returns. Whatever leaves it raises FunctionFailed."""
        properties = self.resources[function]["Properties"]
        if function in self.failing:
            raise FunctionFailed("Runtime.ImportModuleError")
        os.environ.update(self.resolve(properties.get("Environment", {}).get("Variables", {})))
        timeout = self.template["Globals"]["Function"]["Timeout"]
        self.invocations.limit(self.now + properties.get("Timeout", timeout))
        module, _, handler = properties["Handler"].rpartition(".")
        try:
            return json.loads(json.dumps(getattr(importlib.import_module(module), handler)(event, CONTEXT)))
        except Died:
            raise FunctionFailed("Runtime.ExitError") from None
        except Exception as error:  # noqa: BLE001 - as Lambda does
            raise FunctionFailed(type(error).__name__) from None

    # -------------------------------------------------------------- what can be delivered
    def deliverable(self) -> list[Callable[[int], None]]:
        """What may happen next: each takes how many messages a batch may have."""
        batches = [self._batch(queue, first) for queue in self.consumers for first in self.queues[queue].visible()]
        records = [partial(mapping.deliver, shard) for mapping in self.mappings for shard in mapping.due()]
        events = [self._event(event) for event in self.events if event.due_at <= self.now]
        return [*batches, *records, *events]

    def deliver(self, which: int, size: int) -> bool:
        """Deliver one batch or event of those that may be, and let AWS go on."""
        possible = self.deliverable()
        if possible:
            possible[which % len(possible)](size)
        self.go_on()
        return bool(possible)

    def _batch(self, queue: str, first: Message) -> Callable[[int], None]:
        def deliver(size: int) -> None:
            others = [message for message in self.queues[queue].visible() if message is not first]
            self.deliver_batch(queue, [first, *others[: size - 1]])

        return deliver

    def deliver_batch(self, queue: str, messages: list[Message]) -> None:
        """Invoke the function of a queue, and delete what it does not report as failed."""
        function = self.consumers[queue]
        batch = self.queues[queue].receive(messages)
        if not batch:
            return
        self.say(f"  {function} gets {', '.join(str(message) for message in batch)}")
        try:
            answer = self.invoke(function, {"Records": [message.record(queue) for message in batch]})
        except FunctionFailed as failure:
            self.say(f"    {function} fails: {failure}")
            for message in batch:
                message.fail(in_peace=self.nothing_fails)
            return
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        if not self._reports_failures(function):
            failed = set()
        for message in batch:
            if message.id in failed:
                message.fail(in_peace=self.nothing_fails)
            else:
                self.queues[queue].delete(message)

    def _reports_failures(self, function: str) -> bool:
        events = self.resources[function]["Properties"]["Events"].values()
        return all("ReportBatchItemFailures" in each["Properties"].get("FunctionResponseTypes", []) for each in events)

    # -------------------------------------------------------------- EventBridge and SNS
    def emit(self, event: Fields) -> None:
        """Report an event to the targets of each rule that is for it."""
        rules = [each["Properties"] for each in self.resources.values() if each["Type"] == "AWS::Events::Rule"]
        for rule in rules:
            if matches(self.resolve(rule["EventPattern"]), event):
                for target in rule["Targets"]:
                    body, name = transformed(event, target.get("InputTransformer")), self.resolve(target["Arn"])
                    if name in self.queues:  # which delivers it whenever it likes
                        self.queues[name].send(json.dumps(body))
                    else:
                        self.events.append(Event(self.number(), name, body))
        for name, each in self.resources.items():
            if each["Type"] == "AWS::Serverless::Function":
                for source in each["Properties"].get("Events", {}).values():
                    if source["Type"] == "EventBridgeRule" and matches(
                        self.resolve(source["Properties"]["Pattern"]), event
                    ):
                        self.events.append(Event(self.number(), name, event))

    def _event(self, event: Event) -> Callable[[int], None]:
        return lambda _size: self.deliver_event(event)

    def deliver_event(self, event: Event) -> None:
        self.say(f"  EventBridge delivers event {event.number} to {event.target}")
        if self.resources[event.target]["Type"] == "AWS::SNS::Topic":
            self.publish(("event", event.number), event.body)
        else:
            event.tries += 1
            try:
                self.invoke(event.target, event.body)
            except FunctionFailed as failure:
                self.say(f"    {event.target} fails: {failure}")
                if event.tries < ASYNCHRONOUS_TRIES:
                    event.due_at = self.now + 60 * event.tries
                    return
                self.say(f"    event {event.number} is given up")
                self.given_up.append(event)
        if event in self.events:
            self.events.remove(event)
            self.delivered_events.append(event)

    def publish(self, by: object, body: Fields) -> None:
        self.notifications.append(Notification(by, body))
        event = {"Records": [{"Sns": {"MessageId": f"{len(self.notifications)}", "Message": json.dumps(body)}}]}
        for subscriber in self.subscribers:
            with suppress(FunctionFailed):  # a queue keeps what it fails on
                self.invoke(subscriber, event)

    def notified(self, execution_id: str) -> list[Fields]:
        """The notifications of an execution; those that one publish has made twice count once."""
        found = {each.by: each.body for each in self.notifications if each.body.get("executionId") == execution_id}
        return list(found.values())


@cache
def _template(name: str) -> Fields:
    """Read once: it takes longer than a story."""
    return read_template(name)


class FunctionFailed(Exception):
    """The text is the name of the error, as Lambda gives it."""
