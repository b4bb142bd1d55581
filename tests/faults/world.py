"""The deployed stack on an embedded AWS whose functions reach Step Functions by way of the proxy only."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.proxy import FaultProxy, no_fault
from tools.engine.engine import Engine
from tools.engine.processes import command_lines
from tools.stack import Notifications, Stack, deployed, poll

WORKER = "PaymentWorkerFunctionName"
SUCCESS_RATE = 0.5  # the default of the template
QUEUES = ("PaymentQueueUrl", "DeadLetterQueueUrl", "QuarantineQueueUrl")


@dataclass
class World:
    engine: Engine
    proxy: FaultProxy
    stack: Stack
    notifications: Notifications
    due: dict[str, int] = field(default_factory=dict)  # notifications, by execution, of all rounds so far

    def kill_workers(self) -> int:
        """SIGKILL every process that runs a function; how many there were."""
        mine = f"{self.engine.directory}/"
        pids = [pid for pid, command in command_lines().items() if mine in command and pid != self.engine.pid]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)

    # -------------------------------------------------------------- queues
    def send(self, *bodies: str) -> None:
        """Straight into the queue of payment requests."""
        for body in bodies:
            self.stack.send("PaymentQueueUrl", body)

    def take(self, count: int) -> list[str]:
        """The bodies of that many payment requests, out of the queue. The consumer should be off."""
        return [message["Body"] for message in self._take("PaymentQueueUrl", count)]

    def take_quarantined(self, count: int, seconds: float) -> list[str]:
        """The bodies in quarantine: as many as are expected, or all there are when time is up."""
        with suppress(AssertionError):
            poll("quarantine", lambda: self.stack.depth("QuarantineQueueUrl") >= count or None, seconds)
        return [message["Body"] for message in self._take("QuarantineQueueUrl", self.stack.depth("QuarantineQueueUrl"))]

    def _take(self, queue: str, count: int) -> list[dict[str, Any]]:
        return [self.stack.receive(queue) for _ in range(count)]

    def hurry(self) -> None:
        """For what is left when no execution waits any more: no network faults, and redelivery after a second."""
        self.proxy.follow(no_fault)
        for queue in ("PaymentQueueUrl", "DeadLetterQueueUrl"):
            url = self.stack.outputs[queue]
            self.stack.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})

    def purge(self) -> None:
        for queue in QUEUES:
            self.stack.client("sqs").purge_queue(QueueUrl=self.stack.outputs[queue])


@contextmanager
def world_in(directory: Path) -> Iterator[World]:
    """Starts everything, with every file in this folder, and leaves nothing."""
    with (
        FaultProxy() as proxy,
        Engine(directory, environment={"AWS_ENDPOINT_URL_SFN": proxy.endpoint_url}) as engine,
    ):
        proxy.engine_port = engine.port
        stack = deployed(engine)
        for service in ("stepfunctions", "sqs", "lambda"):
            stack.client(service)  # made here, because threads must not make them at once
        try:
            with Notifications(stack) as notifications:
                yield World(engine, proxy, stack, notifications)
        finally:
            for client in stack.clients.values():
                client.close()
