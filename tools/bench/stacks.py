"""Ours and the baseline, deployed to an embedded AWS that ends with the benchmark."""

import json
from collections.abc import Callable
from typing import Any

from tools import PROJECT
from tools.bench.processes import BENCH
from tools.engine.engine import Engine
from tools.stack import Stack, deployed

WORKER = "PaymentWorkerFunctionName"
NOTIFICATIONS = "WaitForCallbackDemoNotificationTestQueueUrl"
THREADS = 8  # that start executions

Deploy = Callable[[Engine], Stack]


def deploy_ours(engine: Engine) -> Stack:
    return deployed(engine)


def deploy_baseline(engine: Engine) -> Stack:
    return deployed(engine, stack_name="baseline", directory=BENCH / "baseline")


STACKS: dict[str, Deploy] = {"ours": deploy_ours, "baseline": deploy_baseline}


def orders(count: int) -> list[object]:
    """Inputs for so many executions: the sample order, each under its own ID."""
    sample = json.loads((PROJECT / "events/payment_callback/order.json").read_text())
    return [sample | {"orderId": f"order-{number:06}"} for number in range(count)]


def take_notifications(stack: Stack) -> list[dict[str, Any]]:
    """Empties the test queue; the bodies of what was in it."""
    sqs, url, bodies = stack.client("sqs"), stack.outputs[NOTIFICATIONS], []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return bodies
