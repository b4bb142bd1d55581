"""What each package costs in the cold start of the payment worker: python -X importtime, beside the floor's."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from rich.progress import Progress

from tools import PROJECT
from tools.bench.cold import FLOOR, WORKER
from tools.bench.processes import MEASURED, Code, deployed_code
from tools.bench.results import Result, Table
from tools.engine.engine import ENGINE_PYTHON

ROUNDS = 20
SHOWN_MS = 2
LINE = re.compile(r"import time: +(\d+) \| +\d+ \| +([\w.]+)")
OWN = {path.stem for path in (PROJECT / "functions").iterdir()} | {"floor"}


def measure(progress: Progress, folder: Path) -> Result:
    ours, _ = deployed_code(folder)
    subjects = {WORKER: (ours, WORKER), FLOOR: (Code("floor", MEASURED), "floor")}
    profiles: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    for _ in progress.track(range(ROUNDS), description="imports"):
        for name, (code, module) in subjects.items():
            profiles[name].append(_profile(code, module))
    found = {name: _least(profile) for name, profile in profiles.items()}
    packages = sorted({*found[WORKER], *found[FLOOR]}, key=lambda package: -found[WORKER].get(package, 0))
    shown = [package for package in packages if max(times.get(package, 0) for times in found.values()) >= SHOWN_MS]
    rows = [(package, *(f"{times.get(package, 0):.1f}" for times in found.values())) for package in shown]
    rest = [sum(time for package, time in times.items() if package not in shown) for times in found.values()]
    rows.append(("all others", *(f"{time:.1f}" for time in rest)))
    rows.append(("together", *(f"{sum(times.values()):.1f}" for times in found.values())))

    return Result(
        tables=[Table(f"Imports, ms by package (the least of {ROUNDS} runs each)", ("Package", *subjects), rows)],
    )


def _profile(code: Code, module: str) -> dict[str, float]:
    """Milliseconds in modules of each package, what they import not counted, clients that they make counted."""
    command = [str(ENGINE_PYTHON), "-X", "importtime", "-c", f"import {module}"]
    result = subprocess.run(
        command, env=code.environment(), check=True, capture_output=True, text=True, start_new_session=True
    )
    times: dict[str, float] = defaultdict(float)
    lines = result.stderr.splitlines()
    started = next(number for number, line in enumerate(lines) if line.endswith("| site")) + 1  # Python itself before
    for found in filter(None, map(LINE.match, lines[started:])):
        times[_package(found[2])] += int(found[1]) / 1000
    return times


def _least(profiles: list[dict[str, float]]) -> dict[str, float]:
    packages = {package for profile in profiles for package in profile}
    return {package: min(profile.get(package, 0) for profile in profiles) for package in packages}


def _package(module: str) -> str:
    """Our modules by themselves, Powertools by its parts, anything else as a whole."""
    first, *others = module.split(".")
    if first in OWN:
        return module
    if first == "aws_lambda_powertools":
        return ".".join([first, *others[: 2 if others[:1] == ["utilities"] else 1]])
    return f"{first} (Python)" if first in sys.stdlib_module_names else first
