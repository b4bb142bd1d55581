"""python -m tests.faults [--executions N] [--seed S]: every fault by itself, then all of them at once.

Ends with a table in Markdown, and with 1 when the ledger of a round does not balance.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.faults.ledger import check_afterwards
from tests.faults.report import details, markdown
from tests.faults.rounds import MIXED, ROUNDS, Result, play
from tests.faults.world import world_in
from tools import ToolError
from tools.engine.processes import begin_with_an_aws_of_its_own

EACH = 100  # executions of a round that brings one fault


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--executions", type=int, default=2000, help="through all faults at once (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, help="of what is injected (default: 1)")
    parser.add_argument("--only", help="play the rounds with this in their name only")
    options = parser.parse_args()
    begin_with_an_aws_of_its_own()
    rounds = [(round_, EACH) for round_ in ROUNDS] + [(MIXED, options.executions)]
    if options.only:
        rounds = [(round_, count) for round_, count in rounds if options.only in round_.name]
    console = Console()
    results: list[Result] = []
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            console.print("Starting the embedded AWS and deploying ...")
            with world_in(Path(folder, "engine")) as world, _progress(console) as progress:
                for round_, count in rounds:
                    task = progress.add_task(round_.name, total=count)

                    def show(begun: int, ended: int, task: object = task, count: int = count) -> None:
                        progress.update(task, total=max(begun, count), completed=ended)  # type: ignore[arg-type]

                    results.append(play(round_, world, count, options.seed, show))
                late = check_afterwards(world)
    except ToolError as error:
        console.print(error, style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    problems = [f"{result.name}: {problem}" for result in results for problem in result.problems] + late
    console.print(markdown(results), markup=False, highlight=False, soft_wrap=True)
    console.print(details(results[-1]), markup=False, highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(problem, style="red", markup=False, soft_wrap=True)
    verdict = "The ledger does not balance" if problems else "The ledger balances: nothing is lost, nothing is doubled"
    console.print(f"{verdict} (seed {options.seed}, {time.monotonic() - started:.0f} s).")
    return 1 if problems else 0


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:30}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


if __name__ == "__main__":
    sys.exit(main())
