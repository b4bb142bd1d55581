"""A soak: laps on one embedded AWS, until there were enough of them or somebody ends it."""

import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.faults.adapter import Adapter
from tests.soak.laps import Pace, Track, track_in
from tests.soak.record import BALANCED, BROKEN, ENDED, SAMPLED, STARTED, Record
from tests.soak.sampling import Sample, Sampler
from tools import plain

BREAKS = 3  # laps that may break off, each of which ends an embedded AWS, before a soak is given up

MOST_MB = 1_000  # of an embedded AWS, which keeps all histories and lists them: the next lap then has a fresh one


@dataclass(frozen=True)
class Goal:
    """One of the two: executions of all runs together, or the hours of this run."""

    executions: int | None = None
    hours: float | None = None

    def reached(self, record: Record, seconds: float) -> bool:
        """`seconds`: for which this run has run."""
        if self.hours is not None:
            return seconds >= 3600 * self.hours
        return record.total("executions") >= (self.executions or 0)


@dataclass
class Soak:
    """`rate`: starts in a second, of all workflows; `lap`: executions of each workflow in a lap."""

    record: Record
    goal: Goal
    adapters: Sequence[type[Adapter]]
    rate: float
    lap: int
    console: Console
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._before = self.record.seconds

    def run(self) -> str:
        """Why it ended: `reached`, `interrupted` or `failed`. A lap that breaks off is not counted."""
        if before := self.record.total("executions"):
            self.console.print(f"Going on after {before:,} executions of earlier runs, on a fresh embedded AWS.")
        try:
            why = self._run()
        except KeyboardInterrupt:
            self.console.print("Interrupted: the lap that was under way is not counted.")
            why = "interrupted"
        self.record.append(ENDED, self._seconds(), why=why)
        return why

    def _run(self) -> str:
        """A fresh embedded AWS follows one that has grown large, or kept what a lap left that did not balance."""
        broken = 0
        while not self._reached():
            try:
                with (
                    tempfile.TemporaryDirectory(prefix="soak-") as folder,
                    track_in(Path(folder, "engine"), [adapter() for adapter in self.adapters]) as track,
                ):
                    self._laps(track)
            except Exception as error:  # noqa: BLE001 - whatever it is, hours of measuring are not given up for it
                broken += 1
                why = f"{type(error).__name__}: {plain(error)}"
                self.record.append(BROKEN, self._seconds(), why=why)
                self.console.print(f"A lap broke off, and is not counted: {why}", style="red", markup=False)
                if broken == BREAKS:
                    return "failed"
        return "reached"

    def _laps(self, track: Track) -> None:
        machine = (
            f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
            f"load before the run {os.getloadavg()[0]:.1f}"
        )
        at = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
        self.record.append(STARTED, self._seconds(), at=at, rate=self.rate, lap=self.lap, machine=machine)
        pace = Pace(self.rate)
        with (
            self.console.status("The first lap has started ...") as status,
            Sampler(track.worlds[0].engine, [world.stack for world in track.worlds], self._take) as sampler,
        ):
            fit = True
            while fit and not self._reached():
                number, begun = sum(1 for _ in self.record.of(BALANCED)) + 1, self._seconds()
                done = track.lap(number, self.lap, pace)
                took = round(self._seconds() - begun, 1)
                found = {"counts": done.counts, "injected": done.injected, "problems": done.problems}
                self.record.append(BALANCED, self._seconds(), took=took, **found)
                for problem in done.problems:
                    self.console.print(problem, style="red", markup=False, soft_wrap=True)
                sample = sampler.sample()
                fit = not done.problems and sample["engine"]["MB"] < MOST_MB
                line = progress(self.record, sample)
                status.update(line)
                self.console.print(line, highlight=False, soft_wrap=True)

    def _take(self, sample: Sample) -> None:
        self.record.append(SAMPLED, self._seconds(), executions=self.record.total("executions"), **sample)

    def _reached(self) -> bool:
        return self.goal.reached(self.record, self._seconds() - self._before)

    def _seconds(self) -> float:
        """For which all runs have run."""
        return self._before + time.monotonic() - self.began


def progress(record: Record, sample: Sample) -> str:
    """How it goes, in a line."""
    last = list(record.of(BALANCED))[-1]
    rate = sum(found["executions"] for found in last["counts"].values()) / last["took"]
    largest = max((max(each) for each in sample["functions"].values()), default=0)
    return (
        f"{record.seconds / 60:.0f} min: {record.total('executions'):,} ended, {rate:.1f}/s, "
        f"lost {record.total('lost')}, doubled {record.total('doubled')}, problems {len(record.problems)}, "
        f"engine {sample['engine']['MB']:.0f} MB, largest function {largest:.0f} MB"
    )
