"""Lists who waits, the oldest first: `python -m tools waits`."""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import dropwhile

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from tools import ToolError, plain
from tools.aws import Aws, find_aws, reason
from tools.parser import Parser
from tools.waits.find import Finder, Found, Wait, machines

WATCH_SECONDS = 5
SOME_UNREAD = 2
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def main(arguments: list[str] | None = None) -> int:
    """1 where `--late` finds any; else 2 where a history could not be read, else 0. Raises ToolError."""
    options = _parser().parse_args(arguments)
    aws = find_aws(options.state_machine or "")
    try:
        arns = machines(aws, stack=options.stack, machine=options.state_machine)
        if options.watch:
            _watch(aws, arns, options)
        return _list(aws, arns, options)
    except (BotoCoreError, ClientError) as error:
        raise ToolError(f"Who waits cannot be asked of {aws.name}: {reason(error)}") from error


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools waits",
        description="Lists every task that waits for the answer to its task token, the oldest first: on the embedded "
        "AWS or, while that does not run, on yours.",
    )
    where, how = parser.add_mutually_exclusive_group(), parser.add_mutually_exclusive_group()
    where.add_argument("--stack", help="only the state machines of this stack")
    where.add_argument("--state-machine", metavar="ARN", help="only this state machine")
    late = "only what has waited for more than half of its time, or has no limit; ends with 1 if there is any"
    parser.add_argument("--late", action="store_true", help=late)
    parser.add_argument("--limit", type=_positive, help="look at so many running executions only, the oldest")
    how.add_argument("--json", action="store_true", help="print a list of objects")
    how.add_argument("--watch", action="store_true", help=f"print the table anew every {WATCH_SECONDS} s, until Ctrl-C")
    return parser


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _list(aws: Aws, arns: Sequence[str], options: argparse.Namespace) -> int:
    columns = (TextColumn("Reading histories"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=None)
        found = Finder(aws).find(arns, options.limit, lambda done, of: progress.update(bar, completed=done, total=of))
    now = aws.now()
    chosen = _chosen(found.waits, now, options)
    if options.json:
        print(json.dumps([wait.to_json(now) for wait in chosen], indent=2))
        for line in _missing(found):
            Console(stderr=True).print(line, soft_wrap=True)
    else:
        _console().print(_shown(chosen, found, now, late=options.late))
    if options.late and chosen:
        return 1
    return SOME_UNREAD if found.unread else 0


def _watch(aws: Aws, arns: Sequence[str], options: argparse.Namespace) -> None:
    finder = Finder(aws)
    with Live(console=_console(), auto_refresh=False) as live:
        while True:
            found, now = finder.find(arns, options.limit), aws.now()
            live.update(_shown(_chosen(found.waits, now, options), found, now, late=options.late), refresh=True)
            time.sleep(WATCH_SECONDS)


def _chosen(waits: list[Wait], now: datetime, options: argparse.Namespace) -> list[Wait]:
    return [wait for wait in waits if wait.is_late(now)] if options.late else waits


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = 200
    return console


def _shown(waits: list[Wait], found: Found, now: datetime, *, late: bool) -> Group:
    several = "task waits" if len(found.waits) == 1 else "tasks wait"
    which = f", of which {len(waits)} {'is' if len(waits) == 1 else 'are'} late" if late else ""
    line = Text(f"{len(found.waits)} {several} for an answer, in {found.looked_at} running executions{which}.")
    return Group(*([table(waits, now)] if waits else []), line, *_missing(found))


def _missing(found: Found) -> Iterable[Text]:
    """What the list lacks."""
    if found.left_out:
        yield Text(f"{found.left_out} running executions were not looked at: --limit.", style="yellow")
    for why, count in found.unread.items():
        yield Text(f"{count} histories cannot be read: {why}.", style="bold red")


def table(waits: Iterable[Wait], now: datetime) -> Table:
    headings = ("State machine", "Execution", "State", "Asked of", "Since (UTC)", "Time left")
    shown = Table(*headings, "Next heartbeat", "Last heartbeat")
    for wait in waits:
        cells = (wait.name, wait.execution.rpartition(":")[2], state(wait), asked(wait), f"{wait.since:%m-%d %H:%M:%S}")
        left = Text(span(wait.deadline - now)) if wait.deadline else Text("never", style="bold red")
        shown.add_row(*(Text(plain(cell)) for cell in cells), left, *heartbeats(wait, now))
    return shown


def state(wait: Wait) -> str:
    """The state, with the item of a Map and the attempt where there are several."""
    items = "".join(f"[{item}]" for item in wait.items)
    return f"{wait.state}{items}{f', attempt {wait.attempt}' if wait.attempt > 1 else ''}"


def asked(wait: Wait) -> str:
    """What was asked, by its name: `sqs PaymentQueue`."""
    service = wait.resource.rpartition(":")[0].removeprefix("aws-sdk:") or wait.resource
    return f"{service} {(wait.target or '').rpartition('/')[2].rpartition(':')[2]}".strip()


def heartbeats(wait: Wait, now: datetime) -> tuple[str, str]:
    """When the next is due, and when the last one came: no history has them, but who waits on has sent some."""
    if not wait.heartbeat:
        return "", ""
    first = wait.heartbeat_deadline(now)
    return (
        (f"in {span(first - now)}", "none is due yet")
        if first
        else (f"within {span(wait.heartbeat)}", f"less than {span(wait.heartbeat)} ago")
    )


def span(time: timedelta) -> str:
    """Two units at most: `1 d 3 h`, `59 min 30 s`; `0 s` for what is over."""
    rest, parts = max(0, round(time.total_seconds())), list[str]()
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        parts.append(f"{count} {unit}")
    largest = [*dropwhile(lambda part: part.startswith("0 "), parts)][:2]
    return " ".join(part for part in largest if not part.startswith("0 ")) or "0 s"
