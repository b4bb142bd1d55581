"""python -m tests.faults [--workflow NAME] [--executions N]: every fault by itself, then all of them at once.

Prints a table in Markdown for each workflow, and ends with 1 when a ledger does not balance.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.faults.adapter import Adapter
from tests.faults.ledger import check_afterwards
from tests.faults.report import details, rounds_table, workflows_table
from tests.faults.rounds import Result, play
from tests.faults.workflows import ADAPTERS
from tests.faults.world import worlds_in
from tools import ToolError
from tools.engine.processes import begin_with_an_aws_of_its_own


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--workflow", choices=ADAPTERS, help="this one only")
    parser.add_argument("--executions", type=int, default=2000, help="through all faults at once (default: 2000)")
    parser.add_argument("--each", type=int, default=100, help="through each fault by itself (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of what is injected (default: 1)")
    parser.add_argument("--only", help="play the rounds with this in their name only")
    options = parser.parse_args()
    begin_with_an_aws_of_its_own()
    console = Console()
    problems: list[str] = []
    played: dict[str, list[Result]] = {}
    started = time.monotonic()
    try:
        for name in [options.workflow] if options.workflow else ADAPTERS:
            played[name], found = _play_all(ADAPTERS[name](), options, console)
            problems += found
    except ToolError as error:
        console.print(error, style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    console.print(f"{workflows_table(played)}\n", markup=False, highlight=False, soft_wrap=True)
    verdict = "The ledger does not balance" if problems else "The ledger balances: nothing is lost, nothing is doubled"
    console.print(f"{verdict} (seed {options.seed}, {time.monotonic() - started:.0f} s).")
    return 1 if problems else 0


def _play_all(adapter: Adapter, options: argparse.Namespace, console: Console) -> tuple[list[Result], list[str]]:
    """Plays the rounds of a workflow and prints its ledger; how they went, and what does not balance."""
    rounds = [*((round_, options.each) for round_ in adapter.rounds), (adapter.mixed, options.executions)]
    if options.only:
        rounds = [(round_, count) for round_, count in rounds if options.only in round_.name]
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        console.print(f"Starting the embedded AWS and deploying the {adapter.name} ...")
        with worlds_in(Path(folder, "engine"), adapter) as [world], _progress(console) as progress:
            for round_, count in rounds:
                task = progress.add_task(round_.name, total=count)

                def show(begun: int, ended: int, task: object = task, count: int = count) -> None:
                    progress.update(task, total=max(begun, count), completed=ended)  # type: ignore[arg-type]

                results.append(play(round_, world, count, options.seed, show))
                if not console.is_terminal:  # which shows how far it is
                    console.print(f"{round_.name}: {results[-1].count.executions} executions", markup=False)
            late = check_afterwards(world)
    problems = [f"{result.name}: {problem}" for result in results for problem in result.problems] + late
    console.print(f"\n{adapter.name}\n\n{rounds_table(results)}\n", markup=False, highlight=False, soft_wrap=True)
    for result in results[-1:]:
        console.print(details(result), markup=False, highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(problem, style="red", markup=False, soft_wrap=True)
    console.print()
    return results, problems


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
