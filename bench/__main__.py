"""python -m bench [cold] [batch]: measures this project beside the baseline; all of it when none is named."""

import argparse
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Shown

from bench.results import Result
from local import LocalError
from local.demos.common import make_console

BENCHMARKS = ("cold", "imports", "memory", "batch", "end-to-end", "backlog")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    console = make_console()
    try:
        for name in names:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder, _progress(console) as progress:
                result = importlib.import_module(f"bench.{name.replace('-', '_')}").measure(progress, Path(folder))
            _show(console, result)
    except LocalError as error:
        console.print(error, style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    return 0


def _show(console: Console, result: Result) -> None:
    for table in result.tables:
        shown = Shown(title=table.title, title_justify="left")
        for number, column in enumerate(table.columns):
            shown.add_column(column, justify="right" if number else "left")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for note in result.notes:
        console.print(note, markup=False, highlight=False)
    for goal in result.goals:
        sign = "at least" if goal.at_least else "at most"
        verdict = "met" if goal.met else "MISSED"
        console.print(
            f"{goal.what}: {goal.measured:.2f}, goal {sign} {goal.limit:g}: {verdict}",
            style="green" if goal.met else "red",
        )


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:30}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # nothing disturbs the cleaning up
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
