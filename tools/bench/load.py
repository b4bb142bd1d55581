"""Load at the edges: 1,000 starts at once into each workflow, and 10,000 requests, files and orders that wait.

Each load is a generator. What comes before its `yield` is prepared, and what comes after it is measured: from there to
the end of the last execution.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from rich.progress import Progress

from tools.bench.backlog import invocations
from tools.bench.page import machine
from tools.bench.results import Result, Table
from tools.bench.stacks import NOTIFICATIONS, THREADS, WORKER, orders
from tools.engine.engine import Engine
from tools.engine.rest import call, reachable
from tools.stack import STACKS, Stack, deployed, poll

BURST = 1_000
WAITING = 10_000
SECONDS = 1_800  # at most, for what is prepared and for what is measured
EVERY = 0.5  # seconds between two looks
QUIET = 3  # seconds without an invocation, after which none is expected any more

Steps = Iterator[None]


@dataclass(frozen=True)
class Load:
    """`run` makes `count` executions. `functions` are those that a queue or a stream invokes, by output.

    `succeeds`: whether every execution ends SUCCEEDED; the worker of the payments declines half of them.
    """

    workflow: str
    name: str
    machine: str
    functions: tuple[str, ...]
    run: Callable[[Stack, int], Steps]
    count: int = BURST
    succeeds: bool = True


@dataclass(frozen=True)
class Measured:
    """`seconds` until the last execution had ended; `invocations` by function, those after that included."""

    seconds: float
    invocations: dict[str, int]


def measure(progress: Progress, folder: Path) -> Result:
    rows = []
    for load in progress.track(LOADS, description="load at the edges"):
        measured = play(load, folder / "engine")
        invoked = [f"{name} {count:,}" for name, count in measured.invocations.items()]
        rows.append(
            (
                load.workflow,
                load.name.format(count=load.count),
                f"{measured.seconds:,.0f}",
                f"{load.count / measured.seconds:.0f}",
                ", ".join(invoked) or "none",
            )
        )
    columns = ("Workflow", "Load", "The last ended after, s", "Executions/s", "Invocations by queues and streams")
    return Result(tables=[Table("Load at the edges", columns, rows)], notes=[machine("python -m tools bench load")])


def play(load: Load, directory: Path) -> Measured:
    """Raises AssertionError when an execution has not ended in time, or not as it should."""
    with Engine(directory) as engine:
        stack = deployed(engine, config_env=STACKS[load.workflow])
        for service in ("apigateway", "lambda", "s3", "sqs", "stepfunctions"):
            stack.client(service)  # made here, because threads must not make them at once
        steps = load.run(stack, load.count)
        next(steps)
        before = _invoked(engine, stack, load)
        started = time.monotonic()
        next(steps, None)
        poll("end of every execution", lambda: not running(stack, load.machine) or None, SECONDS, EVERY)
        seconds = time.monotonic() - started
        ends = Counter(stack.executions(load.machine).values())
        if ends.total() != load.count or (load.succeeds and ends["SUCCEEDED"] != load.count):
            raise AssertionError(f"{load.workflow}, {load.name}: of {load.count} executions, {dict(ends)}")
        invoked = _invoked(engine, stack, load)
        while (later := _invoked_later(engine, stack, load)) != invoked:
            invoked = later
        return Measured(seconds, {name.removesuffix("FunctionName"): invoked[name] - before[name] for name in invoked})


def _invoked(engine: Engine, stack: Stack, load: Load) -> dict[str, int]:
    return {name: invocations(engine, stack.outputs[name]) for name in load.functions}


def _invoked_later(engine: Engine, stack: Stack, load: Load) -> dict[str, int]:
    """What is left in queues and streams is events of what has ended."""
    time.sleep(QUIET)
    return _invoked(engine, stack, load)


def running(stack: Stack, machine: str) -> bool:
    client, arn = stack.client("stepfunctions"), stack.outputs[machine]
    return bool(client.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=1)["executions"])


def depth_of(stack: Stack, queue: str, count: int) -> None:
    poll(f"{count} messages in {queue}", lambda: stack.depth(queue) >= count or None, SECONDS, EVERY)


def in_threads(work: Callable[[Any], object], things: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, things))


# ------------------------------------------------------------------ payment callback
def payments(stack: Stack, count: int) -> Steps:
    yield
    stack.start_all(orders(count), THREADS)
    depth_of(stack, NOTIFICATIONS, count)


def waiting_payments(stack: Stack, count: int) -> Steps:
    with stack.consumer_off(WORKER):
        stack.start_all(orders(count), THREADS)
        depth_of(stack, "PaymentQueueUrl", count)
        yield
    depth_of(stack, NOTIFICATIONS, count)


# ------------------------------------------------------------------ manual callback
def manual_work(stack: Stack, count: int) -> Steps:
    """Eight workers read the queue and invoke the function for each message."""
    sqs, url = stack.client("sqs"), stack.outputs["ManualCallbackQueueUrl"]
    done: list[str] = []

    def work(_worker: int) -> None:
        while len(done) < count:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                token = json.loads(message["Body"])["token"]
                stack.invoke("ManualCallbackFunctionName", {"token": token, "output": "done"})
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                done.append(message["MessageId"])

    yield
    with ThreadPoolExecutor(THREADS) as pool:
        workers = [pool.submit(work, number) for number in range(THREADS)]
        stack.start_all([{"number": number} for number in range(count)], THREADS, "ManualCallbackStateMachineArn")
        for worker in workers:
            worker.result()


# ------------------------------------------------------------------ asynchronous API
def api_calls(stack: Stack, count: int) -> Steps:
    yield
    stack.start_all([{"waitTime": 0, "status": "success"}] * count, THREADS, "AsyncApiStateMachineArn")


# ------------------------------------------------------------------ file exchange
def exchanges(stack: Stack, count: int) -> Steps:
    """A partner answers each request as soon as it is written out."""
    yield
    started = stack.start_all([{"info": number} for number in range(count)], THREADS, "FileExchangeStateMachineArn")
    in_threads(lambda execution: answer_exchange(stack, execution), started)


def waiting_files(stack: Stack, count: int) -> Steps:
    """All answers lie in inbound/ before the inbox looks at the first."""
    started = stack.start_all([{"info": number} for number in range(count)], THREADS, "FileExchangeStateMachineArn")
    with stack.consumer_off("FileExchangeInboxFunctionName"):
        in_threads(lambda execution: answer_exchange(stack, execution), started)
        depth_of(stack, "InboundQueueUrl", count)
        yield
    depth_of(stack, "NotificationTestQueueUrl", count)


def answer_exchange(stack: Stack, execution: str) -> None:
    s3, bucket, uuid = stack.client("s3"), stack.outputs["ExchangeBucketName"], uuid5(NAMESPACE_URL, execution)

    def is_asked() -> bool | None:
        return s3.list_objects_v2(Bucket=bucket, Prefix=f"outbound/{uuid}/")["KeyCount"] or None

    poll(f"request of {execution}", is_asked, SECONDS, EVERY)
    s3.put_object(Bucket=bucket, Key=f"inbound/{uuid}/success.json", Body=b'{"answer": 42}')


# ------------------------------------------------------------------ order confirmation
def order_api(stack: Stack) -> Callable[[str, object], None]:
    """Posts to the order API, whose limits are lifted: they would let through 50 requests in a second."""
    client, key_id = stack.client("apigateway"), stack.outputs["OrderApiKeyId"]
    [plan] = client.get_usage_plans(keyId=key_id)["items"]
    [stage] = plan["apiStages"]

    def lifted(path: str) -> list[dict[str, str]]:
        return [{"op": "replace", "path": f"{path}/{name}Limit", "value": "100000"} for name in ("rate", "burst")]

    client.update_usage_plan(usagePlanId=plan["id"], patchOperations=lifted("/throttle"))
    client.update_stage(restApiId=stage["apiId"], stageName=stage["stage"], patchOperations=lifted("/*/*/throttling"))
    key = client.get_api_key(apiKey=key_id, includeValue=True)["value"]
    url = reachable(stack.outputs["OrderApiUrl"], stack.endpoint_url)

    def post(path: str, body: object) -> None:
        answer = call("POST", f"{url}{path}", key=key, body=body)
        if answer.status not in (200, 202):
            raise AssertionError(f"POST {path}: {answer.status}")

    return post


def decided_orders(stack: Stack, count: int) -> Steps:
    """Each order is decided right after it was posted: most decisions come before the token."""
    post = order_api(stack)

    def order(number: int) -> None:
        post("/orders", {"orderId": f"order-{number}", "orderDetails": "2 books"})
        post(f"/orders/order-{number}/confirmation", {"isConfirmed": True})

    yield
    in_threads(order, range(count))
    depth_of(stack, "NotificationTestQueueUrl", 2 * count)  # the link, and the end


def waiting_orders(stack: Stack, count: int) -> Steps:
    """All are posted before the first is started, and decided before the first decision is looked at."""
    post = order_api(stack)
    with stack.consumer_off(STARTER), stack.consumer_off(CONFIRMER):
        in_threads(
            lambda number: post("/orders", {"orderId": f"order-{number}", "orderDetails": "2 books"}), range(count)
        )
        in_threads(lambda number: post(f"/orders/order-{number}/confirmation", {"isConfirmed": True}), range(count))
        yield
    depth_of(stack, "NotificationTestQueueUrl", 2 * count)


STARTS = "{count:,} starts at once"
REQUESTER, OUTBOX, INBOX = (
    f"{name}FunctionName" for name in ("AsyncApiRequester", "FileExchangeOutbox", "FileExchangeInbox")
)
STARTER, CONFIRMER = "OrderStarterFunctionName", "OrderConfirmerFunctionName"
PAYMENT, EXCHANGE, ORDER = (
    "StateMachineWaitForCallbackArn",
    "FileExchangeStateMachineArn",
    "OrderConfirmationStateMachineArn",
)
LOADS = [
    Load("payment-callback", STARTS, PAYMENT, (WORKER,), payments, succeeds=False),
    Load("manual-callback", STARTS, "ManualCallbackStateMachineArn", (), manual_work),
    Load("async-api", STARTS, "AsyncApiStateMachineArn", (REQUESTER,), api_calls),
    Load("file-exchange", STARTS, EXCHANGE, (OUTBOX, INBOX), exchanges),
    Load("order-confirmation", STARTS, ORDER, (STARTER, CONFIRMER), decided_orders),
    Load("payment-callback", "{count:,} requests wait", PAYMENT, (WORKER,), waiting_payments, WAITING, succeeds=False),
    Load("file-exchange", "{count:,} files in `inbound/`", EXCHANGE, (INBOX,), waiting_files, WAITING),
    Load("order-confirmation", "{count:,} orders wait", ORDER, (STARTER, CONFIRMER), waiting_orders, WAITING),
]
