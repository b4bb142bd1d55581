"""`make cost`: counts runs of every workflow, and writes docs/cost.md anew."""

import sys
import tempfile
from pathlib import Path

from tools import PROJECT, ToolError
from tools.cost.counting import bill, metrics
from tools.cost.page import PAGE, TABLES, write
from tools.cost.runs import ENDS, WORKFLOWS, Workflow, started
from tools.deployment import configured_stack_name
from tools.engine.engine import Engine
from tools.engine.processes import begin_with_an_aws_of_its_own
from tools.parser import Parser


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m tools cost", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each workflow, happy and failing (default: 20)")
    runs = parser.parse_args(arguments).runs
    if runs < 1:
        parser.error("--runs must be 1 or more")
    begin_with_an_aws_of_its_own()
    try:
        with tempfile.TemporaryDirectory(prefix="cost-") as temporary, started(Path(temporary, "engine")) as engine:
            counts = {configured_stack_name(kind.config_env): count(engine, kind, runs) for kind in WORKFLOWS}
    except (AssertionError, ToolError) as error:  # the former where something was awaited in vain
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    for name in ("dollars", "months"):
        print("\n".join(["", *TABLES[name](counts)]))
    changed = write(counts)
    print(f"\n{PAGE.relative_to(PROJECT)} {'has been written anew' if changed else 'says the same'}.")
    return 0


def count(engine: Engine, kind: type[Workflow], runs: int) -> dict[str, dict[str, float]]:
    """What one run of a workflow comes to, on average, by path. Raises ToolError."""
    print(f"{configured_stack_name(kind.config_env)}: {runs} runs happy, {runs} failing ...", file=sys.stderr)
    workflow = kind(engine)
    counted: dict[str, dict[str, float]] = {}
    for path in ENDS:
        observed = workflow.observe(path, runs)
        counted[path] = {
            # to ten bytes, because a line is a few bytes longer or shorter each time
            item: round(total / runs, -1 if "bytes" in item else 4)
            for item, total in bill(observed, workflow.template).items()
            if total
        }
        counted[path]["custom metrics"] = len(metrics(observed))
    return counted
