"""10,000 messages that waited for their consumer: how fast they drain, in how many invocations, at what memory.

First payment requests of real executions and the worker, then dead letters with tokens for which nobody waits any more
and the reporter.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from matplotlib.figure import Figure
from rich.progress import Progress

from tools.bench.events import RECORDS, payment_batch
from tools.bench.results import Goal, Picture, Result, Table
from tools.bench.stacks import (
    NOTIFICATIONS,
    THREADS,
    WORKER,
    Deploy,
    deploy_baseline,
    deploy_ours,
    orders,
)
from tools.engine.engine import Engine
from tools.stack import Stack, poll

MESSAGES = 10_000
FIRST = 1_000  # after so many, memory is taken as what the function needs
INVOCATIONS = 1_100
GROWTH = 1.05  # what still counts as flat
SAMPLE_SECONDS = 0.5
DRAIN_SECONDS = 600  # at most
MB = 2**20


@dataclass(frozen=True)
class Sample:
    """`memory` is that of each process of the function, in bytes."""

    seconds: float
    left: int
    memory: list[int]


@dataclass(frozen=True)
class Drain:
    name: str
    samples: list[Sample]
    invocations: int

    @property
    def rate(self) -> float:
        """Messages a second from the first thousand to the last."""
        early, last = self.after(FIRST), self.samples[-1]
        return (early.left - last.left) / (last.seconds - early.seconds)

    @property
    def growth(self) -> float:
        """The largest process at the end, times the largest after the first thousand."""
        return max(self.samples[-1].memory) / max(self.after(FIRST).memory)

    def after(self, messages: int) -> Sample:
        return next(sample for sample in self.samples if sample.left <= MESSAGES - messages)


def measure(progress: Progress, folder: Path) -> Result:
    with _world(folder, deploy_baseline) as world:
        baseline = _drain_requests(progress, world, "baseline's worker")
    with _world(folder, deploy_ours) as world:
        worker = _drain_requests(progress, world, "worker")
        letters = "DeadLetterReporterFunctionName", "DeadLetterQueueUrl"
        reporter = _drain(progress, world, "reporter", *letters, _send_letters)
    drains = (worker, reporter, baseline)
    rows = [
        (
            drain.name,
            f"{drain.rate:.0f}",
            f"{drain.samples[-1].seconds:.0f}",
            f"{drain.invocations:,}",
            str(len(drain.samples[-1].memory)),
            f"{max(drain.after(FIRST).memory) / MB:.1f}",
            f"{max(drain.samples[-1].memory) / MB:.1f}",
            f"{drain.growth:.3f}",
        )
        for drain in drains
    ]

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for drain in drains:
            seconds = [sample.seconds for sample in drain.samples]
            left.plot(seconds, [sample.left for sample in drain.samples], label=drain.name)
            memory = [max(sample.memory, default=0) / MB for sample in drain.samples]
            right.plot(seconds, memory, label=f"{drain.name}, largest process")
        left.set_ylabel("messages that wait or are in flight")
        right.set_ylabel("resident memory, MB")
        for axes in (left, right):
            axes.set_xlabel("seconds since the consumer was switched on")
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
            axes.legend()

    columns = (
        "Function",
        "Messages/s",
        "Seconds",
        "Invocations",
        "Processes",
        f"MB after {FIRST:,}",
        "MB at the end",
        "Growth",
    )
    return Result(
        goals=[
            goal
            for drain in (worker, reporter)
            for goal in (
                Goal(f"invocations of the {drain.name} for {MESSAGES:,} messages", INVOCATIONS, drain.invocations),
                Goal(
                    f"memory of the {drain.name} at the end, times that after {FIRST:,} messages", GROWTH, drain.growth
                ),
            )
        ],
        tables=[Table(f"{MESSAGES:,} messages waiting, the consumer switched on", columns, rows)],
        pictures=[Picture("backlog", "A backlog drains, and the memory of the functions stays where it is", draw)],
    )


@dataclass(frozen=True)
class World:
    engine: Engine
    stack: Stack


@contextmanager
def _world(folder: Path, deploy: Deploy) -> Iterator[World]:
    with Engine(folder / "engine") as engine:
        stack = deploy(engine)
        for service in ("lambda", "sqs", "stepfunctions"):
            stack.client(service)  # made here, because threads must not make them at once
        yield World(engine, stack)


def _drain_requests(progress: Progress, world: World, name: str) -> Drain:
    drain = _drain(progress, world, name, WORKER, "PaymentQueueUrl", _start_executions)
    poll("notification of each", lambda: world.stack.depth(NOTIFICATIONS) >= MESSAGES or None, DRAIN_SECONDS)
    return drain


def _drain(
    progress: Progress,
    world: World,
    name: str,
    function: str,
    queue: str,
    fill: Callable[[Stack], Iterable[object]],
) -> Drain:
    """Fills a queue while its consumer is off, and watches what happens when it is switched on."""
    stack = world.stack
    with stack.consumer_off(function):
        for _ in progress.track(fill(stack), description=f"{name}: fill the queue", total=MESSAGES):
            pass
        poll(f"{MESSAGES} messages in {queue}", lambda: stack.depth(queue) >= MESSAGES or None)
        started = time.monotonic()
    task = progress.add_task(f"{name}: drain", total=MESSAGES)
    samples: list[Sample] = []

    def drained() -> bool | None:
        left = stack.depth(queue)
        samples.append(Sample(time.monotonic() - started, left, _memory(world.engine, stack.outputs[function])))
        progress.update(task, completed=MESSAGES - left)
        return left == 0 or None

    poll(f"empty {queue}", drained, DRAIN_SECONDS, every=SAMPLE_SECONDS)
    return Drain(name, samples, invocations(world.engine, stack.outputs[function]))


def _start_executions(stack: Stack) -> Iterable[object]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(stack.start, orders(MESSAGES))


def _send_letters(stack: Stack) -> Iterable[object]:
    sqs, url = stack.client("sqs"), stack.outputs["DeadLetterQueueUrl"]

    def send(_number: int) -> list[dict[str, str]]:
        records = payment_batch()["Records"]
        entries = [{"Id": str(number), "MessageBody": record["body"]} for number, record in enumerate(records)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
        return entries

    with ThreadPoolExecutor(THREADS) as pool:
        for entries in pool.map(send, range(MESSAGES // RECORDS)):
            yield from entries


def _memory(engine: Engine, function: str) -> list[int]:
    """Resident bytes of every process that runs a function."""
    mark = f"{engine.directory}/tmp/ministack-lambda-{function}-"  # noqa: S108 - in the folder of the engine
    processes = psutil.process_iter(["cmdline", "memory_info"])
    return [
        process.info["memory_info"].rss
        for process in processes
        if any(mark in argument for argument in process.info["cmdline"] or ())
    ]


def invocations(engine: Engine, function: str) -> int:
    """How many batches the engine says it handed to a function."""
    said = (engine.directory / "engine.log").read_text(errors="replace")
    batches = r"processed \d+ (?:SQS messages|DynamoDB stream records)|failed processing"
    return len(re.findall(rf"ESM: Lambda {re.escape(function)} (?:{batches})", said))
