"""A short soak of all workflows, and what a soak keeps and tells of itself."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.faults.workflows import ADAPTERS
from tests.soak import laps
from tests.soak.laps import SHARES, LapClock, Pace, Stopped
from tests.soak.record import BALANCED, BROKEN, COUNTS, ENDED, SAMPLED, STARTED, Record
from tests.soak.report import markdown
from tests.soak.run import Goal, Soak
from tools import PROJECT
from tools.engine.processes import command_lines
from tools.stack import poll

RATE = 20.0
EACH = 30
# Of `python -m tests.soak`, but for the report, for which `make soak` installs what draws
SOAK = """
import sys
from pathlib import Path
from rich.console import Console
from tests.faults.workflows import ADAPTERS
from tests.soak.record import Record
from tests.soak.run import Goal, Soak

Soak(Record.read(Path(sys.argv[1])), Goal(executions=100_000), list(ADAPTERS.values()), 15, 300, Console()).run()
"""


@pytest.mark.slow
def test_a_soak_loses_and_doubles_nothing(tmp_path: Path) -> None:
    # Given a file that an earlier soak wrote
    record = Record.read(tmp_path / "soak.jsonl")
    lap(record, seconds=100, executions=7)
    # When
    goal = Goal(executions=7 * len(ADAPTERS) + 1)  # one lap is enough
    why = Soak(record, goal, list(ADAPTERS.values()), RATE, EACH, Console(quiet=True)).run()
    # Then
    assert ([line["why"] for line in record.of(BROKEN)], why) == ([], "reached")
    assert record.problems == []
    assert record.counts.keys() == ADAPTERS.keys()
    for name, found in record.counts.items():
        assert found["executions"] >= EACH * SHARES.get(name, 1) + 7
        assert (found["lost"], found["doubled"]) == (0, 0)
    done = list(record.of(BALANCED))[-1]
    assert done["seconds"] > 100
    assert sum(done["injected"].values()) > 0
    for sample in record.of(SAMPLED):
        assert sample["engine"]["MB"] > 10
        assert all(size > 0 for sizes in sample["functions"].values() for size in sizes)
    assert any(sample["functions"] for sample in record.of(SAMPLED))
    # And the file has all of it
    assert Record.read(record.path).lines == json.loads(json.dumps(record.lines))


@pytest.mark.slow
def test_ctrl_c_ends_a_soak_soon_with_what_was_measured(tmp_path: Path) -> None:
    # Given a soak in the middle of a lap
    file = tmp_path / "soak.jsonl"
    lap(Record.read(file), seconds=100)
    command = [sys.executable, "-c", SOAK, str(file)]
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    ) as soak:
        try:
            poll("functions at work", lambda: any(one["functions"] for one in Record.read(file).of(SAMPLED)) or None)
            # When
            os.killpg(soak.pid, signal.SIGINT)
            shown, _ = soak.communicate(timeout=120)
        finally:
            soak.kill()
    # Then
    assert "Interrupted: the lap that was under way is not counted." in shown
    assert Record.read(file).total("executions") == 10 * len(ADAPTERS)
    assert Record.read(file).lines[-1]["why"] == "interrupted"
    # And it leaves its record only
    assert list(tmp_path.iterdir()) == [file]
    assert [line for line in command_lines().values() if str(tmp_path) in line] == []


def lap(record: Record, *, seconds: float, executions: int = 10, **counts: int) -> None:
    found = dict.fromkeys(COUNTS, 0) | {"executions": executions} | counts
    record.append(
        BALANCED,
        seconds,
        took=10.0,
        counts=dict.fromkeys(ADAPTERS, found),
        injected={"throttle": 3},
        problems=["payment-callback: 1 executions have not ended"] if counts else [],
    )


def test_a_soak_goes_on_from_what_earlier_runs_wrote(tmp_path: Path) -> None:
    # Given two laps, and a line that was cut off when its run was killed
    path = tmp_path / "folder" / "soak.jsonl"
    first = Record.read(path)
    lap(first, seconds=10)
    lap(first, seconds=25, lost=1)
    with path.open("a") as file:
        file.write('{"kind": "balanced", "sec')
    # When
    second = Record.read(path)
    lap(second, seconds=30)
    # Then
    third = Record.read(path)
    assert (third.seconds, third.total("executions"), third.total("lost")) == (
        30,
        30 * len(ADAPTERS),
        len(ADAPTERS),
    )
    assert third.problems == ["payment-callback: 1 executions have not ended"]


def test_a_goal_is_of_all_runs_or_of_the_hours_of_this_one(tmp_path: Path) -> None:
    record = Record.read(tmp_path / "soak.jsonl")
    lap(record, seconds=7200, executions=100)
    total = 100 * len(ADAPTERS)
    assert Goal(executions=total).reached(record, seconds=0)
    assert not Goal(executions=total + 1).reached(record, seconds=7200)
    assert Goal(hours=0.5).reached(record, seconds=1800)
    assert not Goal(hours=0.5).reached(record, seconds=1799)


def test_the_report_compares_the_begin_and_the_end_of_the_last_run(tmp_path: Path) -> None:
    # Given a run, and a longer one on a fresh engine
    record = Record.read(tmp_path / "soak.jsonl")
    record.append(STARTED, 0, at="2026-11-28 18:00", rate=15, lap=10, machine="2 cores")
    sample(record, 10, megabytes=900)
    record.append(ENDED, 20, why="interrupted")
    record.append(STARTED, 20, at="2026-11-28 19:00", rate=15, lap=10, machine="2 cores")
    for number in range(100):
        sample(record, 30 + number, megabytes=100 + number)
    lap(record, seconds=200, doubled=2)
    # When
    text = markdown(record)
    # Then
    assert "| engine, MB | 104 | 194 | 199 | 1.86 |" in text
    assert "| payment-callback/PaymentWorker, MB | 50 | 50 | 50 | 1.00 |" in text
    assert f"| together | {10 * len(ADAPTERS)} | 0 | 0 | 0 | 0 | 0 | {2 * len(ADAPTERS)} |" in text
    assert "- payment-callback: 1 executions have not ended (laps: 1)" in text
    assert "2 runs" in text


def sample(record: Record, seconds: float, megabytes: float) -> None:
    record.append(
        SAMPLED,
        seconds,
        engine={"MB": megabytes, "files": 40},
        functions={"payment-callback/PaymentWorker": [45.0, 50.0]},
        queues={},
    )


def test_nothing_is_started_any_more_once_a_soak_is_to_end() -> None:
    pace = Pace(rate=1000)
    for _ in range(5):
        pace.wait()
    assert pace.passed == 5
    pace.stopped.set()
    with pytest.raises(Stopped):
        pace.wait()


def test_the_shared_clock_moves_when_everybody_is_done_or_waits_for_it() -> None:
    # Given three workflows, of which two move the clock, one of them twice
    moves: list[float] = []
    engine: Any = SimpleNamespace(skip=moves.append)
    clock, pace = LapClock(3), Pace(rate=1000)

    def mover(*seconds: float) -> None:
        for each in seconds:
            clock.skip(engine, each, pace)
        clock.done()

    with ThreadPoolExecutor(2) as pool:
        movers = [pool.submit(mover, 3600), pool.submit(mover, 600, 3000)]
        # When the third is at work
        assert moves == []
        # And then done
        clock.done()
        for each in movers:
            each.result(timeout=30)
    # Then
    assert moves == [600, 3000, 3600]


def test_who_waits_for_the_clock_ends_with_the_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laps, "LOOK_SECONDS", 0.1)
    clock, pace = LapClock(2), Pace(rate=1000)
    pace.stopped.set()
    with pytest.raises(Stopped):
        clock.skip(SimpleNamespace(), 600, pace)  # type: ignore[arg-type]
