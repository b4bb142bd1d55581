"""Asks AWS who waits: which state machines have executions that run, and what each of these waits for.

No API lists waiting tasks, so that each running execution's history is read: newest events first, a few calls at once.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from tools import ToolError
from tools.aws import CALLS_AT_ONCE, Aws, reason
from tools.waits.history import Fields, Task, in_map, open_tasks

PAGE = 1000  # events: as many as one call gives


@dataclass(frozen=True)
class Wait:
    """A task that waits for the answer to its token. It holds neither the token nor anything that was sent.

    `name`: that of the state machine. It and `target`, what was asked, are logical IDs where the stack is known; else
    `target` is a URL, an ARN or a name. `event`: id of the event that began it, which tells the waits of one execution
    apart. `items`: its place in the Map states around it. `deadline` and `heartbeat` are None where there is none;
    times are UTC.
    """

    execution: str
    machine: str
    name: str
    state: str
    items: tuple[int, ...]
    attempt: int
    event: int
    resource: str
    target: str | None
    since: datetime
    deadline: datetime | None
    heartbeat: timedelta | None

    def heartbeat_deadline(self, now: datetime) -> datetime | None:
        """When the first heartbeat is due. None where there is none to send, and once that time is over: then some were
        sent, and no history says when.
        """
        due = self.since + self.heartbeat if self.heartbeat else None
        return due if due and due > now else None

    def is_late(self, now: datetime) -> bool:
        """Whether it has no limit, or more than half of its time is over."""
        return self.deadline is None or now - self.since > (self.deadline - self.since) / 2

    def to_json(self, now: datetime) -> dict[str, str | None]:
        return {
            "executionArn": self.execution,
            "stateMachineArn": self.machine,
            "state": self.state,
            "resource": self.resource,
            "target": self.target,
            "since": _iso(self.since),
            "deadline": _iso(self.deadline),
            "heartbeatDeadline": _iso(self.heartbeat_deadline(now)),
        }


@dataclass
class Found:
    """`waits`: the oldest first. Of executions: how many were looked at, how many left out, how many cannot be read, by
    reason.
    """

    waits: list[Wait] = field(default_factory=list)
    looked_at: int = 0
    left_out: int = 0
    unread: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Machine:
    """A state machine. `stack` and `names`, the logical IDs of what its stack has, are empty where it has none."""

    arn: str
    stack: str
    names: Mapping[str, str]
    timeout: timedelta | None  # of a whole execution

    def name(self, target: str | None) -> str | None:
        """The logical ID of a URL, an ARN or a name; else what was given."""
        return self.names.get(_last(target), target) if target else target


def machines(aws: Aws, *, stack: str | None = None, machine: str | None = None) -> list[str]:
    """The ARNs of all Standard state machines, or those of a stack, or the one that is given.

    Raises ToolError for a stack that is not there or has none, and what clients raise.
    """
    if machine:
        described = aws.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
        if described["type"] == "EXPRESS":
            raise ToolError("Express workflows have no callbacks, and so no task that waits for one.")
        return [machine]
    if stack:
        try:
            resources = stack_resources(aws, stack)
        except ClientError as error:
            raise ToolError(f"The stack {stack!r} cannot be read on {aws.name}: {reason(error)}") from error
        found = [each["PhysicalResourceId"] for each in resources if each["ResourceType"].endswith("::StateMachine")]
        if not found:
            raise ToolError(f"The stack {stack!r} has no state machine.")
        return found
    pages = aws.client("stepfunctions").get_paginator("list_state_machines").paginate()
    every = (each for page in pages for each in page["stateMachines"])
    return [each["stateMachineArn"] for each in every if each["type"] != "EXPRESS"]  # these have no callbacks


class Finder:
    """Reads who waits. What it learnt of a state machine it keeps, so that it can be asked again and again."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._step_functions = aws.client("stepfunctions")
        self._machines: dict[str, Machine] = {}

    def find(
        self, arns: Iterable[str], limit: int | None = None, advanced: Callable[[int, int], object] = lambda *_: None
    ) -> Found:
        """Who waits in the executions of these state machines that run, and in the children of their distributed Maps.

        Of more executions than `limit` the oldest are looked at. `advanced` hears how many of how many were. One whose
        history cannot be read is counted and left out. Raises what clients raise where executions cannot be listed.
        """
        found = Found()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            listed = [each for some in pool.map(self._running, arns) for each in some]
            while listed:
                listed.sort(key=lambda execution: execution["startDate"])
                looked_at = listed if limit is None else listed[: max(0, limit - found.looked_at)]
                found.left_out += len(listed) - len(looked_at)
                for arn in {execution["stateMachineArn"] for execution in looked_at}:
                    self.machine(arn)  # once, and not by each thread
                children: list[Fields] = []
                for waits, more in pool.map(lambda execution: self._waits(execution, found), looked_at):
                    found.looked_at += 1
                    found.waits += waits
                    children += more
                    advanced(found.looked_at, found.looked_at + len(children))
                listed = children
        found.waits.sort(key=lambda wait: (wait.since, wait.execution, wait.event))
        return found

    def know(self, arns: Iterable[str]) -> dict[str, Machine]:
        """What is known of several state machines, asked of at once."""
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            return {known.arn: known for known in pool.map(self.machine, arns)}

    def machine(self, arn: str) -> Machine:
        """What is known of a state machine: as much as whoever asks may see."""
        if arn not in self._machines:
            self._machines[arn] = self._machine(arn)
        return self._machines[arn]

    def tasks(self, execution: str) -> tuple[list[Task], bool]:
        """What an execution waits for, and whether a Map is under way, whose children may wait, too.

        Raises what clients raise.
        """
        events: list[Fields] = []
        for page in self._newest_first(execution):
            events += page
            long = len(page) == PAGE and page[-1]["id"] > 1
            if long and any(each["type"] == "TaskStateEntered" for each in events) and self._is_linear(execution):
                break
        events.reverse()
        return open_tasks(events), in_map(events)

    def waits(self, execution: Fields) -> tuple[list[Wait], list[Fields]]:
        """What an execution, as ListExecutions or DescribeExecution has it, waits for; and its children that run."""
        tasks, maps = self.tasks(execution["executionArn"])
        children: list[Fields] = []
        for run in self._pages("list_map_runs", "mapRuns", executionArn=execution["executionArn"]) if maps else ():
            if not run.get("stopDate"):
                which = {"mapRunArn": run["mapRunArn"], "statusFilter": "RUNNING"}
                children += self._pages("list_executions", "executions", **which)
        machine = self.machine(execution["stateMachineArn"])
        return [_wait(execution, machine, task) for task in tasks], children

    def _waits(self, execution: Fields, found: Found) -> tuple[list[Wait], list[Fields]]:
        try:
            return self.waits(execution)
        except (BotoCoreError, ClientError) as error:
            if reason(error) != "ExecutionDoesNotExist":
                found.unread[reason(error)] += 1
            return [], []

    def _running(self, machine: str) -> list[Fields]:
        return list(self._pages("list_executions", "executions", stateMachineArn=machine, statusFilter="RUNNING"))

    def _pages(self, operation: str, key: str, **arguments: str) -> Iterator[Fields]:
        for page in self._step_functions.get_paginator(operation).paginate(**arguments):
            yield from page[key]

    def _newest_first(self, execution: str) -> Iterator[list[Fields]]:
        """The pages of a history; without what was sent, where whoever asks may not decrypt that."""
        history = self._step_functions.get_paginator("get_execution_history")
        which = {"executionArn": execution, "reverseOrder": True, "PaginationConfig": {"PageSize": PAGE}}
        try:
            for page in history.paginate(**which):
                yield page["events"]
        except ClientError as error:
            if not reason(error).startswith("Kms"):
                raise
            for page in history.paginate(**which, includeExecutionData=False):
                yield page["events"]

    def _is_linear(self, execution: str) -> bool:
        """Whether at most one of its states is under way at any time."""
        described = self._step_functions.describe_state_machine_for_execution(executionArn=execution)
        return not re.search(r'"(Parallel|Map)"', described["definition"])

    def _machine(self, arn: str) -> Machine:
        stack, names, timeout = "", dict[str, str](), None
        own = re.sub(r"(:stateMachine:[^/:]+)/.*", r"\1", arn)  # of the children of a distributed Map
        with suppress(ClientError):  # whoever may see executions need not see their stack
            tags = self._step_functions.list_tags_for_resource(resourceArn=own)["tags"]
            stack = next((tag["value"] for tag in tags if tag["key"] == "aws:cloudformation:stack-name"), "")
            resources = stack_resources(self._aws, stack) if stack else ()
            names = {_last(each.get("PhysicalResourceId", "")): each["LogicalResourceId"] for each in resources}
        with suppress(ClientError):
            definition = json.loads(self._step_functions.describe_state_machine(stateMachineArn=own)["definition"])
            seconds = definition.get("TimeoutSeconds")
            timeout = timedelta(seconds=seconds) if isinstance(seconds, int) and own == arn else None
        return Machine(own, stack, names, timeout)


def _wait(execution: Fields, machine: Machine, task: Task) -> Wait:
    timeout, began = task.limit("timeout"), execution.get("redriveDate", execution["startDate"])
    ends = [task.since + timeout] if timeout else []
    ends += [began + machine.timeout] if machine.timeout else []
    return Wait(
        execution["executionArn"],
        machine.arn,
        machine.name(_last(machine.arn)) or "",
        task.state,
        task.items,
        task.attempt,
        task.event,
        task.resource,
        machine.name(task.target),
        task.since.astimezone(UTC),
        min(ends).astimezone(UTC) if ends else None,
        task.limit("heartbeat"),
    )


def stack_resources(aws: Aws, stack: str) -> list[Fields]:
    """What CloudFormation says of each resource of a stack. Raises what clients raise."""
    pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    return [resource for page in pages for resource in page["StackResourceSummaries"]]


def _last(target: str) -> str:
    """The name at the end of a URL or an ARN."""
    return target.rpartition("/")[2].rpartition(":")[2]


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None
