"""python -m tests.soak [--executions N | --hours H]: all workflows at once, for long, among faults; flat, or explained.

What is measured is appended to a file, which the next soak goes on from, with a fresh embedded AWS. Ctrl-C ends it. In
the end tables are shown and a picture is drawn. Ends with 1 when an execution of any run was lost or doubled, or a
ledger did not balance otherwise.
"""

import argparse
import functools
import sys
from pathlib import Path

from rich.console import Console

from tests.faults.workflows import ADAPTERS
from tests.soak.record import Record
from tests.soak.report import draw, markdown
from tests.soak.run import Goal, Soak
from tools import PROJECT
from tools.bench.page import PICTURES, write_parts
from tools.bench.page import draw as draw_picture
from tools.bench.results import Picture
from tools.engine.processes import begin_with_an_aws_of_its_own

ALT = "Memory, open files, queues and rate over the hours of a soak"
FILE = PROJECT / ".soak" / "soak.jsonl"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--executions", type=int, help="balanced in all runs together (default: 100000)")
    much.add_argument("--hours", type=float, help="of this run, instead of a number of executions")
    parser.add_argument("--rate", type=float, default=15, help="starts in a second, of all workflows (default: 15)")
    parser.add_argument("--lap", type=int, default=300, help="executions of each workflow in a lap (default: 300)")
    parser.add_argument("--file", type=Path, default=FILE, help="what is measured (default: .soak/soak.jsonl)")
    parser.add_argument("--report", action="store_true", help="start nothing: show what the file has")
    parser.add_argument("--write", action="store_true", help="write table and picture into docs/benchmarks.md, too")
    options = parser.parse_args(arguments)
    console = Console()
    record = Record.read(options.file)
    why = "reached"
    if not options.report:
        begin_with_an_aws_of_its_own()
        goal = Goal(options.executions or (None if options.hours else 100_000), options.hours)
        why = Soak(record, goal, list(ADAPTERS.values()), options.rate, options.lap, console).run()
    if not record.total("executions"):
        console.print("Nothing was measured.")
        return 1
    console.print(markdown(record), markup=False, highlight=False, soft_wrap=True)
    picture = Picture("soak", ALT, functools.partial(draw, record), height=6)
    draw_picture(picture, PICTURES if options.write else options.file.parent)
    if options.write:
        write_parts({"soak": f"{markdown(record)}\n\n![{ALT}](pictures/soak.svg)"})
    bad = record.total("lost") + record.total("doubled") + len(record.problems)
    return 1 if bad or why == "failed" else 130 if why == "interrupted" else 0


if __name__ == "__main__":
    sys.exit(main())
