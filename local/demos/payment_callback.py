"""Ten orders, how each of their payments ended, and the notification that was published about it."""

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from local import PROJECT
from local.engine import Engine, calls_explained

ORDER_FILE = "events/payment_callback/order.json"
ORDERS = 10
EXECUTION_SECONDS = 60
NOTIFICATION_SECONDS = 10  # after the last execution has ended
LONG_POLL_SECONDS = 1


@dataclass
class Execution:
    order_id: str
    arn: str
    description: dict[str, Any] = field(default_factory=dict)
    notification: dict[str, Any] | None = None

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


def run(engine: Engine, outputs: Mapping[str, str]) -> bool:
    console = Console()
    if not console.is_terminal:
        console.width = 140
    with calls_explained():
        executions = _start(engine.client("stepfunctions"), outputs["StateMachineWaitForCallbackArn"])
        _follow(engine, outputs["WaitForCallbackDemoNotificationTestQueueUrl"], executions, console)
    console.print(_table(executions))
    complete = _summarize(executions, console)
    _print_commands(engine, outputs, console)
    return complete


def _start(step_functions: Any, state_machine: str) -> list[Execution]:  # noqa: ANN401
    order = json.loads((PROJECT / ORDER_FILE).read_text())
    executions = []
    for number in range(1, ORDERS + 1):
        order_id = f"order-{number:04}"
        answer = step_functions.start_execution(
            stateMachineArn=state_machine, input=json.dumps(order | {"orderId": order_id})
        )
        executions.append(Execution(order_id, answer["executionArn"]))
    return executions


def _follow(engine: Engine, queue_url: str, executions: list[Execution], console: Console) -> None:
    """Until each execution has ended and been notified, or the deadline is over."""
    step_functions, sqs = engine.client("stepfunctions"), engine.client("sqs")
    by_arn = {execution.arn: execution for execution in executions}
    others: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    deadline = time.monotonic() + EXECUTION_SECONDS
    with Progress(*columns, console=console) as progress:
        ended = progress.add_task("Executions ended", total=len(executions))
        notified = progress.add_task("Notifications   ", total=len(executions))
        while not all(execution.ended and execution.notification for execution in executions):
            if time.monotonic() > deadline:
                break
            for execution in executions:
                if not execution.ended:
                    execution.description = step_functions.describe_execution(executionArn=execution.arn)
                    if all(execution.ended for execution in executions):
                        deadline = time.monotonic() + NOTIFICATION_SECONDS
            others += _receive(sqs, queue_url, by_arn)
            progress.update(ended, completed=sum(execution.ended for execution in executions))
            progress.update(notified, completed=sum(execution.notification is not None for execution in executions))
    for receipt in others:
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=receipt, VisibilityTimeout=0)


def _receive(sqs: Any, queue_url: str, by_arn: Mapping[str, Execution]) -> list[str]:  # noqa: ANN401
    """Note and delete the notifications of these executions; the receipts of other messages, which stay."""
    others = []
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=LONG_POLL_SECONDS)
    for message in answer.get("Messages", []):
        notification = _notification(message["Body"])
        execution = by_arn.get(notification.get("executionId", ""))
        if execution is None:
            others.append(message["ReceiptHandle"])
        else:
            execution.notification = notification
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return others


def _notification(body: str) -> dict[str, Any]:
    """What the topic published, out of the envelope that it puts around it; empty for anything else."""
    try:
        notification = json.loads(json.loads(body)["Message"])
    except (ValueError, KeyError, TypeError):
        return {}
    return notification if isinstance(notification, dict) else {}


def _table(executions: list[Execution]) -> Table:
    table = Table("Order", "Status", "Error", "Cause", "Seconds", "Notification")
    for execution in executions:
        seconds, notification = execution.seconds, execution.notification
        table.add_row(
            execution.order_id,
            Text(execution.status, style="green" if execution.status == "SUCCEEDED" else "red"),
            Text(execution.description.get("error", "")),
            Text(execution.description.get("cause", "")),
            "" if seconds is None else f"{seconds:.2f}",
            Text(notification["outcome"]) if notification else Text("MISSING", style="bold red"),
        )
    return table


def _summarize(executions: list[Execution], console: Console) -> bool:
    """Whether each execution ended in time and was notified."""
    succeeded = sum(execution.status == "SUCCEEDED" for execution in executions)
    running = sum(not execution.ended for execution in executions)
    missing = sum(execution.notification is None for execution in executions)
    console.print(
        f"{len(executions)} executions: {succeeded} succeeded, {len(executions) - succeeded - running} failed; "
        f"{len(executions) - missing} notifications received."
    )
    if running:
        console.print(f"{running} executions did not end within {EXECUTION_SECONDS} s.", style="bold red")
    if missing:
        console.print(f"{missing} notifications are missing.", style="bold red")
    return not (running or missing)


def _print_commands(engine: Engine, outputs: Mapping[str, str], console: Console) -> None:
    state_machine = shlex.quote(outputs["StateMachineWaitForCallbackArn"])
    queue_url = shlex.quote(outputs["WaitForCallbackDemoNotificationTestQueueUrl"])
    start = f"aws stepfunctions start-execution --state-machine-arn {state_machine} --input file://{ORDER_FILE}"
    # AWS CLI v1 takes the endpoint of sqs from nowhere else
    endpoint = f"--endpoint-url {engine.endpoint_url}"
    commands = f"""
The stack stays up until `make down`. To go on by hand, in this folder:

eval "$(make -s env)"
EXECUTION=$({start} --query executionArn --output text)
aws stepfunctions describe-execution --execution-arn "$EXECUTION"
aws sqs receive-message {endpoint} --queue-url {queue_url} --wait-time-seconds 10
"""
    console.print(commands, markup=False, highlight=False, soft_wrap=True)
