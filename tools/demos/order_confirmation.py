"""An order that is confirmed, one that is cancelled and one that expires; and the link to decide a fourth oneself."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from rich.table import Table

from tools.demos import common
from tools.engine.engine import Engine, calls_explained
from tools.engine.rest import call, reachable

LINK_SECONDS = 30
# Name of the order: how its execution ends
ORDERS = {"expire": "Order.Expired", "confirm": "SUCCEEDED", "cancel": "Order.Cancelled"}

Messages = dict[str, list[dict[str, Any]]]  # what the topic published, by order


def run(engine: Engine, outputs: Mapping[str, str]) -> bool:
    console = common.make_console()
    url, key = reachable(outputs["OrderApiUrl"], engine.endpoint_url), _api_key(engine, outputs)
    suffix = uuid4().hex[:8]
    order_ids = {name: f"{name}-{suffix}" for name in (*ORDERS, "open")}
    messages: Messages = {order_id: [] for order_id in order_ids.values()}

    def receive() -> None:
        _receive(engine.client("sqs"), outputs["NotificationTestQueueUrl"], messages)
        for execution in executions:
            ends = [each for each in messages[order_ids[execution.label]] if each["outcome"] != "WAITING"]
            execution.notification = ends[0] if ends else None

    def await_messages(order_id: str, count: int) -> None:
        deadline = time.monotonic() + LINK_SECONDS
        while len(messages[order_id]) < count and time.monotonic() < deadline:
            receive()

    def post(name: str) -> None:
        """Post an order, and wait until its workflow has sent the link."""
        order = {"orderId": order_ids[name], "orderDetails": f"The order to {name}"}
        call("POST", f"{url}/orders", key=key, body=order)
        await_messages(order_ids[name], 1)

    def link(name: str) -> str:
        return reachable(messages[order_ids[name]][0]["link"], engine.endpoint_url)

    executions: list[common.Execution] = []
    with calls_explained():
        post("expire")
        _pass_waits(engine, outputs["OrderConfirmationStateMachineArn"], order_ids["expire"], await_messages)
        for name in ("confirm", "cancel", "open"):
            post(name)
        if not all(messages.values()):
            console.print("A link is MISSING: see the log of the functions.", style="bold red")
            return False
        executions += [common.Execution(name, messages[order_ids[name]][0]["executionId"]) for name in ORDERS]
        call("POST", f"{url}/orders/{order_ids['confirm']}/confirmation", key=key, body={"isConfirmed": True})
        call("POST", link("cancel"), form={"decision": "cancel", "comment": "Ordered by mistake."})
        common.follow(engine, executions, console, receive)
        states = {name: call("GET", f"{url}/orders/{order_ids[name]}", key=key).json["state"] for name in order_ids}
    table = Table("Order", *common.COLUMNS, "State", "Notification")
    for execution in executions:
        state = common.cell(states[execution.label])
        table.add_row(order_ids[execution.label], *execution.cells()[1:], state, execution.notified())
    console.print(table)
    complete = common.summarize(executions, console)
    as_expected = common.ended_as_expected(executions, ORDERS, console)
    console.print(f"Order {order_ids['open']} waits for you to decide, in a browser:")
    console.print(link("open"), markup=False, highlight=False, soft_wrap=True)
    common.print_commands(console, _commands(url, outputs, order_ids["open"]))
    common.print_one(engine, executions[0], console)
    return complete and as_expected


def _api_key(engine: Engine, outputs: Mapping[str, str]) -> str:
    described = engine.client("apigateway").get_api_key(apiKey=outputs["OrderApiKeyId"], includeValue=True)
    return str(described["value"])


def _pass_waits(engine: Engine, state_machine: str, order_id: str, await_messages: Callable[[str, int], None]) -> None:
    """Move the clock over the waits of an order that nobody decides about, to its reminder and to its end."""
    described = engine.client("stepfunctions").describe_state_machine(stateMachineArn=state_machine)
    states = json.loads(described["definition"])["States"]
    for count, (name, until) in enumerate((("WaitForConfirmation", "reminder"), ("WaitForDecision", "end")), start=2):
        seconds = states[name]["TimeoutSeconds"]
        engine.skip(seconds)
        common.make_console().print(
            f"Nobody decides about {order_id}: the clock moves by {seconds:,} s, to its {until}."
        )
        await_messages(order_id, count)


def _receive(sqs: Any, queue_url: str, messages: Messages) -> None:  # noqa: ANN401
    """Note and delete what was published about these orders; what is about others stays."""
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=common.LONG_POLL_SECONDS)
    for message in answer.get("Messages", []):
        published = common.published_in(message["Body"])
        about = messages.get(str(published.get("orderId")))
        if about is not None:
            about.append(published)
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


def _commands(url: str, outputs: Mapping[str, str], order_id: str) -> str:
    get_key = f"aws apigateway get-api-key --api-key {shlex.quote(outputs['OrderApiKeyId'])} --include-value"
    return f"""KEY=$({get_key} --query value --output text)
curl --header "X-Api-Key: $KEY" {url}/orders/{order_id}
curl --header "X-Api-Key: $KEY" {url}/orders/{order_id}/confirmation --data '{{"isConfirmed": true}}'"""
