"""The commands of `python -m tools`. What they need beyond Python itself is imported where it is used."""

import argparse
import errno
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import FrameType
from typing import Any

from tools import FLAGSHIP, PROJECT, ToolError, plain, version
from tools.deployment import configured_stack_name, deploy
from tools.engine.engine import Engine, EngineError, calls_explained
from tools.engine.layers import cache_layers
from tools.engine.lock import exclusive
from tools.engine.processes import INTERRUPTS
from tools.parser import Parser

DIRECTORY = PROJECT / ".aws-local"
MOST_SECONDS = 10 * 366 * 86_400
# Commands that read their own options: the module, what it does, and the make target that installs what it needs
PROGRAMS = {
    "waits": ("tools.waits.command", "list who waits for an answer, the oldest first", "setup"),
    "answer": ("tools.answer", "answer a task that waits, by the name of its execution", "setup"),
    "desk": ("tools.desk.command", "open a page that shows who waits, executions and queues", "setup"),
    "bench": ("tools.bench.command", "measure the payment callback beside a baseline", "bench"),
    "cost": ("tools.cost.command", "count what runs cost on AWS, and write docs/cost.md", "cost"),
    "checks": ("tools.checks", "run SAM CLI's validation, cfn-lint and checkov on every template", "audit"),
    "release-notes": ("tools.release", "print what the changelog says of a release", "setup"),
    "diagrams": ("tools.diagrams.command", "draw the diagrams of the documents again", "pictures"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    if others and not options.program:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    _let_the_reader_leave()
    try:
        if options.program:
            module, target = options.program
            return _run_program(module, target, others)
        for number in INTERRUPTS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, _interrupt)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except (ToolError, OSError) as error:
        unwritable = isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        hint = ": work in a copy of this folder that you may write to" if unwritable else ""
        print("\n".join(map(plain, f"{error}{hint}".split("\n"))), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m tools", description="Runs, shows, checks and measures the workflows.")
    parser.add_argument("--version", action="version", version=version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    port = Parser(add_help=False)
    port.add_argument("--port", default="0", help="port to listen on, on loopback (default: a free one)")
    for name, function, parents, text in (
        ("up", up, [port], "start it unless it runs, and deploy template.yaml"),
        ("demo", demo, [port], "the same, then run a workflow and show how it went"),
        ("down", down, [], "end it, and remove all that it left"),
        ("status", status, [], "show whether it runs, and what is deployed there"),
        ("show", show, [], "tell the story of an execution, there or, while it does not run, on your AWS"),
        ("skip", skip, [], "move the clock of its workflows forward: what they wait for comes due"),
        ("invoke", invoke, [], "run a function's code in a container, against the stack that is deployed to it"),
        ("env", env, [], 'print what points this shell\'s AWS CLI and SAM CLI at it: eval "$(make -s env)"'),
    ):
        command = commands.add_parser(name, help=text, parents=parents)
        command.set_defaults(command=function, program=None)
        if function is demo:
            command.add_argument("name", nargs="?", default=FLAGSHIP, help=f"workflow (default: {FLAGSHIP})")
        if function is show:
            command.add_argument("execution", nargs="?", default="", help="ARN or name of an execution")
        if function is skip:
            command.add_argument("seconds", nargs="?", default="", help="how far: 82800 is 23 hours")
        if function is invoke:
            command.add_argument("function", nargs="?", default="", help="its logical ID: PaymentWorkerFunction")
            command.add_argument("event", nargs="?", default="", help="path of a JSON file, or - for standard input")
            command.add_argument("--config-env", default="default", help="section of samconfig.toml (default: default)")
    for name, (module, text, target) in PROGRAMS.items():
        if find_spec(module.rpartition(".")[0]) is None or find_spec(module) is None:
            continue  # a project of somebody's own has only what runs its workflow
        commands.add_parser(name, help=text, add_help=False).set_defaults(program=(module, target))
    return parser


def _run_program(module: str, target: str, arguments: list[str]) -> int:
    from importlib import import_module

    try:
        main: Callable[[list[str]], int] = import_module(module).main
        return main(arguments)
    except ModuleNotFoundError as missing:
        print(f"{missing.name} is not installed for {sys.executable}: `make {target}` installs it.", file=sys.stderr)
        return 1


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise ToolError(f"{text!r} is no port (0 to 65535): name a free one, or none at all.")
    return int(text)


def _seconds(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= MOST_SECONDS):
        raise ToolError(f"{text!r} is no number of seconds from 1 to {MOST_SECONDS}: make skip SECONDS=82800")
    return int(text)


def _given(value: str, what: str) -> str:
    if not value.strip():
        raise ToolError(what)
    return value


class _Output(io.FileIO):
    """Standard output whose reader may leave, as that of `make up | head -1` does: what nobody reads is dropped."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - as FileIO has it
        try:
            return super().write(data)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(data)


def _let_the_reader_leave() -> None:
    if sys.stdout:  # None where it was closed from the start
        writer = io.BufferedWriter(_Output(sys.stdout.fileno(), "w", closefd=False))
        sys.stdout = io.TextIOWrapper(writer, sys.stdout.encoding, sys.stdout.errors, line_buffering=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def up(options: argparse.Namespace) -> int:
    with _deployed(_port(options.port), "default") as (_, outputs):
        _print_outputs(outputs)
    return 0


def demo(options: argparse.Namespace) -> int:
    from tools.demos import find_demo

    chosen = find_demo(options.name)
    with _deployed(_port(options.port), chosen.config_env) as (engine, outputs):
        try:
            return 0 if chosen.run(engine, outputs) else 1
        except EngineError as error:
            stack = configured_stack_name(chosen.config_env)
            if stack not in (each["StackName"] for each in _stacks(engine)):
                raise ToolError(f"The stack {stack} is gone: it was deleted while the demo ran.") from error
            raise


def down(_options: argparse.Namespace) -> int:
    engine = attach()
    if engine is None and not DIRECTORY.exists():
        print("The embedded AWS does not run.")
        return 0
    (engine or Engine(DIRECTORY)).stop()
    print("The embedded AWS has ended; nothing of it is left.")
    return 0


def status(_options: argparse.Namespace) -> int:
    engine = attach()
    if engine is None:
        print("The embedded AWS does not run: `make up` starts it.")
        return 1
    print(f"The embedded AWS runs: {engine.endpoint_url}, port {engine.port}, process {engine.pid}.")
    stacks = _stacks(engine)
    for stack in stacks:
        print(plain(f"{stack['StackName']}: {stack['StackStatus']}"))
        _print_outputs({output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])})
    if not stacks:
        print("No stack is deployed there: `make up` deploys the payment callback, `make demo-…` another workflow.")
    return 0


def _stacks(engine: Engine) -> list[dict[str, Any]]:
    """The stacks there, as CloudFormation describes them, without the one in which SAM CLI keeps its bucket."""
    with calls_explained():
        stacks = engine.client("cloudformation").describe_stacks()["Stacks"]
    return [stack for stack in stacks if not stack["StackName"].startswith("aws-sam-cli-managed")]


def show(options: argparse.Namespace) -> int:
    from botocore.exceptions import BotoCoreError, ClientError

    from tools.aws import find_aws
    from tools.demos.common import make_console
    from tools.story import find_story, print_story

    execution = _given(options.execution, "Name an execution by its ARN or its name: make show EXECUTION=…")
    aws = find_aws(execution)
    try:
        story = find_story(aws.client, execution)
    except (BotoCoreError, ClientError) as error:
        raise ToolError(f"No story from {aws.name}: {plain(error)}") from error
    if story is None:
        raise ToolError(f"There is no execution {execution!r} on {aws.name}: give the ARN or the name of one.")
    print_story(story, make_console())
    return 0


def skip(options: argparse.Namespace) -> int:
    seconds = _seconds(options.seconds)
    _running().skip(seconds)
    print(f"The clock of Step Functions has moved by {seconds} s; functions and queues have their own time.")
    return 0


def invoke(options: argparse.Namespace) -> int:
    from tools.invoke import invoke as invoke_in_container

    how = "make invoke FUNCTION=PaymentWorkerFunction EVENT=events/payment_worker/payment.json"
    function = _given(options.function, f"Name a function by its logical ID: {how}")
    event = _given(options.event, f"Name a file with an event, or - for standard input: {how}")
    return invoke_in_container(_running(), function, event, config_env=options.config_env)


def env(_options: argparse.Namespace) -> int:
    variables = _running().client_variables()
    theirs = {name for name in os.environ if name.startswith("AWS_") and name.isidentifier() and name.isascii()}
    theirs |= {"AWS_PROFILE", "AWS_SESSION_TOKEN"}
    print("unset", *sorted(theirs - variables.keys()))
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    # Behind whatever AWS CLI the user has
    print(f'export PATH="$PATH":{shlex.quote(str(PROJECT / ".venv" / "bin"))}')
    return 0


def attach() -> Engine | None:
    if Engine(DIRECTORY).orphaned:
        print(f"{DIRECTORY} was moved or removed while the embedded AWS ran: it is ended.", file=sys.stderr)
    return Engine.attach(DIRECTORY)


def _running() -> Engine:
    engine = attach()
    if engine is None:
        raise ToolError("The embedded AWS does not run: `make up` starts it.")
    return engine


@contextmanager
def _deployed(port: int, config_env: str) -> Iterator[tuple[Engine, dict[str, str]]]:
    """The running engine, and the outputs of the stack that has just been deployed to it.

    An engine that was started here is ended when the deployment or the block fails or is interrupted.
    """
    with exclusive(DIRECTORY, wait=False) as held:
        if not held:
            print("Another command is starting or ending the embedded AWS: waiting for it.", flush=True)
    started: Engine | None = None
    try:
        with exclusive(DIRECTORY):
            engine = _running_engine(port)
            if engine is None:
                print("Starting the embedded AWS ...", flush=True)
                started = engine = Engine(DIRECTORY, port=port)
                engine.start()
            print(f"The embedded AWS runs: {engine.endpoint_url}", flush=True)
            print("Deploying with `sam deploy` ...", flush=True)
            outputs = deploy(engine, config_env=config_env)
            with calls_explained():
                cache_layers(engine)
        yield engine, outputs
    except BaseException:
        if started:
            with _undisturbed():
                started.stop()
        raise


def _running_engine(port: int) -> Engine | None:
    engine = attach()
    if engine and port not in (0, engine.port):
        raise ToolError(f"The embedded AWS already runs on port {engine.port}: `make down` first.")
    return engine


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not stop the cleaning up after the first."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _print_outputs(outputs: dict[str, str]) -> None:
    width = max(map(len, outputs), default=0)
    for key, value in outputs.items():
        print(plain(f"  {key:{width}}  {value}"))
