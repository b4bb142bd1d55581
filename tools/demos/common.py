"""What every demo does: start executions, follow them to their ends, show them, and say how to go on by hand."""

import json
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tools import plain
from tools.engine.engine import Engine, calls_explained
from tools.story import find_story, print_story

EXECUTION_SECONDS = 60
NOTIFICATION_SECONDS = 10  # after the last execution has ended
LONG_POLL_SECONDS = 1

WHY_RUNNING = """Likely causes: the trigger of a function is switched off, or the function fails, and its log says why.
`make show EXECUTION={name}` shows where one waits; docs/troubleshooting.md, "My workflow hangs", goes on from there."""
WHY_MISSING = 'docs/troubleshooting.md, "Nothing arrives in the test queue", names the likely causes.'


@dataclass
class Execution:
    """`label` is what the demo calls it; `notification` is the body of its end's, None until it came."""

    label: str
    arn: str
    description: dict[str, Any] = field(default_factory=dict)
    notification: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def status(self) -> str:
        return str(self.description.get("status", "RUNNING"))

    @property
    def ended(self) -> bool:
        return self.status != "RUNNING"

    @property
    def seconds(self) -> float | None:
        if not self.ended:
            return None
        return float((self.description["stopDate"] - self.description["startDate"]).total_seconds())

    def cells(self) -> list[Text]:
        """How it ended, under the headings COLUMNS."""
        style = {"RUNNING": "bold red", "SUCCEEDED": "green"}.get(self.status, "red")
        return [
            cell(self.label),
            cell(self.status, style),
            cell(self.description.get("error") or ""),
            cell(self.description.get("cause") or ""),
            cell("" if self.seconds is None else f"{self.seconds:.2f}"),
        ]

    def notified(self) -> Text:
        body = self.notification
        return cell(body.get("outcome")) if body else cell("MISSING", "bold red")


COLUMNS = ("Status", "Error", "Cause", "Seconds")


def cell(value: object, style: str = "") -> Text:
    """A value from outside as a cell of a table: a plain str may hold rich's [markup]."""
    return Text(plain(value), style)


def make_console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = 140
    return console


def start(engine: Engine, state_machine: str, inputs: Iterable[tuple[str, object]]) -> list[Execution]:
    """An execution for each label and input."""
    step_functions = engine.client("stepfunctions")
    executions = []
    for label, payload in inputs:
        answer = step_functions.start_execution(stateMachineArn=state_machine, input=json.dumps(payload))
        executions.append(Execution(label, answer["executionArn"]))
    return executions


def follow(
    engine: Engine, executions: list[Execution], console: Console, receive: Callable[[], None] | None = None
) -> None:
    """Until each execution has ended and been notified, or the deadline is over.

    `receive` waits a moment for notifications, and notes them in their executions; None where there are none.
    """
    step_functions = engine.client("stepfunctions")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    deadline = time.monotonic() + EXECUTION_SECONDS
    with Progress(*columns, console=console) as progress:
        ended = progress.add_task("Executions ended", total=len(executions))
        notified = progress.add_task("Notifications   ", total=len(executions)) if receive else None
        while not all(execution.ended and (execution.notification or not receive) for execution in executions):
            if time.monotonic() > deadline:
                break
            for execution in executions:
                if not execution.ended:
                    execution.description = step_functions.describe_execution(executionArn=execution.arn)
                    if all(execution.ended for execution in executions):
                        deadline = time.monotonic() + NOTIFICATION_SECONDS
            progress.update(ended, completed=sum(execution.ended for execution in executions))
            if receive and notified is not None:
                receive()
                progress.update(notified, completed=sum(execution.notification is not None for execution in executions))
            else:
                time.sleep(0.1)


def follow_notified(engine: Engine, executions: list[Execution], console: Console, queue_url: str) -> None:
    """`follow`, with the notifications from a queue that is subscribed to them."""
    sqs, by_arn = engine.client("sqs"), {execution.arn: execution for execution in executions}
    others: list[str] = []
    follow(engine, executions, console, lambda: others.extend(_receive(sqs, queue_url, by_arn)))
    give_back(sqs, queue_url, others)


def give_back(sqs: Any, queue_url: str, receipts: Iterable[str]) -> None:  # noqa: ANN401
    """Let messages be received by others; one that was received too long ago already may."""
    for receipt in receipts:
        with suppress(ClientError):
            sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=receipt, VisibilityTimeout=0)


def _receive(sqs: Any, queue_url: str, by_arn: Mapping[str, Execution]) -> list[str]:  # noqa: ANN401
    """Note and delete the notifications of these executions; the receipts of other messages, which stay."""
    others = []
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=LONG_POLL_SECONDS)
    for message in answer.get("Messages", []):
        notification = published_in(message["Body"])
        execution = by_arn.get(str(notification.get("executionId")))
        if execution is None:
            others.append(message["ReceiptHandle"])
        else:
            execution.notification = notification
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return others


def published_in(body: str) -> dict[str, Any]:
    """What the topic published, out of the envelope that it puts around it; empty for anything else."""
    try:
        notification = json.loads(json.loads(body)["Message"])
    except (ValueError, KeyError, TypeError):
        return {}
    return notification if isinstance(notification, dict) else {}


def summarize(executions: list[Execution], console: Console, *, notified: bool = True) -> bool:
    """Whether each execution ended in time and, where there are notifications, was notified."""
    succeeded = sum(execution.status == "SUCCEEDED" for execution in executions)
    running = sum(not execution.ended for execution in executions)
    missing = sum(execution.notification is None for execution in executions) if notified else 0
    received = f"; {len(executions) - missing} notifications received" if notified else ""
    failed = len(executions) - succeeded - running
    console.print(f"{len(executions)} executions: {succeeded} succeeded, {failed} failed{received}.")
    if running:
        console.print(f"{running} executions did not end within {EXECUTION_SECONDS} s.", style="bold red")
        late = next(execution for execution in executions if not execution.ended)
        print_plain(console, WHY_RUNNING.format(name=late.arn.rpartition(":")[2]))
    if missing:
        console.print(f"{missing} notifications are missing.", style="bold red")
        if not running:
            print_plain(console, WHY_MISSING)
    return not (running or missing)


def ended_as_expected(executions: list[Execution], expected: Mapping[str, str], console: Console) -> bool:
    """Whether each execution that ended did so with the error, or the status where it has none, that its label says."""
    fine = True
    for execution in executions:
        how = execution.description.get("error") or execution.status
        if execution.ended and how != expected[execution.label]:
            console.print(cell(f"{execution.label}: ended with {how}, not {expected[execution.label]}.", "bold red"))
            fine = False
    return fine


def print_plain(console: Console, text: str) -> None:
    """Text as it is, never wrapped."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_commands(console: Console, commands: str) -> None:
    """Commands as they are to be pasted, never wrapped."""
    text = f"""
The stack stays up until `make down`. To go on by hand, in this folder:

eval "$(make -s env)"
{commands}
"""
    print_plain(console, text)


def print_one(engine: Engine, execution: Execution, console: Console) -> None:
    """The story of an execution, as `make show` tells it."""
    with calls_explained():
        story = find_story(engine.client, execution.arn)
    if story:
        print_plain(console, f"`make show EXECUTION={execution.name}` tells the story of one of them:\n")
        print_story(story, console)


def leave_waiting(engine: Engine, state_machine: str, payload: object, output: object, console: Console) -> None:
    """Start one more execution, which waits for the reader, and say how to answer it."""
    with calls_explained():
        [execution] = start(engine, state_machine, [("yours", payload)])
    text = f"""
One more execution waits for you. Answer it, or see it on a page:

make answer EXECUTION={execution.name} OUTPUT={shlex.quote(json.dumps(output))}
make desk
"""
    print_plain(console, text)
