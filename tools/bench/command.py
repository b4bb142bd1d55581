"""python -m tools bench [NAME …]: measures this project beside the baseline.

All of it but for `load` when none is named; docs/benchmarks.md and its pictures are then written anew. `load` is as
long again: it is measured when it is named, and its part of the page is then written.
"""

import importlib
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools import PROJECT, ToolError
from tools.bench.page import PAGE, machine, part, write, write_parts
from tools.bench.results import Result
from tools.demos.common import make_console
from tools.engine.processes import begin_with_an_aws_of_its_own
from tools.parser import Parser

BENCHMARKS = ("cold", "imports", "memory", "batch", "end-to-end", "backlog")
APART = "load"


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m tools bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} or {APART}")
    names = parser.parse_args(arguments).names or BENCHMARKS
    if unknown := set(names) - {*BENCHMARKS, APART}:
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}, {APART}")
    begin_with_an_aws_of_its_own()
    console, started = make_console(), time.monotonic()
    try:
        setting = machine()
        console.print(setting, markup=False, highlight=False)
        results: dict[str, Result] = {}
        for name in names:
            results[name] = _measure(name, console)
            _show(console, results[name])
        if APART in results:
            write_parts({APART: part(results[APART])})
        if set(BENCHMARKS) <= set(names):
            write(setting, {name: results[name] for name in BENCHMARKS})
        if APART in results or set(BENCHMARKS) <= set(names):
            console.print(f"Written: {PAGE.relative_to(PROJECT)}, in {time.monotonic() - started:.0f} s.")
    except (AssertionError, ToolError) as error:  # the former where something was awaited in vain
        console.print(error, style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    return 0


def _measure(name: str, console: Console) -> Result:
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Progress(SpinnerColumn(finished_text=" "), *columns, console=console) as progress,
    ):
        module = importlib.import_module(f"tools.bench.{name.replace('-', '_')}")
        result: Result = module.measure(progress, Path(folder))
        return result


def _show(console: Console, result: Result) -> None:
    for table in result.tables:
        shown = Table(title=table.title, title_justify="left")
        for number, column in enumerate(table.columns):
            shown.add_column(column, justify="right" if number else "left")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for note in result.notes:
        console.print(note, markup=False, highlight=False)
    for goal in result.goals:
        sign, verdict = ("at least" if goal.at_least else "at most"), ("met" if goal.met else "MISSED")
        line = f"{goal.what}: {goal.measured:,.4g}, goal {sign} {goal.limit:,g}: {verdict}"
        console.print(line, style="green" if goal.met else "red", highlight=False)
