"""docs/benchmarks.md: its tables are written anew by each run."""

import datetime as dt
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from matplotlib import rc_context
from matplotlib.figure import Figure

from tools import PROJECT, generated
from tools.bench.processes import MEASURED
from tools.bench.results import Goal, Picture, Result, Table
from tools.engine.engine import ENGINE_PYTHON

PAGE = PROJECT / "docs" / "benchmarks.md"
PICTURES = PAGE.parent / "pictures"
PACKAGES = ("ministack", "botocore", "boto3", "urllib3", "aws-lambda-powertools")
INCHES_WIDE = 8.5


def machine(command: str = "make bench") -> str:
    """What the run is to be read against: when, where and with what."""
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / 2**30
    versions = subprocess.check_output([ENGINE_PYTHON, MEASURED / "versions.py", *PACKAGES], text=True).strip()
    return (
        f"`{command}`, {dt.datetime.now(dt.UTC):%Y-%m-%d}: {_processor()}, {cores} cores, {memory:.0f} GiB, "
        f"{platform.system()}, load before the run {os.getloadavg()[0]:.1f}. {versions}."
    )


def write(setting: str, results: Mapping[str, Result]) -> None:
    """Writes the page and its pictures, but for what is measured apart."""
    goals = [goal for result in results.values() for goal in result.goals]
    write_parts(
        {"machine": setting, "goals": _goals(goals), **{name: part(result) for name, result in results.items()}}
    )


def write_parts(parts: Mapping[str, str]) -> None:
    """Writes these parts of the page, and leaves the others as they are."""
    measured = json.loads(generated.MEASURED.read_text(encoding="utf-8")) | parts
    generated.MEASURED.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    generated.write([PAGE])


def draw(picture: Picture, folder: Path) -> None:
    """Writes an SVG, the same bytes for the same numbers."""
    figure = Figure(figsize=(INCHES_WIDE, picture.height), layout="constrained")
    with rc_context({"svg.hashsalt": picture.name, "svg.fonttype": "none", "font.size": 9}):
        picture.draw(figure)
        figure.savefig(folder / f"{picture.name}.svg", metadata={"Date": None})


def part(result: Result) -> str:
    for picture in result.pictures:
        draw(picture, PICTURES)
    pictures = [f"![{picture.alt}](pictures/{picture.name}.svg)" for picture in result.pictures]
    return "\n\n".join([*map(_markdown, result.tables), *result.notes, *pictures])


def _markdown(table: Table) -> str:
    rows = [table.columns, ("---", *["---:"] * (len(table.columns) - 1)), *table.rows]
    return "\n".join([f"**{table.title}**\n", *(f"| {' | '.join(row)} |" for row in rows)])


def _goals(goals: Sequence[Goal]) -> str:
    rows = [
        (
            goal.what,
            f"{'≥' if goal.at_least else '≤'} {goal.limit:,g}",
            f"{goal.measured:,.4g}",
            "met" if goal.met else "**missed**",
        )
        for goal in goals
    ]
    return _markdown(Table("Goals of this run", ("Goal", "Limit", "Measured", ""), rows))


def _processor() -> str:
    """Its name where the system tells, else its architecture."""
    try:
        [name, *_] = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return platform.machine()
    return str(name)
