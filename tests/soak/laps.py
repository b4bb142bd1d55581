"""Laps: in each, executions of all workflows begin at a steady rate, among faults, and then the ledgers are balanced.

What has been balanced is forgotten, so that a soak needs no more memory after hours than after its first lap.
"""

import functools
import os
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from tests.faults.adapter import Adapter, Case
from tests.faults.ledger import Ledger, check_afterwards
from tests.faults.proxy import NETWORK_FAULTS, Fault, FaultProxy, Plan, Traffic, no_fault, seeded
from tests.faults.rounds import Result, play
from tests.faults.world import World, worlds_in
from tools.engine.engine import Engine
from tools.stack import Stack

LOOK_SECONDS = 5.0  # between two looks at a workflow, for which the embedded AWS goes through all its executions

FAULTY_SHARE = 0.02  # of the calls, that meet a fault or two; a stream goes no further while one of its records fails
SHARES = {"file-exchange": 1 / 3, "order-confirmation": 1 / 3}  # of the executions of another: each has a dozen calls
PATIENCE = 900.0  # seconds until what has not ended counts as lost


T = TypeVar("T")


class Stopped(Exception):
    """Nothing more is started."""


class Pace:
    """Lets starts through one after another, `rate` of them in a second; after a pause it does not hurry."""

    def __init__(self, rate: float) -> None:
        self.stopped = threading.Event()
        self.passed = 0
        self._every = 1 / rate
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Raises Stopped."""
        with self._lock:
            mine = self._next = max(self._next + self._every, time.monotonic())
        if self.stopped.wait(max(0.0, mine - time.monotonic())):
            raise Stopped
        with self._lock:
            self.passed += 1


class SteadyProxy(FaultProxy):
    """Plan and traffic are those of a lap of all workflows, whatever the round of one of them would have."""

    def begin_lap(self, random: Random) -> Traffic:
        weights = dict.fromkeys(NETWORK_FAULTS, 5) | {Fault.SLOW: 1}
        return super().begin(seeded(random, weights, most=2, share=FAULTY_SHARE))

    def begin(self, _plan: Plan = no_fault) -> Traffic:
        """What it injects is counted once, for all."""
        return Traffic(calls=self.traffic.calls, accepted=self.traffic.accepted)

    def follow(self, _plan: Plan) -> None:
        pass


class LapClock:
    """The clock of an embedded AWS, which its workflows share in a lap: it moves when nobody needs it to stand still.

    That is when each workflow is done, or waits for it to move. Of several, the one that wants the least goes first.
    """

    def __init__(self, workflows: int) -> None:
        self._busy = workflows
        self._wanted: list[float] = []
        self._changed = threading.Condition()

    def done(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def skip(self, engine: Engine, seconds: float, pace: Pace) -> None:
        """Raises Stopped."""
        self.done()
        with self._changed:
            self._wanted.append(seconds)
            while self._busy > 0 or seconds > min(self._wanted):
                self._changed.wait(LOOK_SECONDS)
                if pace.stopped.is_set():
                    raise Stopped
            engine.skip(seconds)
            self._wanted.remove(seconds)
            self._busy += 1
            self._changed.notify_all()


@dataclass
class SteadyWorld(World):
    clock: LapClock | None = None
    pace: Pace | None = None

    def kill_workers(self) -> int:
        """SIGKILL one process that runs a function of this stack; the others live on, and could grow."""
        pids = self.processes(f"ministack-lambda-{self.stack.name}-")
        if not pids:
            return 0
        with suppress(ProcessLookupError):
            os.kill(secrets.choice(pids), signal.SIGKILL)
        return 1

    def skip(self, seconds: float) -> None:
        assert self.clock
        assert self.pace
        self.clock.skip(self.engine, seconds, self.pace)

    def poll(self, what: str, check: Callable[[], T | None], seconds: float = 120, every: float = 0.1) -> T:
        """Raises Stopped, too."""

        def unless_stopped() -> T | None:
            if self.pace and self.pace.stopped.is_set():
                raise Stopped
            return check()

        return super().poll(what, unless_stopped, seconds, every)

    def begin_lap(self, clock: LapClock, pace: Pace) -> None:
        """Nothing of earlier laps is known any more."""
        self.clock, self.pace = clock, pace
        self.adapter = type(self.adapter)()
        self.adapter.prepare(self)

    def forget(self) -> None:
        """What is left of a lap whose ledger has been balanced goes: here and, as retention would remove it, there."""
        self.due.clear()
        self.secrets.clear()
        self.notifications.forget()
        for resource in self.stack.resources():
            empty = EMPTY.get(resource["ResourceType"])
            if empty:
                empty(self.stack, resource["PhysicalResourceId"])


def _empty_bucket(stack: Stack, name: str) -> None:
    s3 = stack.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name, MaxKeys=1000):
        versions = page.get("Versions", []) + page.get("DeleteMarkers", [])
        objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
        if objects:
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})


def _empty_table(stack: Stack, name: str) -> None:
    dynamodb = stack.client("dynamodb")
    for page in dynamodb.get_paginator("scan").paginate(TableName=name, ProjectionExpression="pk"):
        for item in page["Items"]:
            dynamodb.delete_item(TableName=name, Key=item)


def _empty_log_group(stack: Stack, name: str) -> None:
    logs = stack.client("logs")
    logs.delete_log_group(logGroupName=name)
    logs.create_log_group(logGroupName=name)


EMPTY: dict[str, Callable[[Stack, str], None]] = {
    "AWS::S3::Bucket": _empty_bucket,
    "AWS::DynamoDB::Table": _empty_table,
    "AWS::Logs::LogGroup": _empty_log_group,
}


class SteadyLedger(Ledger):
    def __init__(self, lap: str, pace: Pace, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lap = lap
        self._pace = pace

    def start_some(self, prefix: str, count: int) -> list[str]:
        """Under names that no other lap has given."""
        return super().start_some(f"{self._lap}-{prefix}", count)

    def _start(self, case: Case) -> str:
        self._pace.wait()
        return super()._start(case)

    def look(self) -> int:
        if self._pace.stopped.wait(LOOK_SECONDS):
            raise Stopped
        return super().look()


@dataclass(frozen=True)
class Lap:
    """`counts` by workflow; `injected` is of all of them together."""

    counts: dict[str, dict[str, int]]
    injected: dict[str, int]
    problems: list[str]


@dataclass(frozen=True)
class Track:
    """All workflows on one embedded AWS."""

    worlds: Sequence[SteadyWorld]
    proxy: SteadyProxy

    def lap(self, number: int, executions: int, pace: Pace) -> Lap:
        """About so many executions of each workflow, of two their shares.

        Raises Stopped, or what clients raise when the engine is gone.
        """
        name, clock = f"lap{number}", LapClock(len(self.worlds))
        traffic = self.proxy.begin_lap(Random(name))  # noqa: S311 - reproducible is meant

        def run(world: SteadyWorld) -> tuple[Result, list[str]]:
            world.begin_lap(clock, pace)
            ledger = functools.partial(SteadyLedger, name, pace)
            count = round(executions * SHARES.get(world.adapter.name, 1))
            try:
                result = play(world.adapter.mixed, world, count, f"{name} {world.adapter.name}", make_ledger=ledger)
            finally:
                clock.done()
            problems = result.problems + check_afterwards(world)
            world.forget()
            return result, [f"{world.adapter.name}: {problem}" for problem in problems]

        with ThreadPoolExecutor(len(self.worlds)) as pool:
            try:
                done = list(pool.map(run, self.worlds))
            except BaseException:
                pace.stopped.set()  # the others end, too
                raise
        injected = Counter({str(fault): times for fault, times in traffic.injected.items()})
        for result, _ in done:
            injected.update(result.injected)
        return Lap(
            counts={
                world.adapter.name: asdict(result.count) for world, (result, _) in zip(self.worlds, done, strict=True)
            },
            injected=dict(sorted(injected.items())),
            problems=[problem for _, problems in done for problem in problems],
        )


@contextmanager
def track_in(directory: Path, adapters: Sequence[Adapter]) -> Iterator[Track]:
    with worlds_in(directory, *adapters, make_proxy=SteadyProxy) as worlds:
        proxy = worlds[0].proxy
        assert isinstance(proxy, SteadyProxy)
        yield Track([SteadyWorld(**vars(world)) for world in worlds], proxy)
