"""What an execution waits for, read from the events of its history as GetExecutionHistory gives them.

Events: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

Fields = Mapping[str, Any]

WAIT = ".waitForTaskToken"
ACTIVITY = "activity"  # stands for the resource of an activity's task
# Arguments that name what is asked, in the order in which they are looked for
_TARGETS = """
    QueueUrl TopicArn TargetArn TableName FunctionName StateMachineArn TaskDefinition ClusterName Cluster ApiEndpoint
    EventBusName Bucket StreamName ProjectName JobName JobQueue
"""
_TASK_ENDS = ("Succeeded", "Failed", "TimedOut")
_BLOCK_ENDS = ("Succeeded", "Failed", "Aborted")


@dataclass
class Task:
    """A Task state that was entered. `scheduled` is the event that began its wait, None while it waits for nothing.

    `items`: its place in the Map states around it. `scheduled` and `entered` hold the token and the state's input:
    they are read where a token is needed, and passed on to nobody.
    """

    state: str
    entered: Fields = field(repr=False)
    items: tuple[int, ...] = ()
    attempt: int = 0
    scheduled: Fields | None = field(default=None, repr=False)

    @property
    def event(self) -> int:
        """The id of the event that began the wait: no two waits of an execution have the same."""
        return int(self.scheduled["id"]) if self.scheduled else 0

    @property
    def since(self) -> datetime:
        return (self.scheduled or self.entered)["timestamp"]  # type: ignore[no-any-return]

    @property
    def resource(self) -> str:
        """`sqs:sendMessage.waitForTaskToken`, `aws-sdk:dynamodb:putItem.waitForTaskToken`, or `activity`."""
        return _resource(self.scheduled or {})

    @property
    def parameters(self) -> Any:  # noqa: ANN401 - JSON
        """What the service was asked, which holds the token; None where the history withholds it."""
        text = _details(self.scheduled or {}).get("parameters")
        with suppress(ValueError):
            return json.loads(text) if isinstance(text, str) else text
        return None

    @property
    def input_text(self) -> str:
        """The state's input, as the history has it."""
        return str(_details(self.entered).get("input", ""))

    @property
    def target(self) -> str | None:
        """The queue, topic, table, function … that was asked: its URL, ARN or name."""
        if self.resource == ACTIVITY:
            return str(_details(self.scheduled or {}).get("resource"))
        return _target(self.parameters, self.resource)

    def limit(self, name: str) -> timedelta | None:
        """Its `timeout` or its `heartbeat`."""
        seconds = _details(self.scheduled or {}).get(f"{name}InSeconds")
        return timedelta(seconds=seconds) if isinstance(seconds, int) and not isinstance(seconds, bool) else None


@dataclass(frozen=True)
class _Block:
    """A Parallel or Map state that was entered. `begin`: the event's id; `item`: the Map's iteration."""

    name: str
    begin: int
    item: int | None = None


@dataclass(frozen=True)
class _Position:
    """Where an event stands: in which state, in which blocks, how many of which, from within, have ended."""

    task: Task | None = None
    blocks: tuple[_Block, ...] = ()
    ended: int = 0


def open_tasks(events: Iterable[Fields]) -> list[Task]:
    """The tasks that wait for the answer to their token, in the order in which they began.

    `events` are the oldest first. The oldest may be missing where the state machine has neither Parallel nor Map.
    """
    reader = _Reader()
    positions: dict[int, _Position] = {}
    last = _Position()
    for event in events:
        # Branches of a Parallel and items of a Map mix their events: each names the one before it
        before = positions.get(event.get("previousEventId", 0), last)
        last = positions[event["id"]] = reader.read(event, before)
    waiting = [task for task, _ in reader.tasks if task.scheduled]
    return sorted(waiting, key=lambda task: task.event)


def in_map(events: Iterable[Fields]) -> bool:
    """Whether a Map state was entered and not left: then the children of a distributed Map may wait, too."""
    under_way: Counter[str] = Counter()
    for event in events:
        if event["type"] in ("MapStateEntered", "MapStateExited"):
            under_way[_details(event)["name"]] += 1 if event["type"] == "MapStateEntered" else -1
    return any(count > 0 for count in under_way.values())


class _Reader:
    """Follows the events. `tasks`: those entered so far, each with the blocks around it."""

    def __init__(self) -> None:
        self.tasks: list[tuple[Task, tuple[_Block, ...]]] = []

    def read(self, event: Fields, before: _Position) -> _Position:
        kind = str(event["type"])
        if kind.endswith("StateEntered"):
            return self._enter(event, before)
        if kind.endswith("StateExited"):
            return self._leave(event, before)
        if kind.startswith(("Parallel", "Map")):
            return self._in_block(event, before)
        if kind in ("ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut", "ExecutionSucceeded"):
            self._close(())
        elif before.task and kind.endswith("Scheduled"):
            before.task.attempt += 1
            before.task.scheduled = event if _waits(event) else None
        elif before.task and kind.startswith(("Task", "Activity")) and kind.endswith(_TASK_ENDS):
            before.task.scheduled = None
        return before

    def _enter(self, event: Fields, before: _Position) -> _Position:
        name, blocks = _details(event)["name"], before.blocks
        if event["type"] in ("ParallelStateEntered", "MapStateEntered"):
            return _Position(None, (*blocks, _Block(name, event["id"])))
        task = Task(name, event, tuple(block.item for block in blocks if block.item is not None))
        self.tasks.append((task, blocks))
        return _Position(task, blocks)

    def _leave(self, event: Fields, before: _Position) -> _Position:
        names = [block.name for block in before.blocks]
        name = _details(event).get("name")
        if event["type"] in ("ParallelStateExited", "MapStateExited") and name in names:
            outer = len(names) - 1 - names[::-1].index(name)
            self._close(before.blocks[: outer + 1])
            return _Position(None, before.blocks[:outer])
        if before.task:
            before.task.scheduled = None
        return before

    def _in_block(self, event: Fields, before: _Position) -> _Position:
        """What happens to a Parallel or a Map as a whole: it starts, starts an item, ends."""
        kind, blocks = str(event["type"]), before.blocks
        if kind == "MapIterationStarted" and blocks:
            return _Position(None, (*blocks[:-1], replace(blocks[-1], item=_details(event).get("index"))))
        if kind in ("ParallelStateStarted", "MapStateStarted") and before.ended:  # a retry, after it failed
            return _Position(None, blocks[: len(blocks) - before.ended + 1])
        if kind.startswith(("ParallelState", "MapState")) and kind.endswith(_BLOCK_ENDS):
            # An outer block that fails with an inner one says so in an event after that of the inner
            self._close(blocks[: len(blocks) - before.ended])
            return _Position(None, blocks, min(before.ended + 1, len(blocks)))
        return before

    def _close(self, blocks: tuple[_Block, ...]) -> None:
        """What was under way in a block ended with it: in the last of these blocks, all of its items."""
        begins = [block.begin for block in blocks]
        for task, around in self.tasks:
            if [block.begin for block in around[: len(begins)]] == begins:
                task.scheduled = None


def _waits(event: Fields) -> bool:
    resource = _resource(event)
    return resource == ACTIVITY or resource.endswith(WAIT)


def _resource(event: Fields) -> str:
    if event.get("type") == "ActivityScheduled":
        return ACTIVITY
    details = _details(event)
    resource, kind = str(details.get("resource", "")), details.get("resourceType")
    if ":states:::" in resource:  # as emulators write it
        return resource.rpartition(":states:::")[2]
    return f"{kind}:{resource}"


def _details(event: Fields) -> Fields:
    found: Iterator[Fields] = (value for key, value in event.items() if key.endswith("EventDetails"))
    return next(found, {})


def _target(parameters: Any, resource: str) -> str | None:  # noqa: ANN401 - JSON
    if not isinstance(parameters, Mapping):
        return None
    entries = parameters.get("Entries")
    if resource.endswith(f":putEvents{WAIT}") and isinstance(entries, list) and entries:
        return _target(entries[0], "") or "default"  # the bus that takes what names none
    known = {name.lower(): value for name, value in parameters.items()}  # the SDKs differ in capitals
    return next((value for name in _TARGETS.split() if isinstance(value := known.get(name.lower()), str)), None)
