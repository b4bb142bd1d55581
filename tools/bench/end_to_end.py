"""200 executions from 8 threads, from the first start to the last end and the last notification, warm and cold."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import Progress

from tools.bench.results import Goal, Result, Table, ratio
from tools.bench.stacks import NOTIFICATIONS, STACKS, THREADS, orders, take_notifications
from tools.engine.engine import Engine
from tools.stack import Stack, poll

EXECUTIONS = 200
WARM_ROUNDS = 7
COLD_ROUNDS = 5
BURST_SECONDS = 120  # at most


@dataclass(frozen=True)
class Burst:
    """Seconds from the first start to the last end, as the engine noted both, and to the last notification."""

    ended: float
    notified: float

    @property
    def rate(self) -> float:
        """Executions a second."""
        return EXECUTIONS / self.ended


def measure(progress: Progress, folder: Path) -> Result:
    names = list(STACKS)
    warm: dict[str, list[Burst]] = {name: [] for name in names}
    cold: dict[str, list[Burst]] = {name: [] for name in names}
    with Engine(folder / "engine") as engine:
        stacks = {name: deploy(engine) for name, deploy in STACKS.items()}
        for number in progress.track(range(-1, WARM_ROUNDS), description="200 executions, warm"):
            for name in names if number % 2 else reversed(names):
                one = burst(stacks[name])
                if number >= 0:
                    warm[name].append(one)
    for number in progress.track(range(COLD_ROUNDS), description="200 executions, cold"):
        for name in names if number % 2 else reversed(names):
            with Engine(folder / "engine") as engine:
                cold[name].append(burst(STACKS[name](engine)))
    rates = {name: [one.rate for one in warm[name]] for name in names}
    notified = {name: [one.notified for one in cold[name]] for name in names}
    rows = [
        (
            name,
            f"{median(rates[name]):.0f}",
            f"{min(rates[name]):.0f} to {max(rates[name]):.0f}",
            f"{median(one.ended for one in cold[name]):.2f}",
            f"{median(notified[name]):.2f}",
            f"{min(notified[name]):.2f} to {max(notified[name]):.2f}",
        )
        for name in names
    ]
    rate_ratio, cold_ratio = ratio(rates["ours"], rates["baseline"]), ratio(notified["ours"], notified["baseline"])
    rows.append(("ratio", f"{rate_ratio:.2f}", "", "", f"{cold_ratio:.2f}", ""))

    columns = (
        "Stack",
        "Warm, executions/s",
        "Least to most",
        "Cold burst: all ended, s",
        "All notified, s",
        "Least to most",
    )
    return Result(
        goals=[
            Goal("executions a second, warm, times the baseline's", 0.9, rate_ratio, at_least=True),
            Goal("seconds until a cold burst is notified, times the baseline's", 1, cold_ratio),
        ],
        tables=[Table(f"{EXECUTIONS} executions started from {THREADS} threads", columns, rows)],
    )


def burst(stack: Stack) -> Burst:
    """Starts the executions at once, and sees each ended and notified. Raises AssertionError or RuntimeError."""
    for service in ("stepfunctions", "sqs"):
        stack.client(service)
    started = time.monotonic()
    arns = set(stack.start_all(orders(EXECUTIONS), THREADS))
    told_all = f"{EXECUTIONS} notifications"
    poll(told_all, lambda: stack.depth(NOTIFICATIONS) >= EXECUTIONS or None, BURST_SECONDS, every=0.05)
    notified = time.monotonic() - started
    executions = [body["executionId"] for body in take_notifications(stack)]
    if sorted(executions) != sorted(arns):
        raise RuntimeError("not every execution was notified exactly once")
    listed: list[dict[str, Any]] = []

    def all_ended() -> bool | None:  # a notification comes just before the end of its execution
        listed[:] = [one for one in _executions(stack) if one["executionArn"] in arns]
        return (len(listed) == EXECUTIONS and all("stopDate" in one for one in listed)) or None

    poll(f"{EXECUTIONS} ends", all_ended, BURST_SECONDS, every=0.05)
    ended = max(one["stopDate"] for one in listed) - min(one["startDate"] for one in listed)
    return Burst(ended.total_seconds(), notified)


def _executions(stack: Stack) -> Iterator[dict[str, Any]]:
    pages = stack.client("stepfunctions").get_paginator("list_executions")
    for page in pages.paginate(stateMachineArn=stack.outputs["StateMachineWaitForCallbackArn"]):
        yield from page["executions"]
