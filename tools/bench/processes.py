"""The processes that are measured: a Python as the embedded AWS runs functions with, and the code as it is deployed."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import PROJECT
from tools.engine.engine import ENGINE_PYTHON

BENCH = PROJECT / "tools/bench"
MEASURED = BENCH / "measured"

# What Lambda or a template sets in the environment of a function; any will do, as none is called but the worker
VARIABLES = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "PAYMENT_SUCCESS_RATE": "0.5",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "bench",
    "PYTHONDONTWRITEBYTECODE": "1",  # what is deployed has no bytecode and cannot keep any; libraries have theirs
}


@dataclass(frozen=True)
class Code:
    """Code as it is deployed, in its own folder."""

    name: str
    folder: Path

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a process that runs it; nothing of the user's own but where programs are."""
        path = os.pathsep.join((str(self.folder), str(MEASURED)))
        return {"PATH": os.environ["PATH"], "PYTHONPATH": path, **VARIABLES, **(variables or {})}


def deployed_code(folder: Path) -> tuple[Code, Code]:
    """Ours and the baseline's, copied without bytecode into folders under this one."""
    sources = {"ours": PROJECT / "functions", "baseline": BENCH / "baseline" / "functions"}
    for name, source in sources.items():
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Code("ours", folder / "ours"), Code("baseline", folder / "baseline")


def run(
    code: Code, script: str, *arguments: str, variables: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> str:
    """What a script of bench/measured prints in a fresh process; `prefix` is a command that runs the one after it."""
    command = [*prefix, str(ENGINE_PYTHON), str(MEASURED / script), *arguments]
    environment = code.environment(variables)
    return subprocess.run(
        command,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends it by way of this process only
    ).stdout


class Worker:
    """A process that handles one event after another with the payment worker of some code."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def handle(self, event: object) -> dict[str, Any]:
        """What bench/measured/batches.py says of it."""
        assert self._process.stdin and self._process.stdout  # noqa: PT018 - pipes
        print(json.dumps(event), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def worker(code: Code, variables: Mapping[str, str]) -> Iterator[Worker]:
    with subprocess.Popen(
        [ENGINE_PYTHON, MEASURED / "batches.py"],
        env=code.environment(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()
