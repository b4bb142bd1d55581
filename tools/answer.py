"""Answers a task that waits, by the name of its execution: `python -m tools answer`. Nobody sees the task token.

Limits: https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tools import PROJECT, ToolError, plain
from tools.aws import Aws, find_aws, reason
from tools.parser import Parser
from tools.story import find_execution
from tools.waits.find import Finder, Wait, stack_resources
from tools.waits.kept import kept_token
from tools.waits.token import Withheld, find_token

sys.path.append(str(PROJECT / "functions"))  # what is deployed is no package
from callbacks.error_names import RESERVED_ERROR_NAME, is_reserved_error_name
from callbacks.json_text import UnreadableJson, read_json

MAX_OUTPUT_BYTES = 262_144
MAX_ERROR_CHARACTERS = 256
MAX_CAUSE_CHARACTERS = 32_768
DELIVERED, ALREADY_SETTLED, REFUSED = "DELIVERED", "ALREADY_SETTLED", "REFUSED"
_OUTCOMES = {"TaskTimedOut": ALREADY_SETTLED, "TaskDoesNotExist": ALREADY_SETTLED, "InvalidToken": REFUSED}


@dataclass(frozen=True)
class Answer:
    """Exactly one of `output`, a JSON text; `error`, with or without a cause; or neither, which is a heartbeat."""

    output: str | None = None
    error: str | None = None
    cause: str | None = None

    def __str__(self) -> str:
        if self.output is not None:
            return "with an output"
        return f"with the error {self.error!r}" if self.error is not None else "with a heartbeat"

    def check(self) -> None:
        """Raises ToolError, which says what is wrong, for what Step Functions would refuse."""
        problem = next(self._problems(), None)
        if problem:
            raise ToolError(problem)

    def _problems(self) -> Iterator[str]:
        if self.output is not None:
            try:
                read_json(self.output)
            except UnreadableJson as error:
                yield f"The output {error}. A text needs its own quotes: '\"text\"'."
            if (size := len(self.output.encode(errors="replace"))) > MAX_OUTPUT_BYTES:
                yield f"The output is {size:,} bytes; the limit is {MAX_OUTPUT_BYTES:,}."
        if self.error is not None and not 0 < len(self.error) <= MAX_ERROR_CHARACTERS:
            yield f"The error must be a name of 1 to {MAX_ERROR_CHARACTERS} characters."
        if self.error is not None and is_reserved_error_name(self.error):
            yield f"The {RESERVED_ERROR_NAME}."
        if self.cause is not None and len(self.cause) > MAX_CAUSE_CHARACTERS:
            yield f"The cause has {len(self.cause):,} characters; the limit is {MAX_CAUSE_CHARACTERS:,}."


class Ended(Exception):
    """The execution waits no longer. The text is its status."""


def waits_of(aws: Aws, execution: str) -> list[Wait]:
    """What an execution (its ARN, or its name) and its children wait for; never empty.

    Raises Ended where it has ended, ToolError where there is no such execution or it waits for nothing, and what
    clients raise.
    """
    described = find_execution(aws.client("stepfunctions"), execution)
    if described is None:
        raise ToolError(f"There is no execution {execution!r} on {aws.name}: give the ARN or the name of one.")
    if described["status"] not in ("RUNNING", "PENDING_REDRIVE"):
        raise Ended(described["status"])
    finder = Finder(aws)
    waits, children = finder.waits(described)
    for child in children:
        waits += finder.waits(child)[0]
    if not waits:
        raise ToolError(f"The execution {execution!r} runs, but no task of it waits for an answer now.")
    return waits


def choose(waits: list[Wait], state: str | None, event: int | None) -> Wait:
    """The one that is meant. Raises ToolError, which lists them, unless there is exactly one."""
    chosen = [wait for wait in waits if state in (None, wait.state) and event in (None, wait.event)]
    if len(chosen) == 1:
        return chosen[0]
    lines = [f"  {plain(describe(wait))}" for wait in chosen or waits]
    what = "Several tasks wait: say which" if chosen else "No such task waits. Choose one"
    raise ToolError("\n".join([f"{what}, by --state, by --event, or by the ARN of a child execution:", *lines]))


def describe(wait: Wait) -> str:
    item = f", item {'.'.join(map(str, wait.items))}" if wait.items else ""
    return f"--state {wait.state} --event {wait.event} of {wait.execution}{item}, since {wait.since:%m-%d %H:%M:%S} UTC"


def send(aws: Aws, wait: Wait, answer: Answer) -> str:
    """DELIVERED, ALREADY_SETTLED or REFUSED. The token is found, sent, and kept nowhere.

    Raises NoToken where it cannot be found, and ToolError where AWS does not take the answer: neither text has it.
    """
    step_functions = aws.client("stepfunctions")
    try:
        token = _token(aws, wait)
        return _send(step_functions, token, answer) if token else ALREADY_SETTLED
    except (BotoCoreError, ClientError) as error:
        # The service repeats the token in some of its messages
        raise ToolError(f"The answer was not delivered: {reason(error)}.") from None


def _token(aws: Aws, wait: Wait) -> str | None:
    """From the history, or else from where a workflow of this project keeps it; None where the wait is over."""
    finder = Finder(aws)
    tasks, _ = finder.tasks(wait.execution)
    task = next((task for task in tasks if task.event == wait.event), None)
    if task is None:
        return None
    machine = aws.client("stepfunctions").describe_state_machine_for_execution(executionArn=wait.execution)
    try:
        return find_token(task, json.loads(machine["definition"]))
    except Withheld:
        stack = finder.machine(wait.machine).stack
        kept = kept_token(aws, stack_resources(aws, stack), wait.execution) if stack else None
        if kept is None:
            raise
        return kept


def _send(step_functions: Any, token: str, answer: Answer) -> str:  # noqa: ANN401
    try:
        if answer.output is not None:
            step_functions.send_task_success(taskToken=token, output=answer.output)
        elif answer.error is not None:
            cause = {"cause": answer.cause} if answer.cause is not None else {}
            step_functions.send_task_failure(taskToken=token, error=answer.error, **cause)
        else:
            step_functions.send_task_heartbeat(taskToken=token)
    except ClientError as error:
        if reason(error) not in _OUTCOMES:
            raise
        return _OUTCOMES[reason(error)]
    return DELIVERED


# ------------------------------------------------------------------ in the terminal


def main(arguments: list[str] | None = None) -> int:
    """0 where the answer was delivered, else 1. Raises ToolError."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.cause is not None and options.error is None:
        parser.error("--cause goes with --error")
    answer = Answer(options.output, options.error, options.cause)
    answer.check()
    aws = find_aws(options.execution)
    try:
        wait = choose(waits_of(aws, options.execution), options.state, options.event)
    except Ended as ended:
        print(f"{ALREADY_SETTLED}: the execution has ended, {ended}.")
        return 1
    except (BotoCoreError, ClientError) as error:
        raise ToolError(f"What it waits for cannot be asked of {aws.name}: {reason(error)}.") from error
    if not (options.yes or aws.is_embedded or _agreed(wait, answer)):
        print("Nothing was sent.")
        return 1
    outcome = send(aws, wait, answer)
    print(plain(f"{outcome}: {wait.state} of {wait.execution}, {answer}."))
    return 0 if outcome == DELIVERED else 1


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools answer",
        description="Answers a task that waits for the answer to its task token, and says what became of that: "
        "DELIVERED, ALREADY_SETTLED (answered before, timed out, or ended) or REFUSED.",
    )
    parser.add_argument("execution", help="its ARN or its name")
    parser.add_argument("--state", help="which state, where several wait")
    parser.add_argument("--event", type=int, help="which task of one state, as an error lists them: the items of a Map")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--output", metavar="JSON", help="resume the workflow with this output")
    how.add_argument("--error", help="fail the task with this error")
    how.add_argument("--heartbeat", action="store_true", help="say that the work goes on")
    parser.add_argument("--cause", help="why, for --error")
    parser.add_argument("--yes", action="store_true", help="do not ask first, on AWS")
    return parser


def _agreed(wait: Wait, answer: Answer) -> bool:
    print(plain(f"Answer {wait.state} of {wait.execution} {answer}?"), "[y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
