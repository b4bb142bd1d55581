"""Cold start: each function imported in a fresh process, in turn with the floor and the baseline."""

import io
import random
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from tools import PROJECT
from tools.bench.processes import MEASURED, Code, deployed_code, run
from tools.bench.results import Goal, Result, Table, middle_half, ms, ratio

ROUNDS = 15
FLOOR = "boto3.client('stepfunctions')"
BASELINE = "baseline's payment worker"
WORKER = "payment_worker"
LIMITS = {WORKER: 1.10, "order_api": 1.60}
LIMIT = 1.25  # of every other function


@dataclass(frozen=True)
class Start:
    """One cold start; `cpu` is that of all threads, `first` how long the first event took where there was one."""

    seconds: float
    cpu: float
    modules: int
    first: float


def start(
    code: Code,
    module: str,
    *event_file: str,
    variables: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Start:
    """Imports a module of some code in a fresh process; options as of `bench.processes.run`."""
    answer = run(code, "cold_start.py", module, *event_file, variables=variables, prefix=prefix)
    seconds, cpu, modules, first = answer.split()
    return Start(float(seconds), float(cpu), int(modules), float(first))


def handlers() -> list[str]:
    """The modules that functions enter by."""
    return sorted(
        path.stem for path in (PROJECT / "functions").glob("*.py") if "def lambda_handler" in path.read_text()
    )


def measure(progress: Progress, folder: Path) -> Result:
    ours, baseline = deployed_code(folder)
    subjects = {name: (ours, name) for name in handlers()}
    subjects |= {FLOOR: (Code("floor", MEASURED), "floor"), BASELINE: (baseline, WORKER)}
    starts: dict[str, list[Start]] = defaultdict(list)
    for code, module in subjects.values():
        start(code, module)  # what is on the disk is in memory from here on
    order = [*subjects, WORKER, FLOOR]  # twice a round: the others are compared with it, and the worker's goal is tight
    for _ in progress.track(range(ROUNDS), description="cold start"):
        random.shuffle(order)
        for name in order:
            starts[name].append(start(*subjects[name]))
    seconds = {name: [start.seconds for start in starts[name]] for name in subjects}
    cpu = {name: [start.cpu for start in starts[name]] for name in subjects}
    names = sorted(subjects, key=lambda name: -ratio(seconds[name], seconds[FLOOR]))
    rows = [
        (
            name,
            ms(seconds[name]),
            middle_half(seconds[name]),
            f"{ratio(seconds[name], seconds[FLOOR]):.2f}",
            ms(cpu[name]),
            f"{ratio(cpu[name], cpu[FLOOR]):.2f}",
            str(starts[name][0].modules),
        )
        for name in names
    ]
    goals = [
        Goal(f"cold start of {name}, times the floor", LIMITS.get(name, LIMIT), ratio(seconds[name], seconds[FLOOR]))
        for name in handlers()
    ]

    columns = ("Import of", "Median ms", "Middle half, ms", "Times the floor", "CPU ms", "Times the floor's", "Modules")
    return Result(goals, [Table("Cold start", columns, rows), _package(ours, baseline)])


def _package(*codes: Code) -> Table:
    """What `sam deploy` uploads, and every function has."""
    rows = []
    for code in codes:
        files = sorted(path for path in code.folder.rglob("*") if path.is_file())
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in files:
                packed.write(path, path.relative_to(code.folder))
        size = sum(path.stat().st_size for path in files)
        rows.append((code.name, str(len(files)), f"{size / 1024:.0f}", f"{archive.tell() / 1024:.0f}"))
    return Table("The package", ("Code", "Files", "KiB", "KiB, zipped"), rows)
