"""A soak: laps on one embedded AWS, until there were enough of them or somebody ends it."""

import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.faults.adapter import Adapter
from tests.soak.laps import Pace, track_in
from tests.soak.record import BALANCED, BROKEN, ENDED, SAMPLED, STARTED, Record
from tests.soak.sampling import Sample, Sampler
from tools import plain

BREAKS = 3  # laps that may break off, each of which ends an embedded AWS, before a soak is given up


@dataclass(frozen=True)
class Goal:
    """One of the two: executions of all runs together, or the hours of this run."""

    executions: int | None = None
    hours: float | None = None

    def reached(self, record: Record, seconds: float) -> bool:
        """`seconds`: for which this run has run."""
        return record.total("executions") >= self.executions if self.executions else seconds >= 3600 * (self.hours or 0)


def soak(record: Record, goal: Goal, adapters: Sequence[type[Adapter]], rate: float, lap: int, console: Console) -> str:
    """Why it ended: `reached`, `interrupted` or `failed`. A lap that breaks off is not counted."""
    if before := record.total("executions"):
        console.print(f"Going on after {before:,} executions of earlier runs, on a fresh embedded AWS.")
    started, breaks = time.monotonic() - record.seconds, 0
    began = record.seconds
    try:
        while not goal.reached(record, time.monotonic() - started - began):
            try:
                _run(record, goal, adapters, rate, lap, console, started, began)
            except Exception as error:  # noqa: BLE001 - whatever it is, hours of measuring are not given up for it
                breaks += 1
                words = f"{type(error).__name__}: {plain(error)}"
                record.append(BROKEN, time.monotonic() - started, why=words)
                console.print(f"A lap broke off, and is not counted: {words}", style="red", markup=False)
                if breaks >= BREAKS:
                    record.append(ENDED, time.monotonic() - started, why="failed")
                    return "failed"
    except KeyboardInterrupt:
        console.print("Interrupted: the lap that was under way is not counted.")
        record.append(ENDED, time.monotonic() - started, why="interrupted")
        return "interrupted"
    record.append(ENDED, time.monotonic() - started, why="reached")
    return "reached"


def _run(
    record: Record,
    goal: Goal,
    adapters: Sequence[type[Adapter]],
    rate: float,
    lap: int,
    console: Console,
    started: float,
    began: float,
) -> None:
    """On one embedded AWS, until the goal is reached."""

    def seconds() -> float:
        return time.monotonic() - started

    with (
        console.status("Starting the embedded AWS and deploying ...") as status,
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        track_in(Path(folder, "engine"), [adapter() for adapter in adapters]) as track,
    ):
        setting = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
        record.append(STARTED, seconds(), at=f"{datetime.now(UTC):%Y-%m-%d %H:%M}", rate=rate, lap=lap, machine=setting)
        pace = Pace(rate)

        def take(sample: Sample) -> None:
            record.append(SAMPLED, seconds(), executions=record.total("executions"), **sample)
            status.update(f"{line(record, sample)}, {pace.passed:,} started since")

        engine = track.worlds[0].engine
        with Sampler(engine, [world.stack for world in track.worlds], take) as sampler:
            number = sum(1 for _ in record.of(BALANCED))
            while not goal.reached(record, seconds() - began):
                number, begun, pace.passed = number + 1, seconds(), 0
                done = track.lap(lap, f"lap {number}", pace)
                record.append(
                    BALANCED,
                    seconds(),
                    took=round(seconds() - begun, 1),
                    counts=done.counts,
                    injected=done.injected,
                    problems=done.problems,
                )
                for problem in done.problems:
                    console.print(problem, style="red", markup=False, soft_wrap=True)
                console.print(line(record, sampler.sample()), highlight=False, soft_wrap=True)


def line(record: Record, sample: Sample) -> str:
    """How it goes, in a line."""
    minutes = record.seconds / 60
    laps = list(record.of(BALANCED))
    rate = sum(found["executions"] for found in laps[-1]["counts"].values()) / laps[-1]["took"] if laps else 0
    functions = max((max(each) for each in sample["functions"].values()), default=0)
    return (
        f"{minutes:.0f} min: {record.total('executions'):,} ended and balanced, {rate:.1f}/s, "
        f"lost {record.total('lost')}, doubled {record.total('doubled')}, problems {len(record.problems)}, "
        f"engine {sample['engine']['MB']:.0f} MB, largest function {functions:.0f} MB"
    )
