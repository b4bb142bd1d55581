"""What the desk knows and does: who waits, executions and their stories, queues."""

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tools import PROJECT, ToolError
from tools.aws import Aws, reason
from tools.desk.graph import Status
from tools.story import Step
from tools.waits.find import Finder, Found, Wait, machines

Fields = Mapping[str, Any]

REFRESH_SECONDS = 4  # or twice as long as reading takes, so that AWS is asked no more than half of the time
PATIENCE_SECONDS = 0.7  # so long a page waits for what it shows
MOST_EXECUTIONS = 100
STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE")


class Waiting:
    """Who waits, read again while pages ask for it: in the background, so that no page waits for it for long.

    `found` is what is known, None at first; `progress`: how many of how many executions were looked at meanwhile.
    """

    def __init__(self, aws: Aws, finder: Finder) -> None:
        self._aws, self._finder = aws, finder
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._read_at = self._took = 0.0
        self.found: Found | None = None
        self.progress = (0, 0)
        self.problem = ""

    def read(self) -> None:
        """Begin to read again if what is known is old, and wait a little for it."""
        with self._lock:
            age = time.monotonic() - self._read_at
            if self._idle.is_set() and (self.found is None or age > max(REFRESH_SECONDS, 2 * self._took)):
                self._idle.clear()
                threading.Thread(target=self._read, daemon=True).start()
        if self.found is None or self._took < PATIENCE_SECONDS:
            self._idle.wait(PATIENCE_SECONDS)

    def forget(self) -> None:
        """Something was changed: what is known is old."""
        self._read_at = self._took = 0.0

    def _read(self) -> None:
        time.sleep(min(1, self._took))  # after the page, where reading is much work
        began = time.monotonic()
        try:
            self.found = self._finder.find(machines(self._aws), advanced=self._advance)
            self.problem = ""
        except (BotoCoreError, ClientError) as error:
            self.problem = f"Who waits cannot be asked: {reason(error)}."
        except Exception as error:  # noqa: BLE001 - the page says so, instead of this thread, whom nobody hears
            self.problem = f"Who waits cannot be read: {type(error).__name__}."
        finally:
            self._read_at, self._took = time.monotonic(), time.monotonic() - began
            self._idle.set()

    def _advance(self, done: int, of: int) -> None:
        self.progress = (done, of)


def urgency(wait: Wait, now: datetime) -> tuple[bool, float]:
    """What is late comes first, then what has the least time left."""
    left = (wait.deadline - now).total_seconds() if wait.deadline else float("inf")
    return not wait.is_late(now), left


def statuses(steps: Sequence[Step], waits: Sequence[Wait], ended_as: str | None) -> dict[str, Status]:
    """What became of each state that was entered. `ended_as`: the status of an execution that has ended."""
    waiting = Counter(wait.state for wait in waits)
    return {
        name: _status([step for step in steps if step.name == name], waiting[name], ended_as)
        for name in dict.fromkeys(step.name for step in steps)
    }


def _status(steps: Sequence[Step], waiting: int, ended_as: str | None) -> Status:
    times = f", {len(steps)} times" if len(steps) > 1 else ""
    if waiting:
        return Status("waits", f"{waiting} of {len(steps)} wait" if times else "waits for an answer")
    if not all(step.end or step.definition.get("Type") == "Succeed" for step in steps):
        return Status("failed", f"{ended_as.lower()}{times}") if ended_as else Status("running", f"under way{times}")
    if any(step.errors and not step.succeeded for step in steps):
        return Status("caught", f"failed, handled{times}")
    return Status("done", f"done{times}")


# ------------------------------------------------------------------ executions


def samples() -> list[str]:
    """Inputs of state machines in events/: those in folders that are no function's."""
    functions = {path.stem for path in (PROJECT / "functions").glob("*.py")}
    folders = [folder for folder in sorted((PROJECT / "events").iterdir()) if folder.name not in functions]
    workflows = [folder for folder in folders if folder.is_dir()]
    return [f"{folder.name}/{path.name}" for folder in workflows for path in sorted(folder.glob("*.json"))]


def start(aws: Aws, machine: str, sample: str) -> str:
    """The ARN of the execution that was started. Raises ToolError for a sample that there is not."""
    if sample not in samples():
        raise ToolError("There is no such sample in events/.")
    given = (PROJECT / "events" / sample).read_text(encoding="utf-8")
    started = aws.client("stepfunctions").start_execution(stateMachineArn=machine, input=given)
    return str(started["executionArn"])


def executions(aws: Aws, machine: str, status: str | None) -> list[Fields]:
    """The newest of a state machine, or of those in one status."""
    which = {"statusFilter": status} if status in STATUSES else {}
    listed: list[Fields] = aws.client("stepfunctions").list_executions(
        stateMachineArn=machine, maxResults=MOST_EXECUTIONS, **which
    )["executions"]
    return listed


def definition(aws: Aws, execution: str) -> Fields:
    """Of the state machine as the execution runs it."""
    described = aws.client("stepfunctions").describe_state_machine_for_execution(executionArn=execution)
    found: Fields = json.loads(described["definition"])
    return found


# ------------------------------------------------------------------ queues


@dataclass
class Queue:
    """`feeds`: the queues whose undelivered messages it takes. `oldest`: seconds, None where it is not known."""

    url: str
    arn: str
    name: str
    stack: str
    waiting: int
    in_flight: int
    oldest: int | None
    dead_letters_to: str
    feeds: list["Queue"] = field(default_factory=list)

    @property
    def back_to(self) -> "Queue | None":
        """The queue that its messages came from first, if there is one such queue only."""
        if len(self.feeds) != 1:
            return None
        return self.feeds[0].back_to if self.feeds[0].feeds else self.feeds[0]


def queues(aws: Aws, finder: Finder) -> list[Queue]:
    """The queues of every stack that has a state machine."""
    stacks = sorted({machine.stack for machine in finder.know(machines(aws)).values()} - {""})
    pages = aws.client("cloudformation").get_paginator("list_stack_resources")
    found = [
        _queue(aws, stack, each["PhysicalResourceId"], each["LogicalResourceId"])
        for stack in stacks
        for page in pages.paginate(StackName=stack)
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::SQS::Queue"
    ]
    for queue in found:
        queue.feeds = [each for each in found if each.dead_letters_to == queue.arn]
    return found


def _queue(aws: Aws, stack: str, url: str, name: str) -> Queue:
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
    return Queue(
        url,
        attributes["QueueArn"],
        name,
        stack,
        int(attributes["ApproximateNumberOfMessages"]),
        int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        _oldest(aws, url.rpartition("/")[2]),
        redrive.get("deadLetterTargetArn", ""),
    )


def _oldest(aws: Aws, name: str) -> int | None:
    """Seconds, as CloudWatch has it; SQS itself does not say."""
    now = datetime.now(UTC)
    with suppress(BotoCoreError, ClientError):
        points = aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": name}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return int(max(points, key=lambda point: point["Timestamp"])["Maximum"]) if points else None
    return None


def move_back(aws: Aws, queue: Queue) -> int:
    """Sends what can be received now to the queue that it came from first, and deletes it here; how many it was.

    A message is sent before it is deleted: one that is in both for a moment is a double, which every worker must bear.
    """
    sqs, target = aws.client("sqs"), queue.back_to
    if target is None:
        raise ToolError("This queue takes the messages of no queue, or of several: move them by hand.")
    moved, wanted = 0, queue.waiting
    while moved < wanted:
        answer = sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        for message in answer.get("Messages", []):
            attributes = message.get("MessageAttributes", {})
            sqs.send_message(QueueUrl=target.url, MessageBody=message["Body"], MessageAttributes=attributes)
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
        if not answer.get("Messages"):
            break
    return moved
