"""Ten orders, how each of their payments ended, and the notification that was published about it."""

import json
import shlex
from collections.abc import Mapping

from rich.table import Table

from tools import PROJECT
from tools.demos.common import (
    COLUMNS,
    Execution,
    follow_notified,
    make_console,
    print_commands,
    print_one,
    start,
    summarize,
)
from tools.engine.engine import Engine, calls_explained

ORDER_FILE = "events/payment_callback/order.json"
ORDERS = 10


def run(engine: Engine, outputs: Mapping[str, str]) -> bool:
    console = make_console()
    order = json.loads((PROJECT / ORDER_FILE).read_text())
    order_ids = [f"order-{number:04}" for number in range(1, ORDERS + 1)]
    with calls_explained():
        inputs = [(order_id, order | {"orderId": order_id}) for order_id in order_ids]
        executions = start(engine, outputs["StateMachineWaitForCallbackArn"], inputs)
        queue_url = outputs["WaitForCallbackDemoNotificationTestQueueUrl"]
        follow_notified(engine, executions, console, queue_url)
    console.print(_table(executions))
    complete = summarize(executions, console)
    print_commands(console, _commands(engine, outputs))
    print_one(engine, executions[0], console)
    return complete


def _table(executions: list[Execution]) -> Table:
    table = Table("Order", *COLUMNS, "Notification")
    for execution in executions:
        table.add_row(*execution.cells(), execution.notified())
    return table


def _commands(engine: Engine, outputs: Mapping[str, str]) -> str:
    state_machine = shlex.quote(outputs["StateMachineWaitForCallbackArn"])
    queue_url = shlex.quote(outputs["WaitForCallbackDemoNotificationTestQueueUrl"])
    start = f"aws stepfunctions start-execution --state-machine-arn {state_machine} --input file://{ORDER_FILE}"
    # AWS CLI v1 takes the endpoint of sqs from nowhere else
    endpoint = f"--endpoint-url {engine.endpoint_url}"
    return f"""EXECUTION=$({start} --query executionArn --output text)
aws stepfunctions describe-execution --execution-arn "$EXECUTION"
aws sqs receive-message {endpoint} --queue-url {queue_url} --wait-time-seconds 10"""
