"""One execution's story: its states, what they waited for, who answered, and what was published.

It is made of fields that are chosen one by one: inputs, outputs and what tasks send hold task tokens and card data.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools import plain

TARGETS = ("QueueUrl", "TopicArn", "TableName", "FunctionName", "StateMachineArn")  # arguments that name a resource
PUBLISHED = ("outcome", "Error", "orderId", "uuid")  # what is shown of a notification
FAILURES = ("TaskFailed", "TaskTimedOut", "ActivityFailed", "ActivityTimedOut")  # with an error's name or without
ANSWERS = ("DELIVERED", "ALREADY_SETTLED", "REFUSED")  # as functions log a callback

Fields = Mapping[str, Any]


@dataclass
class Step:
    """A state that was entered. `end` is None where it was not left; `errors` are those of its failed attempts."""

    name: str
    definition: Fields
    start: datetime
    end: datetime | None = None
    attempts: int = 0
    errors: list[str] = field(default_factory=list)
    succeeded: bool = False
    scheduled: Fields = field(default_factory=dict)  # details of the last attempt
    published: Fields = field(default_factory=dict)
    lines: list[Fields] = field(default_factory=list)  # of the functions' log

    @property
    def resource(self) -> str:
        """`sqs:sendMessage.waitForTaskToken`; empty where the state is no task."""
        return str(self.definition.get("Resource", "")).rpartition(":states:::")[2]

    @property
    def waits(self) -> bool:
        return self.resource.endswith(".waitForTaskToken")

    @property
    def answered(self) -> bool:
        """By whoever holds the token, not by a timeout or an error of the service that was to carry it."""
        last = self.errors[-1].lower() if self.errors else "states."
        return self.succeeded or not last.startswith(("states.", f"{self.resource.split(':')[-2]}."))

    def limit(self, name: str) -> int | None:
        """Seconds of `Timeout` or `Heartbeat`, as AWS computed them or else as they are written."""
        found = self.scheduled.get(f"{name.lower()}InSeconds", self.definition.get(f"{name}Seconds"))
        return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Story:
    """`execution`: as DescribeExecution has it. `stack`: the name of its stack, empty where that is not known."""

    execution: Fields
    steps: list[Step]
    stack: str


def find_story(client: Callable[..., Any], execution: str) -> Story | None:
    """The story of an execution, by its ARN or its name; None where there is none. Raises what clients raise.

    `client` makes a client of a service.
    """
    step_functions = client("stepfunctions")
    described = find_execution(step_functions, execution)
    if described is None:
        return None
    arn = described["executionArn"]
    machine = step_functions.describe_state_machine_for_execution(executionArn=arn)
    pages = step_functions.get_paginator("get_execution_history").paginate(executionArn=arn)
    steps = tell([event for page in pages for event in page["events"]], json.loads(machine["definition"]))
    stack = ""
    with suppress(ClientError):  # whoever may see the execution need not see its stack or its log
        stack, group = _find_stack(client("cloudformation"), described["stateMachineArn"])
        add_lines(steps, list(_log_lines(client("logs"), group, described)))
    return Story(described, steps, stack)


def find_execution(step_functions: Any, execution: str) -> Fields | None:  # noqa: ANN401
    """What DescribeExecution says of an execution, by its ARN or its name; None where there is none."""
    candidates = iter([execution])
    if ":" not in execution:
        pages = step_functions.get_paginator("list_state_machines").paginate()
        arns = (machine["stateMachineArn"] for page in pages for machine in page["stateMachines"])
        candidates = (f"{arn.replace(':stateMachine:', ':execution:')}:{execution}" for arn in arns)
    for arn in candidates:
        try:
            found: Fields = step_functions.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "InvalidArn"):
                raise
        else:
            return found
    return None


def _find_stack(cloudformation: Any, state_machine: str) -> tuple[str, str]:  # noqa: ANN401
    """The name of the stack that has a state machine as an output, and its log group; empty where there is none."""
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
            if state_machine in outputs.values():
                return stack["StackName"], outputs.get("FunctionLogGroupName", "")
    return "", ""


def _log_lines(logs: Any, group: str, execution: Fields) -> Iterator[Fields]:  # noqa: ANN401
    """What functions logged about an execution."""
    if group:
        arn, since = execution["executionArn"], int(execution["startDate"].timestamp() * 1000)
        pages = logs.get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, filterPattern=f'"{arn}"', startTime=since):
            lines = (_line(event) for event in page["events"])
            yield from (line for line in lines if line.get("correlation_id") == arn)


def _line(event: Fields) -> Fields:
    """A line of the log; where `make skip` had moved the embedded AWS's clock, by that clock and not the function's."""
    line, ahead = _object(event["message"]), event.get("timestamp", 0) - event.get("ingestionTime", 0)
    with suppress(OverflowError):  # it says no time
        if ahead > 0:
            return {**line, "timestamp": (_logged_at(line) + timedelta(milliseconds=ahead)).isoformat()}
    return line


def tell(events: Sequence[Fields], definition: Fields) -> list[Step]:
    """The states in the order in which they were entered, with what the history says of each."""
    states, steps = dict(_states(definition)), list[Step]()
    owners: dict[int, Step] = {}  # of events: the branches of a Parallel or a Map mix theirs
    for event in events:
        kind: str = event["type"]
        details: Fields = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
        if kind.endswith("StateEntered"):
            steps.append(Step(details["name"], states.get(details["name"], {}), event["timestamp"]))
            owners[event["id"]] = steps[-1]
        elif not kind.startswith("Execution"):
            step = owners.get(event.get("previousEventId", 0), steps[-1])
            if kind.endswith("StateExited") and step.name != details["name"]:  # of a Map, after the last of its states
                step = next(each for each in reversed(steps) if each.name == details["name"])
            _note(step, kind, details, event["timestamp"])
            owners[event["id"]] = step
    return steps


def _note(step: Step, kind: str, details: Fields, at: datetime) -> None:
    if kind.endswith("StateExited"):
        step.end = at
        step.published = step.published or _declared(step, _object(details.get("output")))
    elif kind.endswith("Scheduled"):
        step.attempts, step.scheduled = step.attempts + 1, details
        if step.resource == "sns:publish":
            step.published = _shown(_object(_object(details.get("parameters")).get("Message")))
    elif kind.endswith("Succeeded"):
        step.succeeded = True
    elif kind in FAILURES or "error" in details:
        step.errors.append(details.get("error") or "")


def add_lines(steps: Sequence[Step], lines: Sequence[Fields]) -> None:
    """Give each line to the state in which it was logged, that of an answer to the state that waited."""
    for line in lines:
        began = [step for step in steps if step.start <= _logged_at(line)]
        if line.get("outcome") in ANSWERS:
            began = [step for step in began if step.waits]
        for step in began[-1:]:
            step.lines.append(line)


def _logged_at(line: Fields) -> datetime:
    """The time of a line, or the end of time where it has none."""
    with suppress(KeyError, TypeError, ValueError):
        at = datetime.fromisoformat(line["timestamp"])
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return datetime.max.replace(tzinfo=UTC)


def _states(value: object) -> Iterator[tuple[str, Fields]]:
    """Every state by its name, those inside a Parallel or a Map too."""
    if isinstance(value, dict):
        yield from value.get("States", {}).items()
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _states(child)


def _object(text: object) -> Fields:
    """What a JSON text holds; nothing where that is no object."""
    with suppress(ValueError):
        value = json.loads(text) if isinstance(text, str) else None
        return value if isinstance(value, dict) else {}
    return {}


def _shown(message: Fields) -> Fields:
    """The fields of a notification that may be shown."""
    message = _object(message.get("default")) or message  # where each protocol has its own text
    return {key: message[key] for key in PUBLISHED if isinstance(message.get(key), str)}


def _declared(step: Step, output: Fields) -> Fields:
    """What is known where the history has no parameters, as on the embedded AWS: the notification if it is the output
    of the state, or else the outcome in its definition.
    """
    if step.resource != "sns:publish":
        return {}
    attributes = step.definition.get("Arguments", {}).get("MessageAttributes", {})
    return _shown(output if "outcome" in output else {"outcome": attributes.get("outcome", {}).get("StringValue")})


# ------------------------------------------------------------------ in the terminal


def print_story(story: Story, console: Console) -> None:
    execution = story.execution
    start, end = execution["startDate"].astimezone(UTC), execution.get("stopDate") or datetime.now(UTC)
    status = str(execution["status"])
    failure = f" {_with_name(execution.get('error'))}" if execution.get("error") or status == "FAILED" else ""
    how = f"{status}{failure}, {(end - start).total_seconds():.2f} s from {start:%Y-%m-%d %H:%M:%S} UTC"
    table = Table("Start", "Seconds", "State", "What happened")
    for step in story.steps:
        entered = step.start.astimezone(UTC)
        table.add_row(
            f"{entered:%H:%M:%S.%f}"[:-3] if entered.date() == start.date() else f"{entered:%m-%d %H:%M:%S}",
            f"{max(0, ((step.end or end) - step.start).total_seconds()):.2f}",  # the end is no finer than a millisecond
            Text(plain(step.name)),
            Text("\n".join(map(plain, what_happened(step, story)))),
        )
    console.print(Text(plain(execution["executionArn"])), Text(plain(how)), sep="\n", soft_wrap=True)
    console.print(table)


def _with_name(error: str | None) -> str:
    return f"with {error}" if error else "without an error name"


def what_happened(step: Step, story: Story) -> Iterator[str]:
    """Lines on what a state asked, who answered, and how each attempt ended."""
    running = story.execution["status"] == "RUNNING"
    if step.resource:
        arguments = step.definition.get("Arguments", step.definition.get("Parameters", {}))
        target = next((str(arguments[name]) for name in TARGETS if name in arguments), "")
        yield f"{step.resource.removesuffix('.waitForTaskToken')} {_short(target, story.stack)}".strip()
    if step.waits:
        limits = {"at most": step.limit("Timeout"), "a heartbeat every": step.limit("Heartbeat")}
        shown = [f"{text} {limit:,} s" for text, limit in limits.items() if limit]
        yield ", ".join([f"{'waits' if running and not step.end else 'waited'} for an answer", *shown])
    for line in step.lines:
        more = line.get("outcome") if line.get("outcome") in ANSWERS else line.get("reason")
        said = f"{line.get('message')}, {more}" if more else line.get("message")
        yield f"{_short(str(line.get('function_name')), story.stack)}: {said}"
    if step.waits and step.answered and not step.lines:
        yield "answered by whoever held the token: no log line names the execution"
    for number, error in enumerate(step.errors, 1):
        failed = f"attempt {number} failed" if step.attempts > 1 else "failed"
        yield f"{failed}: {error}" if error else f"{failed} without an error name"
    if step.published and step.succeeded:
        yield "published " + ", ".join(f"{key}: {value}" for key, value in step.published.items())
    if step.definition.get("Type") == "Fail":
        yield f"fails {_with_name(story.execution.get('error'))}"
    elif not (step.end or step.errors or running):
        yield f"was under way when the execution ended: {story.execution['status']}"


def _short(name: str, stack: str) -> str:
    """The logical ID, of an ARN, a URL or a name that CloudFormation made."""
    name = name.rpartition("/")[2].rpartition(":")[2]
    return name.removeprefix(f"{stack}-").rpartition("-")[0] if stack and name.startswith(f"{stack}-") else name
