"""A deployed workflow on an embedded AWS whose functions reach their services by way of the proxy only."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.faults.adapter import Adapter
from tests.faults.proxy import FaultProxy, no_fault
from tools import PROJECT
from tools.engine.engine import Engine
from tools.engine.processes import command_lines
from tools.stack import STACKS, Notifications, Stack, deployed, poll

QUARANTINE = "QuarantineQueueUrl"
OWN_QUEUE = "LedgerQueueUrl"  # where a stack has a topic and no test queue

T = TypeVar("T")


@dataclass
class World:
    adapter: Adapter
    engine: Engine
    proxy: FaultProxy
    stack: Stack
    notifications: Notifications
    notification_queue: str
    due: dict[str, int] = field(default_factory=dict)  # notifications, by execution, of all rounds so far
    secrets: set[str] = field(default_factory=set, repr=False)  # of all rounds so far: in no log, in no notification

    def kill_workers(self) -> int:
        """SIGKILL every process that runs a function, but one that is spared; how many there were."""
        pids = self.processes()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)

    def processes(self, mark: str = "") -> list[int]:
        """Of functions that may be killed, whose command lines have this mark."""
        here, spared = f"{self.engine.directory}/", self.adapter.spared
        found = {pid: command for pid, command in command_lines().items() if here in command and mark in command}
        return [pid for pid, command in found.items() if pid != self.engine.pid and not (spared and spared in command)]

    def skip(self, seconds: float) -> None:
        """Moves the clock of the workflows forward."""
        self.engine.skip(seconds)

    def poll(self, what: str, check: Callable[[], T | None], seconds: float = 120, every: float = 0.1) -> T:
        """As tools.stack.poll."""
        return poll(what, check, seconds, every)

    # -------------------------------------------------------------- queues
    @property
    def queue(self) -> str:
        """The output that names the queue of the requests."""
        return self.adapter.queues[0]

    def send(self, *bodies: str) -> None:
        """Straight into the queue of the requests."""
        for body in bodies:
            self.stack.send(self.queue, body)

    def take(self, count: int) -> list[str]:
        """The bodies of that many requests, out of the queue. The consumer should be off."""
        return [self.stack.receive(self.queue)["Body"] for _ in range(count)]

    def wait_for_depth(self, count: int) -> None:
        self.poll(f"{count} messages", lambda: self.stack.depth(self.queue) >= count or None, 60)

    def take_quarantined(self, count: int, seconds: float) -> list[str]:
        """The bodies in quarantine: as many as are expected, or all there are when time is up."""
        if QUARANTINE not in self.stack.outputs:
            return []
        with suppress(AssertionError):
            self.poll("quarantine", lambda: self.stack.depth(QUARANTINE) >= count or None, seconds)
        return [self.stack.receive(QUARANTINE)["Body"] for _ in range(self.stack.depth(QUARANTINE))]

    def hurry(self) -> None:
        """For what is left when no execution waits any more: no network faults, and redelivery after a second."""
        self.proxy.follow(no_fault)
        for queue in self.adapter.queues:
            url = self.stack.outputs[queue]
            self.stack.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})

    def clean(self) -> None:
        """After a round that did not balance."""
        for queue in {*self.adapter.queues, QUARANTINE} & self.stack.outputs.keys():
            self.stack.client("sqs").purge_queue(QueueUrl=self.stack.outputs[queue])
        self.adapter.clean(self)


@contextmanager
def worlds_in(
    directory: Path,
    *adapters: Adapter,
    project: Path = PROJECT,
    make_proxy: Callable[[], FaultProxy] = FaultProxy,
) -> Iterator[list[World]]:
    """Deploys the workflows of a project to one embedded AWS, with every file in the directory, and leaves nothing."""
    with ExitStack() as leaving:
        proxy = leaving.enter_context(make_proxy())
        engine = leaving.enter_context(Engine(directory, environment=proxy.environment))
        proxy.engine_port = engine.port
        yield [leaving.enter_context(_world(adapter, engine, proxy, project)) for adapter in adapters]


@contextmanager
def _world(adapter: Adapter, engine: Engine, proxy: FaultProxy, project: Path) -> Iterator[World]:
    stack = deployed(engine, config_env=STACKS[adapter.name], directory=project)
    for service in ("stepfunctions", "sqs", "sns", "lambda", "logs", "s3", "dynamodb"):
        stack.client(service)  # made here, because threads must not make them at once
    try:
        queue = _notification_queue(adapter, stack)
        with Notifications(stack, queue) as notifications:
            world = World(adapter, engine, proxy, stack, notifications, queue)
            adapter.prepare(world)
            yield world
    finally:
        for client in stack.clients.values():
            client.close()


def _notification_queue(adapter: Adapter, stack: Stack) -> str:
    """The stack's test queue, or one that is subscribed to its topic; without either, one that gets nothing."""
    source = adapter.notifications
    if source and source.endswith("QueueUrl"):
        return source
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName=f"ledger-of-{adapter.name}")["QueueUrl"]
    stack.outputs = {**stack.outputs, OWN_QUEUE: url}
    if source:
        [arn] = stack.attributes(OWN_QUEUE, "QueueArn")
        stack.client("sns").subscribe(TopicArn=stack.outputs[source], Protocol="sqs", Endpoint=arn)
    return OWN_QUEUE
