"""Looks at the processes of an embedded AWS and at the queues of its stacks, every few seconds, in the background."""

import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from tools.engine.engine import Engine
from tools.stack import Stack

EVERY_SECONDS = 10.0
MB = 1024  # KiB, which is what ps counts in

Sample = dict[str, Any]
"""`engine`: its MB and open files; `functions`: by workflow and function, the MB of each process; `queues`: by workflow
and queue, the messages that wait or are in flight, where there are some."""


class Sampler:
    """Takes samples while its block runs. `take` gets each."""

    def __init__(self, engine: Engine, stacks: Sequence[Stack], take: Callable[[Sample], None]) -> None:
        self._engine = engine
        self._take = take
        self._functions: dict[str, str] = {}
        self._queues: list[tuple[str, Stack, str]] = []
        for stack in stacks:
            for resource in stack.resources():
                name, physical = f"{stack.name}/{resource['LogicalResourceId']}", resource["PhysicalResourceId"]
                if resource["ResourceType"] == "AWS::Lambda::Function":
                    self._functions[physical] = name.removesuffix("Function")
                elif resource["ResourceType"] == "AWS::SQS::Queue":
                    self._queues.append((name, stack, physical))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            with suppress(BotoCoreError, ClientError):  # the engine has no time, or has ended
                self._take(self.sample())

    def sample(self) -> Sample:
        mark = re.compile(re.escape(str(self._engine.directory)) + r"\S*/ministack-lambda-(\S+)-[^-\s/]+(?:/|\s|$)")
        functions: dict[str, list[float]] = {}
        engine = 0.0
        for pid, kilobytes, command in _processes():
            if pid == self._engine.pid:
                engine = kilobytes / MB
            elif found := mark.search(command):
                name = self._functions.get(found[1])
                if name:
                    functions.setdefault(name, []).append(round(kilobytes / MB, 1))
        depths = {name: depth for name, stack, url in self._queues if (depth := _depth(stack, url))}
        return {
            "engine": {"MB": round(engine, 1), "files": _open_files(self._engine.pid)},
            "functions": functions,
            "queues": depths,
        }


def _processes() -> list[tuple[int, int, str]]:
    """Process id, resident KiB and command line of every process of this machine."""
    listed = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,rss=,command="], capture_output=True, text=True, check=True
    )
    found = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [(int(pid), int(kilobytes), rest[0] if rest else "") for pid, kilobytes, *rest in found]


def _open_files(pid: int | None) -> int | None:
    """None where the system does not tell in /proc."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None


def _depth(stack: Stack, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)
